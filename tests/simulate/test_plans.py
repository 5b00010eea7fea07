from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from springtide.offline.record import MistakeError
from springtide.simulate import plans
from springtide.simulate.mistake import UsageError

from .stage import plan

PROJECT = "name: springtide\nruntime: python\nmain: stacks\nstackConfigDir: stacks\n"
FILES = {
    "local": "config:\n  cloud: local\n",
    "waits": "config:\n  cloud: aws\n",
    "pushed": "config:\n  cloud: aws\n  images: {digest: x}\n",
    "work": "config:\n  on: pushed\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "stacks").mkdir()
    for name, text in FILES.items():
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What was recorded with which configuration, by environment; every one registers the same."""
    found: dict[str, Any] = {}

    def record(_root: Path, name: str, *, config: Any) -> SimpleNamespace:
        found[name] = config
        return SimpleNamespace(project="springtide", resources=plan().resources, outputs={})

    monkeypatch.setattr(plans, "record", record)
    return found


@pytest.mark.parametrize(("name", "stands_in"), [("waits", True), ("pushed", False), ("local", False), ("work", True)])
def test_a_stand_in_is_planned_with_where_no_image_is_pushed(
    root: Path, recorded: dict[str, Any], name: str, stands_in: bool
) -> None:
    found = plans.planned(name, root)
    assert str(recorded[name]).count("sha256:0000") == stands_in
    assert bool(found.notes) is stands_in
    assert found.plan.environment["name"] == name


def test_the_platform_of_work_is_planned_beside_it(root: Path, recorded: dict[str, Any]) -> None:
    found = plans.planned("work", root)
    assert found.platform is not None
    assert recorded["pushed"] is None
    assert plans.planned("waits", root).platform is None


def test_a_plan_with_mistakes_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def record(*_given: object, **_more: object) -> None:
        raise MistakeError("1 mistake in stacks/Pulumi.waits.yaml")

    monkeypatch.setattr(plans, "record", record)
    with pytest.raises(UsageError, match="waits cannot be planned: 1 mistake"):
        plans.planned("waits", root)
