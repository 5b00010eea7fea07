"""Adapters: they begin at nothing, leave the model alone, and can be added to it."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from springtide_workloads.contract import Layout
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.models import config_of, described
from springtide_workloads.models.exported import load_weights, read, weights_at
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.models.lora import ADAPTER, AdaptedLinear, LoRAConfig, adapted, adapters, merged
from springtide_workloads.recipes import resolve
from springtide_workloads.storage import Store
from springtide_workloads.train.export import export

BASE = GPTConfig(layers=2, heads=2, width=32, context=16, vocab=64)


def base(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return BASE.build().eval()


def tokens(seed: int = 0) -> Tensor:
    return torch.randint(0, BASE.vocab, (3, BASE.context), generator=torch.Generator().manual_seed(seed))


def learnt(model: nn.Module, seed: int) -> nn.Module:
    """A model whose adapters are no longer at nothing."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ADAPTER in name:
                parameter.copy_(torch.randn(parameter.shape, generator=chance) / 10)
    return model


def test_an_adapted_model_begins_as_the_model_it_was_given() -> None:
    plain = base()
    before = copy.deepcopy(plain)
    with torch.inference_mode():
        assert torch.equal(adapted(plain, rank=4, alpha=16.0)(tokens()), before(tokens()))


def test_only_the_adapters_learn_and_there_is_one_beside_each_matrix() -> None:
    model = adapted(base(), rank=4, alpha=16.0)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    linears = [name for name, layer in base().named_modules() if isinstance(layer, nn.Linear)]
    assert trained == {f"{name}{ADAPTER}{half}" for name in linears for half in "ab"}
    model(tokens()).sum().backward()
    assert all((parameter.grad is not None) == (name in trained) for name, parameter in model.named_parameters())


@settings(max_examples=25, deadline=None)
@given(rank=st.integers(1, 40), alpha=st.floats(0.1, 16), seed=st.integers(0, 2**31))
def test_a_merged_model_computes_what_the_adapted_one_does(rank: int, alpha: float, seed: int) -> None:
    model = learnt(adapted(base(seed), rank=rank, alpha=alpha), seed)
    plain = base(seed + 1)
    load_weights(plain, merged(dict(model.state_dict()), rank=rank, alpha=alpha), source="the test")
    with torch.inference_mode():
        torch.testing.assert_close(plain(tokens(seed)), model(tokens(seed)), rtol=2e-4, atol=2e-4)


def test_a_layer_merges_itself_as_the_whole_model_does() -> None:
    model = learnt(adapted(nn.Sequential(nn.Linear(8, 6)), rank=2, alpha=3.0), 1)
    layer = model.get_submodule("0")
    assert isinstance(layer, AdaptedLinear)
    found = merged(dict(model.state_dict()), rank=2, alpha=3.0)
    assert isinstance(layer, AdaptedLinear)
    assert torch.equal(found["0.weight"], layer.merged())
    assert torch.equal(found["0.bias"], layer.get_parameter("bias"))
    assert set(found) == {"0.weight", "0.bias"}


def test_merging_leaves_the_given_tensors_alone() -> None:
    given_tensors = dict(learnt(adapted(base(), rank=2, alpha=8.0), 2).state_dict())
    before = {name: tensor.clone() for name, tensor in given_tensors.items()}
    merged(given_tensors, rank=2, alpha=8.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in given_tensors.items())


def test_a_configuration_survives_json_with_its_base() -> None:
    config = LoRAConfig(base=BASE, rank=3, alpha=5.0)
    assert config_of(described(config)) == config
    assert (config.context, config.vocab) == (BASE.context, BASE.vocab)


def test_a_rank_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="the rank must be at least 1"):
        LoRAConfig(base=BASE, rank=0)


def test_weights_of_another_shape_are_refused_tensor_by_tensor() -> None:
    other = dict(base().state_dict())
    name = next(iter(other))
    other["stranger"] = other.pop(name)
    with pytest.raises(ConfigError, match="2 tensors") as refused:
        load_weights(adapted(base(), rank=2, alpha=1.0), other, source="somewhere")
    assert f"{name} is missing" in str(refused.value)
    assert "stranger has no place in the model" in str(refused.value)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run whose model can be tuned."""
    place = tmp_path / "run"
    recipe = replace(resolve("gpt_tiny:steps=1"), model=BASE)
    state = dict(base().state_dict())
    export(Store(place.as_uri()), state, recipe, run="tiny", step=1, held_out_loss=4.0, bigram_loss=None)
    return place


def test_a_tuned_recipe_takes_model_and_context_from_the_run_it_starts_from(run: Path) -> None:
    whole, low_rank = (resolve(f"tuned:start={run.as_uri()},adapters={rank}") for rank in (0, 4))
    assert whole.model == BASE
    assert low_rank.model == LoRAConfig(base=BASE, rank=4)
    assert whole.start == run.as_uri()
    assert (whole.optimizer.lr, low_rank.optimizer.lr) == (1e-4, 1e-3)


@pytest.mark.parametrize("start", ["", "runs/first", "file:///nowhere-at-all"])
def test_a_start_that_is_no_finished_run_is_refused(start: str, tmp_path: Path) -> None:
    text = start.replace("/nowhere-at-all", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="it must be the URL of a finished run"):
        resolve(f"tuned:start={text}" if text else "tuned")


def test_tuning_exports_a_plain_model_and_the_adapters_beside_it(run: Path, tmp_path: Path) -> None:
    recipe = resolve(f"tuned:start={run.as_uri()},adapters=4")
    model = recipe.model.build()
    load_weights(model, weights_at(run.as_uri()), source="the run")
    learnt(model, 5).eval()
    to = tmp_path / "tuned"
    state = dict(model.state_dict())
    export(Store(to.as_uri()), state, recipe, run="tuned", step=1, held_out_loss=3.0, bigram_loss=None)
    found = read(Store(to.as_uri()))
    assert found.config == BASE
    with torch.inference_mode():
        torch.testing.assert_close(found.build()(tokens()), model(tokens()), rtol=2e-4, atol=2e-4)
    beside = load_file(to / Layout.EXPORT_ADAPTERS)
    assert {name: tensor.tolist() for name, tensor in beside.items()} == {
        name: tensor.tolist() for name, tensor in adapters(state).items()
    }


def test_a_safetensors_file_is_a_start_as_well(tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in base().state_dict().items()}
    save_file(state, tmp_path / "given.safetensors")
    found = weights_at((tmp_path / "given.safetensors").as_uri())
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
    (tmp_path / "broken.safetensors").write_bytes(b"no such thing")
    for name, told in {"broken": "is no safetensors file", "missing": "there are no weights to start from"}.items():
        with pytest.raises(StorageError, match=told):
            weights_at((tmp_path / f"{name}.safetensors").as_uri())
