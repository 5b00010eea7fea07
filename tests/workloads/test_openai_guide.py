"""What docs/serving.md says is what there is."""

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from springtide_workloads import contract
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.openai.bodies import ChatBody, CompletionBody
from springtide_workloads.serve.predictor import Predictor
from springtide_workloads.serve.resolve import resolve, settings_of

GUIDE = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")


def metrics_table() -> str:
    """Names and meanings of the contract's metrics."""
    tree = ast.parse(Path(contract.__file__).read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Metric")
    body: list[Any] = found.body[1:]
    rows = ["| name | what it is |", "|---|---|"]
    for name, text in zip(body[::2], body[1::2], strict=True):
        value = ast.literal_eval(name.value)
        meaning = " ".join(ast.literal_eval(text.value).split())
        rows.append(f"| `{value}` | {meaning.removesuffix('.')} |")
    return "\n".join(rows)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)


def test_the_table_of_metrics_is_the_contracts() -> None:
    written = re.search(r"<!-- metrics:.*?-->\n(.*?)\n<!-- end", GUIDE, flags=re.DOTALL)
    assert written
    assert written[1] == metrics_table()


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The guide's own module."""
    source = next(block for block in blocks("python") if "class Labels" in block)
    spec = importlib.util.spec_from_loader("team_of_the_guide", None)
    assert spec
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "team_of_the_guide", module)
    exec(compile(source, "docs/serving.md", "exec"), module.__dict__)
    return module


def test_the_guides_predictor_can_be_served(team: Any) -> None:
    found = resolve("team_of_the_guide.Labels:max_batch=64")
    assert (found.takes, found.gives, found.streams) == (team.Question, team.Answer, False)
    assert found.predictor.max_batch == 64
    assert found.predictor.predict([team.Question(text="x" * 30)]) == [team.Answer(label="long")]


def rows(after: str) -> set[str]:
    """What stands in backticks in the first cells of the table after a line."""
    table = GUIDE.partition(after)[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    return {name.partition("=")[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_attributes_of_a_predictor_are_all_there() -> None:
    assert rows("there is disk.\n\n") == set(settings_of(Predictor))


def test_the_keys_of_the_gpt_are_all_there() -> None:
    options = {field.name for field in msgspec.inspect.type_info(Options).fields}  # type: ignore[attr-defined]
    assert rows("is not read again.\n\n") == options | {"max_tokens"}


def test_fields_that_the_guide_names_are_read() -> None:
    known = {field.name for body in (CompletionBody, ChatBody) for field in msgspec.structs.fields(body)}
    named = {name.partition(".")[0] for name in rows("version 3.54.0.\n\n")} - {"prompt_cache_*"}
    assert named <= known


@pytest.mark.parametrize("source", blocks("python"))
def test_every_block_is_python(source: str) -> None:
    ast.parse(source)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"SPRINGTIDE_[A-Z_]+", GUIDE))))
def test_variables_are_the_contracts(name: str) -> None:
    assert name in set(contract.Env)
