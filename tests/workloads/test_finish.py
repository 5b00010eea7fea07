"""Quantization, its error bounds, and the commands that evaluate, quantize and compare finished models."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from springtide_workloads.contract import ExitCode, Layout
from springtide_workloads.errors import ConfigError
from springtide_workloads.export import exported
from springtide_workloads.finish.__main__ import main
from springtide_workloads.finish.evaluate import held_out_loss
from springtide_workloads.finish.quantize import GROUP, KINDS, Int4Linear, Int8Linear, quantized, stored_bytes
from springtide_workloads.models.exported import read
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.recipes import resolve
from springtide_workloads.storage import Store
from springtide_workloads.train.export import export

CPU = torch.device("cpu")
CONFIG = GPTConfig(layers=1, heads=2, width=32, context=16, vocab=256)
KIND = st.sampled_from(sorted(KINDS))


def weight(seed: int, rows: int, columns: int, size: float = 1.0) -> Tensor:
    """Rows of very different sizes, with an outlier, as trained matrices have them."""
    chance = torch.Generator().manual_seed(seed)
    drawn = torch.randn(rows, columns, generator=chance) * torch.logspace(-3, 1, rows)[:, None]
    drawn[0, 0] = 20.0
    return drawn * size


def stored(layer: Int8Linear | Int4Linear) -> Tensor:
    """The weight that is stored."""
    numbers, scales = layer.get_buffer("quantized"), layer.get_buffer("scales")
    if isinstance(layer, Int8Linear):
        return numbers * scales[:, None]
    levels = torch.stack((numbers >> 4, numbers & 0xF), -1).view(layer.rows, -1, GROUP)
    scale, shift = scales.transpose(0, 1)[..., None].unbind(2)
    return ((levels.float() - 8) * scale + shift).view(layer.rows, layer.columns)


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return CONFIG.build().eval()


SHAPES = st.tuples(st.integers(1, 4).map(lambda n: 16 * n), st.integers(1, 4).map(lambda n: GROUP * n))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), shape=SHAPES, size=st.sampled_from([1e-6, 1.0, 1e4]))
def test_int8_is_off_by_half_a_step_of_its_row_at_most(seed: int, shape: tuple[int, int], size: float) -> None:
    given_weight = weight(seed, *shape, size)
    layer = Int8Linear(*shape)
    layer.take(given_weight)
    half = given_weight.abs().amax(1, keepdim=True) / 127 / 2
    assert bool(((stored(layer) - given_weight).abs() <= half * 1.001).all())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), shape=SHAPES, size=st.sampled_from([1e-6, 1.0, 1e4]))
def test_int4_is_off_by_half_a_step_of_its_group_at_most(seed: int, shape: tuple[int, int], size: float) -> None:
    given_weight = weight(seed, *shape, size)
    layer = Int4Linear(*shape)
    layer.take(given_weight)
    groups = given_weight.view(shape[0], -1, GROUP)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    # (level - 8) * scale + shift is computed in float32: the shift's own last bits come on top
    slack = torch.maximum(low.abs(), high.abs()) * 2e-6
    error = (stored(layer).reshape(groups.shape) - groups).abs()
    assert bool((error <= (high - low) / 15 / 2 * 1.001 + slack).all())


@settings(max_examples=20, deadline=None)
@given(kind=KIND, seed=st.integers(0, 2**31), rows=st.sampled_from([1, 3, 40]))
def test_the_kernels_multiply_with_what_is_stored(kind: str, seed: int, rows: int) -> None:
    layer = KINDS[kind].layer(32, 128)
    layer.take(weight(seed, 32, 128))
    x = torch.randn(rows, 128, generator=torch.Generator().manual_seed(seed))
    exact = x @ stored(layer).T
    found = layer(x)
    assert found.dtype == x.dtype
    # bfloat16 has 8 bits: each of the factors and the product is off by 0.4 % at most
    assert float((found - exact).norm() / exact.norm()) < 0.015


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_a_row_is_multiplied_alike_whatever_rows_are_beside_it(kind: str, seed: int) -> None:
    layer = KINDS[kind].layer(32, 128)
    layer.take(weight(seed, 32, 128))
    x = torch.randn(24, 128, generator=torch.Generator().manual_seed(seed))
    together = layer(x)
    assert all(torch.equal(layer(x[n : n + 1])[0], together[n]) for n in (0, 7, 23))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_a_matrix_of_one_number_is_stored_as_it_is(kind: str, value: float) -> None:
    layer = KINDS[kind].layer(16, 32)
    layer.take(torch.full((16, 32), value))
    assert torch.allclose(stored(layer), torch.full((16, 32), value), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(kind=KIND, seed=st.integers(0, 2**31))
def test_rounding_what_is_rounded_changes_nothing_more(kind: str, seed: int) -> None:
    once, twice = KINDS[kind].layer(16, 64), KINDS[kind].layer(16, 64)
    once.take(weight(seed, 16, 64))
    twice.take(stored(once))
    assert torch.allclose(stored(once), stored(twice), rtol=1e-4, atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(kind=KIND, seed=st.integers(0, 2**31))
def test_a_quantized_model_read_back_gives_the_same_bits(kind: str, seed: int) -> None:
    made = quantized(model(seed), kind)
    again = quantized(model(seed + 1), kind, rounded=False)
    again.load_state_dict(made.state_dict())
    tokens = torch.randint(0, 256, (2, 16), generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        assert torch.equal(made(tokens), again(tokens))


def test_embeddings_norms_and_matrices_that_do_not_fit_stay_as_they_are() -> None:
    layers = nn.Sequential(nn.Linear(17, 32, bias=False), nn.Linear(32, 32), nn.Linear(32, 32, bias=False))
    quantized(layers, "int4")
    assert [type(each) for each in layers] == [nn.Linear, nn.Linear, Int4Linear]
    assert {type(each) for each in quantized(model(), "int8").modules()} >= {nn.Embedding, Int8Linear}


def test_none_changes_nothing_and_another_kind_is_refused() -> None:
    plain = model()
    assert quantized(plain, "none") is plain
    with pytest.raises(ConfigError, match=r"'int3' is not known: use one of none, int8, int4"):
        quantized(plain, "int3")


def test_fewer_bits_are_fewer_bytes_and_a_tied_tensor_counts_once() -> None:
    sizes = [stored_bytes(quantized(model(), kind)) for kind in ("none", "int8", "int4")]
    assert sizes == sorted(sizes, reverse=True)
    first = nn.Linear(8, 8, bias=False)
    second = nn.Linear(8, 8, bias=False)
    second.weight = first.weight
    assert stored_bytes(nn.Sequential(first, second)) == 8 * 8 * 4


def test_the_loss_of_a_model_that_knows_nothing_is_that_of_guessing() -> None:
    class Even(nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            return torch.zeros(*tokens.shape, 256)

    tokens = torch.randint(0, 256, (3, 17))
    batches = [(tokens[:, :-1], tokens[:, 1:]), (tokens[:1, :-1], tokens[:1, 1:])]
    assert held_out_loss(Even(), batches, CPU) == pytest.approx(torch.log(torch.tensor(256.0)).item())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run, as training leaves it: a model of random weights."""
    recipe = replace(resolve("gpt_tiny:steps=1"), model=CONFIG)
    place = tmp_path / "run"
    store = Store(place.as_uri())
    export(store, dict(model().state_dict()), recipe, run="tiny", step=1, held_out_loss=5.5, bigram_loss=2.5)
    return place


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A folder of a little text."""
    place = tmp_path / "text"
    place.mkdir()
    paragraphs = (f"{number} quick brown foxes jump over {number} lazy dogs" for number in range(200))
    (place / "some.txt").write_text("\n\n".join(paragraphs))
    return place


def of(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()[1:]]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_quantize_writes_a_model_that_is_read_like_any_other(run: Path, tmp_path: Path, kind: str) -> None:
    to = tmp_path / kind
    assert main(["quantize", str(run), "--kind", kind, "--to", str(to)]) == 0
    about = json.loads((to / Layout.EXPORT_CONFIG).read_text())
    weights = (to / Layout.EXPORT_WEIGHTS).read_bytes()
    assert about["quantization"] == kind
    assert about["sha256"] == hashlib.sha256(weights).hexdigest()
    assert len(weights) < (run / Layout.EXPORT_WEIGHTS).stat().st_size
    tokens = torch.arange(16)[None]
    with torch.inference_mode():
        expected = quantized(read(Store(run.as_uri())).build(), kind)(tokens)
        assert torch.equal(read(Store(to.as_uri())).build()(tokens), expected)


def test_what_is_quantized_already_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["quantize", str(run), "--kind", "int8", "--to", str(tmp_path / "int8")])
    code = main(["quantize", str(tmp_path / "int8"), "--kind", "int4", "--to", str(tmp_path / "int4")])
    assert code == ExitCode.CONFIG
    assert "is quantized already (int8): start from the export of the run" in capsys.readouterr().err
    assert exported(Store((tmp_path / "int4").as_uri())) is None


def test_evaluate_tells_the_loss_on_the_text_it_is_given(
    run: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), "--data", str(text)]) == 0
    loss = float(capsys.readouterr().out.split()[2])
    assert 5.0 < loss < 6.5, "weights that were never trained guess among 256 bytes"


def test_the_table_has_a_row_for_each_way_to_store_the_model(
    run: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", run.as_uri(), "--data", str(text)]) == 0
    rows = of(capsys.readouterr().out)
    assert [row[0] for row in rows] == ["float32", "bfloat16", "int8", "int4"]
    losses = [float(row[1]) for row in rows]
    assert max(losses) - min(losses) < 0.05
    assert all(float(cell.replace(",", "")) > 0 for row in rows for cell in row[2:])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "{place}/nothing"], "there is no finished model at"),
        (["evaluate", "{place}/run", "--device", "cuda"], "torch sees no GPU here"),
    ],
)
def test_what_cannot_work_is_told_without_a_traceback(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main([each.format(place=run.parent) for each in arguments]) in {ExitCode.STORAGE, ExitCode.CONFIG}
    assert told in capsys.readouterr().err


def test_damaged_weights_are_not_used(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / Layout.EXPORT_WEIGHTS
    data: Any = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert main(["evaluate", str(run)]) == ExitCode.STORAGE
    assert "does not match the digest" in capsys.readouterr().err
