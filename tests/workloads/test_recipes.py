import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.errors import ConfigError
from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.recipes import RECIPES, AdamW, resolve


@pytest.mark.parametrize("name", sorted(RECIPES.keys() - {"tuned"}))
def test_every_recipe_is_complete_as_it_is(name: str) -> None:
    recipe = resolve(name)
    assert recipe.name == name
    assert recipe.to_json()["model"]["kind"] == "gpt"


def test_overrides_are_read_by_their_types() -> None:
    recipe = resolve("gpt_tiny:steps=20,lr=1e-3,width=64")
    assert (recipe.steps, recipe.optimizer.lr) == (20, 1e-3)
    assert isinstance(recipe.model, GPTConfig)
    assert recipe.model.width == 64


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="use one of gpt_1b, gpt_medium, gpt_small, gpt_tiny, tuned"):
        resolve("gpt_huge")


def test_all_mistakes_of_a_recipe_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("gpt_tiny:stepz=3,steps=many,lr=fast")
    text = str(caught.value)
    assert all(part in text for part in ("'stepz' cannot be set", "steps is 'many'", "lr is 'fast'", "save_every"))


@pytest.mark.parametrize("part", ["steps=0", "batch=0", "save_every=-1", "keep=0"])
def test_counts_below_one_are_refused(part: str) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        resolve(f"gpt_tiny:{part}")


@pytest.mark.parametrize("width", [0, 30, 36])
def test_a_width_that_heads_cannot_share_is_refused(width: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 8"):
        resolve(f"gpt_tiny:width={width}")


@given(st.integers(1, 5000), st.floats(0, 0.5))
def test_the_rate_rises_once_and_falls_to_its_floor(steps: int, warmup: float) -> None:
    optimizer = AdamW(lr=1.0, warmup=warmup, floor=0.1)
    rates = [optimizer.rate(step, steps) for step in range(steps)]
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert all(0 < rate <= 1 for rate in rates)
    assert min(rates[top:]) >= 0.1 * rates[top]


def test_only_matrices_decay() -> None:
    model = GPTConfig(layers=1, heads=2, width=8, context=4).build()
    matrices, others = AdamW(lr=1.0).build(model).param_groups
    assert {p.ndim for p in matrices["params"]} == {2}
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert len(matrices["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_a_model_cannot_see_what_comes_later() -> None:
    model = GPTConfig(layers=2, heads=2, width=8, context=16).build().eval()
    tokens = torch.arange(16)[None]
    changed = tokens.clone()
    changed[0, 10] = 99
    same = torch.isclose(model(tokens), model(changed)).all(dim=-1)[0].tolist()
    assert same == [True] * 10 + [False] * 6


def test_a_fresh_model_knows_nothing() -> None:
    model = GPTConfig(layers=2, heads=2, width=32, context=16).build().eval()
    logits = model(torch.arange(16)[None])
    loss = torch.nn.functional.cross_entropy(logits[0], torch.arange(1, 17)).item()
    assert loss == pytest.approx(math.log(256), abs=0.1)


@pytest.mark.parametrize("start", ["", ":start=first", ":start=file:///nowhere/at/all"])
def test_tuning_needs_a_finished_run_to_start_from(start: str) -> None:
    with pytest.raises(ConfigError, match="must be the URL of a finished run"):
        resolve(f"tuned{start}")


def test_a_recipe_of_ones_own_is_a_function_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from springtide_workloads.recipes import Recipe, resolve\n"
        "from dataclasses import replace\n"
        "def slow(*, name: str, steps: int = 7, bf16: bool = True) -> Recipe:\n"
        "    return replace(resolve('gpt_tiny'), name=name, steps=steps, bf16=bf16)\n"
        "def wrong(*, name: str): return 3\n"
    )
    (tmp_path / "team_recipes.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = resolve("team_recipes.slow:steps=9,bf16=false")
    assert (recipe.steps, recipe.bf16, recipe.name) == (9, False, "team_recipes.slow:steps=9,bf16=false")
    for text, says in (
        ("team_recipes.absent", "has no function 'absent'"),
        ("team_recipes.wrong", "must return a Recipe"),
        ("no_such_module.slow", "cannot be imported"),
        ("team_recipes.slow:bf16=perhaps", "bf16 is 'perhaps'"),
    ):
        with pytest.raises(ConfigError, match=says):
            resolve(text)
