"""An environment file with mistakes, as someone meets it who plans or previews the stack."""

import json
from pathlib import Path

import pytest
from tests.environment_files import BASE, edited, project, refusal

from springtide.offline.record import MistakeError, record

WRONG = edited(("gpu: A10G", "gpu: A10"), ("max_nodes: 2\n", "max_nodes: true\n"), ("nat: one", "nat: two"))


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> MistakeError:
    with pytest.raises(MistakeError) as error:
        record(project(tmp_path_factory.mktemp("project"), WRONG), "dev")
    return error.value


def test_the_text_is_the_settings_own_and_nothing_is_around_it(refused: MistakeError, tmp_path: Path) -> None:
    assert str(refused) == str(refusal(tmp_path, WRONG))
    assert str(refused).startswith("3 mistakes in stacks/Pulumi.dev.yaml\n")
    assert "Traceback" not in str(refused)


def test_the_same_is_there_as_data(refused: MistakeError) -> None:
    assert [(found.where, found.path) for found in refused.findings] == [
        ("stacks/Pulumi.dev.yaml:6", "/network/nat"),
        ("stacks/Pulumi.dev.yaml:14", "/pools/train/gpu"),
        ("stacks/Pulumi.dev.yaml:17", "/pools/train/max_nodes"),
    ]
    assert all(found.stops and json.dumps(found.to_json()) for found in refused.findings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config: [", "while parsing"),
        (BASE.replace("  zones: 2\n", "  zones: 2\n  zones: 3\n"), "'zones' already defined at line 5"),
        (BASE.replace("  zones: 2\n", "  zones: 2\n  springtide:zones: 3\n"), "'springtide:zones' are the same key"),
        ("config: 3", "a mapping"),
        ("- config", "a mapping is expected at the top"),
        ("", "4 mistakes"),
        ("config:\n", "4 mistakes"),
    ],
    ids=["no-yaml", "twice", "twice-with-prefix", "no-mapping", "a-list", "empty", "nothing"],
)
def test_a_file_that_is_no_environment_is_a_mistake_too(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(MistakeError) as error:
        record(project(tmp_path, text), "dev")
    assert said in str(error.value)
    assert "Traceback" not in str(error.value)
