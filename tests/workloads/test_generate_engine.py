"""The engine: exports loaded, several models at a time, requests that cannot work refused, and none that takes others along."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.workloads.generating import TINY, FakeWork, asked, greedy, one_thread, tiny
from torch import Tensor

from springtide_workloads.contract import Device
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.finish.quantize import quantized
from springtide_workloads.finish.write import quantize_export
from springtide_workloads.models.exported import read
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.models.lora import ADAPTER, LoRAConfig, adapted
from springtide_workloads.recipes import resolve
from springtide_workloads.serve.generate.engine import BROKEN_STEPS, Generation
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.request import Finish
from springtide_workloads.serve.http import Refusal
from springtide_workloads.storage import Store
from springtide_workloads.train.export import export

__all__ = ["one_thread"]  # a fixture that works by being here

SMALL = Options(slots=4, step_tokens=32)


class FakeLine:
    """A line that closes when everything that was in it is taken."""

    def __init__(self, works: list[FakeWork]) -> None:
        self.works = deque(works)
        self.taken: list[int] = []

    @property
    def closed(self) -> bool:
        return not self.works

    def take(self, most: int, wait: float | None) -> list[FakeWork]:
        assert wait in {None, 0.0}
        count = min(most, len(self.works))
        self.taken.append(count)
        return [self.works.popleft() for _ in range(count)]


def store_at(place: Path) -> Store:
    return Store(place.as_uri())


def exported_to(place: Path, state: dict[str, Tensor], *, run: str, model: Any = TINY) -> Store:
    recipe = replace(resolve("gpt_tiny:steps=1"), model=model)
    export(store_at(place), state, recipe, run=run, step=1, held_out_loss=4.0, bigram_loss=None)
    return store_at(place)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return exported_to(tmp_path_factory.mktemp("base"), dict(tiny().state_dict()), run="base")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Adapters of the base, of different ranks."""
    found = {}
    for rank in (2, 5):
        model = adapted(tiny(), rank=rank, alpha=8.0)
        chance = torch.Generator().manual_seed(rank)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if ADAPTER in name:
                    parameter.copy_(torch.randn(parameter.shape, generator=chance) / 3)
        config = LoRAConfig(base=TINY, rank=rank, alpha=8.0)
        place = tmp_path_factory.mktemp(f"tuned{rank}")
        found[f"rank{rank}"] = exported_to(place, dict(model.state_dict()), run=f"rank{rank}", model=config)
    return found


def loaded(first: Store, options: Options = SMALL, **more: Any) -> Generation:
    engine = Generation(first, Device.CPU, options, **more)
    engine.load()
    return engine


def answered(engine: Generation, works: list[FakeWork]) -> list[FakeWork]:
    line: Any = FakeLine(works)
    engine.run(line)
    return works


def test_requests_are_answered_with_the_tokens_of_the_export(base: Store) -> None:
    engine = loaded(base)
    works = answered(engine, [FakeWork(asked(b"hello"[: at + 1], 5 + at)) for at in range(9)])
    module = read(base).build()
    assert engine.names == ("base",)
    assert all(work.ids == greedy(module, work.asked, work.ids) for work in works)
    assert all(work.finish is Finish.LENGTH and work.ended == work.begun == 1 for work in works)


def test_requests_of_different_adapters_share_a_batch(base: Store, tuned: dict[str, Store]) -> None:
    engine = loaded(base, further=tuned)
    assert engine.names == ("base", "rank2", "rank5")
    assert len(engine._batches) == 1
    works = answered(engine, [FakeWork(asked(b"equal", 12, model=name)) for name in ("", *engine.names)])
    modules = [read(store).build() for store in (base, base, *tuned.values())]
    for module, work in zip(modules, works, strict=True):
        assert work.ids == greedy(module, work.asked, work.ids)
    assert len({tuple(work.ids) for work in works}) == 3


def test_adapters_find_no_prefix_that_another_one_left(base: Store, tuned: dict[str, Store]) -> None:
    engine = loaded(base, further=tuned)
    works = [FakeWork(asked(b"a" * 40, 2, model=name)) for name in ("base", "rank2", "base")]
    for work in works:
        answered(engine, [work])
    assert [work.pieces[0].cached for work in works] == [0, 0, 32]


