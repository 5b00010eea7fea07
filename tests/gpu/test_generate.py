"""Generation on a GPU: the plain module's tokens through joins and leaves, weights in the machine's memory, compiled steps."""

import time

import pytest
import torch
from tests.workloads.generating import TINY, FakeWork, asked, greedy, tiny

from springtide_workloads.finish.quantize import quantized
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.build import batch_over
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.request import Generate
from springtide_workloads.serve.generate.static import replay

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

GPU = torch.device("cuda", 0)
BIG = GPTConfig(layers=4, heads=8, width=512, context=256)


def played(made: Batch, requests: list[Generate], seed: int = 0) -> list[FakeWork]:
    works = [FakeWork(each) for each in requests]
    waiting = list(works)
    while waiting or made.members:
        while waiting and made.join(waiting[0], seed=seed):
            waiting.pop(0)
        made.step()
    return works


def ragged(count: int) -> list[Generate]:
    return [asked([at % 256] * (1 + 7 * at % 50), 3 + 5 * at % 30) for at in range(count)]


@pytest.mark.parametrize("compiled", [False, True])
def test_greedy_tokens_are_those_of_the_plain_module(compiled: bool) -> None:
    made = batch_over(tiny(), TINY, GPU, Options(slots=5, step_tokens=32, compile=compiled))
    model = tiny().to(GPU).cpu()
    for work in played(made, ragged(20)):
        assert work.ids == greedy(model, work.asked, work.ids)
    assert made.pages.used == 0


def test_draws_do_not_depend_on_who_else_is_there() -> None:
    requests = [asked([at] * 9, 12, temperature=1.0, top_p=0.9) for at in range(6)]
    together = played(batch_over(tiny(), TINY, GPU, Options(slots=6)), requests, seed=5)
    for request, work in zip(requests, together, strict=True):
        alone = played(batch_over(tiny(), TINY, GPU, Options(slots=1)), [request], seed=5)[0]
        assert alone.ids == work.ids


def test_weights_that_do_not_fit_stay_in_the_machines_memory() -> None:
    made = batch_over(tiny(0, BIG), BIG, GPU, Options(slots=4, weights_mib=8))
    model = tiny(0, BIG)
    for work in played(made, ragged(6)):
        assert work.ids == greedy(model, work.asked, work.ids)


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_quantized_weights_give_every_token_that_is_asked_for(kind: str) -> None:
    made = batch_over(quantized(tiny(0, BIG), kind), BIG, GPU, Options(slots=4))
    assert [len(work.ids) for work in played(made, ragged(8))] == [each.max_tokens for each in ragged(8)]


def test_continuous_batching_beside_static(capsys: pytest.CaptureFixture[str]) -> None:
    requests = ragged(64)
    for policy in ("continuous", "static"):
        made = batch_over(tiny(0, BIG), BIG, GPU, Options(slots=16))
        replay(made, requests[:4], policy=policy)
        started = time.perf_counter()
        found = replay(made, requests, policy=policy)
        tokens, seconds = sum(map(len, found.tokens)), time.perf_counter() - started
        with capsys.disabled():
            print(f"\n{policy}: {tokens / seconds:.0f} tokens/s, {found.wasted} of {found.slot_steps} wasted")  # noqa: T201  figures are this test's result