def test_models_of_other_shapes_are_served_beside_each_other(base: Store, tmp_path: Path) -> None:
    config = replace(TINY, layers=1, context=64)
    other = exported_to(tmp_path, dict(tiny(7, config).state_dict()), run="other", model=config)
    engine = loaded(base, further={"second": other})
    assert (engine.context(), engine.context("second")) == (96, 64)
    works = answered(engine, [FakeWork(asked(b"x", 20, model=name)) for name in ("base", "second") * 5])
    for work in works:
        module = read(base if work.asked.model == "base" else other).build()
        assert work.ids == greedy(module, work.asked, work.ids)


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_an_export_rounded_while_it_is_loaded_gives_what_a_rounded_export_gives(
    base: Store, tmp_path: Path, kind: str
) -> None:
    quantize_export(base, store_at(tmp_path), kind)
    works = [FakeWork(asked(b"once upon", 10)) for _ in range(2)]
    answered(loaded(base, replace(SMALL, quantize=kind)), works[:1])
    answered(loaded(store_at(tmp_path)), works[1:])
    assert works[0].ids == works[1].ids
    with pytest.raises(ConfigError, match=f"stored as {kind} and the option quantize says"):
        loaded(store_at(tmp_path), replace(SMALL, quantize="int4" if kind == "int8" else "int8"))


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_in_bfloat16_the_tokens_are_the_likeliest_of_the_module_in_bfloat16_up_to_its_rounding(
    base: Store, quantize: str
) -> None:
    engine = loaded(base, replace(SMALL, dtype="bfloat16", quantize=quantize))
    kernel: Any = engine._batches[0].kernel
    assert kernel._model.tokens.weight.dtype == kernel._cache._layers[0][0].dtype == torch.bfloat16
    module = quantized(read(base).build().to(torch.bfloat16), quantize)
    for work in answered(engine, [FakeWork(asked(b"hello"[: at + 1], 9)) for at in range(5)]):
        with torch.inference_mode():
            logits = module(torch.tensor([[*work.asked.prompt, *work.ids]]))[0, len(work.asked.prompt) - 1 : -1].float()
        chosen = logits[torch.arange(9), torch.tensor(work.ids)]
        # eight bits are a step of 1 / 128 from a number to the next; sums of a layer or two may be some of these apart
        assert (logits.amax(-1) - chosen <= logits.abs().amax(-1) / 16).all()


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "it is empty": ({"prompt": ()}, 422, "prompt"),
    "at most 92 with this prompt": ({"max_tokens": 93}, 422, "max_tokens"),
    "send 95 at most": ({"prompt": (1,) * 96}, 422, "prompt"),
    "must be at least 1": ({"max_tokens": 0}, 422, "max_tokens"),
    "must be from 0 to 255": ({"prompt": (256,)}, 422, "prompt"),
    "must be above 0 and at most 1": ({"top_p": 0.0}, 422, "top_p"),
    "there is no model mine: this server has base": ({"model": "mine"}, 404, "model"),
    "a stop sequence is empty": ({"stop": (b"",)}, 422, "stop"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_work_is_refused_by_its_field(base: Store, text: str) -> None:
    changes, status, field = REFUSED[text]
    request = replace(asked(b"four", 2), **changes)
    engine = loaded(base)
    with pytest.raises(Refusal, match=text) as refused:
        engine.check(request)
    assert (refused.value.status, refused.value.field) == (status, field)
    wrong, right = answered(engine, [FakeWork(request), FakeWork(asked(b"ok", 2))])
    assert isinstance(wrong.error, Refusal)
    assert len(right.ids) == 2


def test_a_text_as_long_as_the_context_is_answered(base: Store) -> None:
    work = answered(loaded(base), [FakeWork(asked(b"four", 92))])[0]
    assert len(work.ids) == 92


def test_requests_join_in_the_order_of_the_line_and_no_more_are_taken_than_there_is_room(base: Store) -> None:
    engine = loaded(base)
    works = [FakeWork(asked(b"x", 3)) for _ in range(10)]
    line: Any = FakeLine(works)
    engine.run(line)
    assert max(line.taken) == SMALL.slots
    assert all(work.ended == 1 for work in works)


def test_a_step_that_breaks_takes_only_those_in_it(base: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = loaded(base, replace(SMALL, slots=1))
    kernel, calls = engine._batches[0].kernel, []

    def breaking(*inputs: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the device hiccuped")
        return kernel(*inputs)

    monkeypatch.setattr(engine._batches[0], "kernel", breaking)
    hit, spared = answered(engine, [FakeWork(asked(b"x", 5)), FakeWork(asked(b"y", 5))])
    assert "hiccuped" in str(hit.error)
    assert len(spared.ids) == 5


def test_a_device_that_is_lost_ends_the_engine(base: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = loaded(base, replace(SMALL, slots=1))

    def broken(*_: Tensor) -> Tensor:
        raise RuntimeError("lost")

    monkeypatch.setattr(engine._batches[0], "kernel", broken)
    with pytest.raises(RuntimeError, match="lost"):
        answered(engine, [FakeWork(asked(b"x", 5)) for _ in range(BROKEN_STEPS + 2)])


def test_those_for_whom_nobody_waits_are_let_go(base: Store) -> None:
    engine = loaded(base)
    gone = FakeWork(asked(b"x", 50), gone=True)
    answered(engine, [gone, FakeWork(asked(b"y", 3))])
    assert gone.ended == 1
    assert not gone.pieces


class Told:
    """What an engine tells."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.used: list[float] = []
        self.batch: Callable[[int], None] = self.sizes.append
        self.cache: Callable[[float], None] = self.used.append


def test_batch_sizes_and_cache_use_are_told(base: Store) -> None:
    told = Told()
    engine = loaded(base, replace(SMALL, slots=2, pages=12), observe=told)
    answered(engine, [FakeWork(asked(b"x" * 20, 40)), FakeWork(asked(b"y", 1))])
    assert told.sizes[0] == 2
    assert told.used[0] == pytest.approx(5 / 12)
    assert told.used[-1] == 0.0


def test_models_that_are_missing_or_of_another_kind_end_the_loading(base: Store, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no finished model"):
        loaded(store_at(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="two models are named base"):
        loaded(base, further={"base": base})
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="torch sees no GPU"):
            Generation(base, Device.CUDA).load()


def test_a_cache_too_small_for_one_text_is_refused_with_the_size_it_needs(base: Store) -> None:
    with pytest.raises(ConfigError, match=r"takes 6: set cache_mib to 1 or more"):
        loaded(base, replace(SMALL, pages=5))


def test_options_are_read_and_every_mistake_is_told() -> None:
    found = Options.parse({"slots": "7", "cache_mib": "64", "quantize": "int8", "dtype": "bfloat16", "compile": "true"})
    assert found == Options(slots=7, cache_mib=64, quantize="int8", dtype="bfloat16", compile=True)
    with pytest.raises(ConfigError) as refused:
        Options.parse({"slots": "0", "compile": "yes", "speed": "11", "dtype": "half", "pages": "4", "cache_mib": "4"})
    for told in (
        "slots is '0'",
        "one of true, false",
        "speed is not known",
        "one of stored, float32, bfloat16",
        "give one of them",
    ):
        assert told in str(refused.value)


def test_threads_are_as_many_as_are_asked_for(base: Store) -> None:
    before = torch.get_num_threads()
    try:
        loaded(base, replace(SMALL, threads=before + 1))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_names_may_be_asked_while_it_runs(base: Store) -> None:
    engine = loaded(base)
    works = [FakeWork(asked(b"x", 30)) for _ in range(8)]
    thread = threading.Thread(target=answered, args=(engine, works))
    thread.start()
    engine.check(asked(b"y", 2))
    assert engine.cost(asked(b"y" * 16, 2)) == 4.0
    thread.join()
    assert all(len(work.ids) == 30 for work in works)


def test_a_model_whose_tokens_are_no_bytes_takes_ids(tmp_path: Path) -> None:
    config = GPTConfig(layers=1, heads=1, width=16, context=32, vocab=300)
    store = exported_to(tmp_path, dict(tiny(1, config).state_dict()), run="words", model=config)
    engine = loaded(store)
    with pytest.raises(Refusal, match="send token ids"):
        engine.check(replace(asked([1], 2), prompt=b"text"))
    work = answered(engine, [FakeWork(asked([299], 3))])[0]
    assert len(work.ids) == 3
