import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide_workloads.contract import (
    SEVERITY,
    ContractError,
    Device,
    Env,
    ExitCode,
    Layout,
    ServingContract,
    TrainingContract,
)

names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
recipes = st.from_regex(r"[a-z][a-z0-9_]*(:[a-z]+=[a-z0-9.]+(,[a-z]+=[a-z0-9.]+)*)?", fullmatch=True)
urls = st.from_regex(r"(file:///|(s3|gs|az)://[a-z0-9.-]+)[a-z0-9/._-]*", fullmatch=True)
seconds = st.integers(0, 10**6)
ports = st.integers(1, 65535)


@st.composite
def training(draw: st.DrawFn) -> TrainingContract:
    save, shutdown, grace = sorted(draw(st.tuples(seconds, seconds, seconds)))
    nodes = draw(st.integers(1, 4096))
    return TrainingContract(
        run=draw(names),
        recipe=draw(recipes),
        artifacts_url=draw(urls),
        data_url=draw(st.none() | urls),
        device=draw(st.sampled_from(Device)),
        nodes=nodes,
        procs_per_node=draw(st.integers(1, 16)),
        master_addr=draw(names),
        master_port=draw(ports),
        node_rank=draw(st.none() | st.integers(0, nodes - 1)),
        notice_seconds=draw(seconds),
        grace_seconds=grace,
        shutdown_seconds=shutdown,
        save_deadline_seconds=save,
    )


@st.composite
def serving(draw: st.DrawFn) -> ServingContract:
    propagation, drain = draw(seconds), draw(seconds)
    return ServingContract(
        model_url=draw(urls),
        device=draw(st.sampled_from(Device)),
        http_port=draw(ports),
        metrics_port=draw(ports),
        grace_seconds=propagation + drain + draw(seconds),
        propagation_seconds=propagation,
        drain_seconds=drain,
    )


@given(training())
def test_what_a_component_writes_a_trainer_reads_back(contract: TrainingContract) -> None:
    assert TrainingContract.from_env(contract.to_env()) == contract


@given(serving())
def test_what_a_component_writes_a_server_reads_back(contract: ServingContract) -> None:
    assert ServingContract.from_env(contract.to_env()) == contract


def sample(**changes: Any) -> TrainingContract:
    settings: dict[str, Any] = {
        "run": "first", "recipe": "gpt_tiny", "artifacts_url": "s3://bucket/gpt/first", "nodes": 2, "procs_per_node": 8,
        "master_addr": "gpt-first-0.gpt-first", "notice_seconds": 120, "grace_seconds": 110, "shutdown_seconds": 100,
        "save_deadline_seconds": 90,
    }  # fmt: skip
    return TrainingContract(**settings | changes)


def test_variables_are_those_of_the_interface() -> None:
    assert sample().to_env() == {
        "SPRINGTIDE_RUN": "first",
        "SPRINGTIDE_RECIPE": "gpt_tiny",
        "SPRINGTIDE_ARTIFACTS_URL": "s3://bucket/gpt/first",
        "SPRINGTIDE_SCRATCH_DIR": "/scratch",
        "SPRINGTIDE_DEVICE": "cuda",
        "SPRINGTIDE_METRICS_PORT": "9464",
        "SPRINGTIDE_NOTICE_SECONDS": "120",
        "SPRINGTIDE_GRACE_SECONDS": "110",
        "SPRINGTIDE_SAVE_DEADLINE_SECONDS": "90",
        "PET_NNODES": "2",
        "PET_NPROC_PER_NODE": "8",
        "PET_MASTER_ADDR": "gpt-first-0.gpt-first",
        "PET_MASTER_PORT": "29500",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "100",
    }


def test_zero_seconds_are_written_and_read() -> None:
    contract = sample(notice_seconds=0, save_deadline_seconds=0, shutdown_seconds=0, grace_seconds=0)
    assert TrainingContract.from_env(contract.to_env()).grace_seconds == 0


def test_all_mistakes_are_told_at_once() -> None:
    env = sample().to_env() | {"PET_NNODES": "0", "SPRINGTIDE_RUN": "Not A Name", "SPRINGTIDE_DEVICE": "tpu"}
    del env["SPRINGTIDE_RECIPE"]
    with pytest.raises(ContractError) as caught:
        TrainingContract.from_env(env)
    told = {problem.name: problem.value for problem in caught.value.problems}
    assert told == {"PET_NNODES": "0", "SPRINGTIDE_RUN": "Not A Name", "SPRINGTIDE_DEVICE": "tpu", Env.RECIPE: None}
    assert "PET_NNODES is '0': it must be a whole number, at least 1" in str(caught.value)


@pytest.mark.parametrize("text", ["", " 5", "5.0", "-1", "1e3", "05", "٣"])
def test_numbers_are_plain_whole_numbers(text: str) -> None:
    with pytest.raises(ContractError, match="SPRINGTIDE_GRACE_SECONDS"):
        TrainingContract.from_env(sample().to_env() | {"SPRINGTIDE_GRACE_SECONDS": text})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"save_deadline_seconds": 101}, "SPRINGTIDE_SAVE_DEADLINE_SECONDS"),
        ({"shutdown_seconds": 111}, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"),
        ({"node_rank": 2}, "PET_NODE_RANK"),
    ],
)
def test_values_that_contradict_each_other_are_refused_on_either_side(changes: dict[str, int], named: str) -> None:
    with pytest.raises(ContractError, match=named):
        sample(**changes)
    variables = {"save_deadline_seconds": Env.SAVE_DEADLINE_SECONDS, "shutdown_seconds": Env.SHUTDOWN_SECONDS}
    env = sample().to_env() | {variables.get(key, Env.NODE_RANK): str(value) for key, value in changes.items()}
    with pytest.raises(ContractError, match=named):
        TrainingContract.from_env(env)


def test_a_server_that_cannot_drain_within_its_grace_is_refused() -> None:
    with pytest.raises(ContractError, match="at most SPRINGTIDE_GRACE_SECONDS, which is 15"):
        ServingContract(model_url="s3://b", grace_seconds=15, propagation_seconds=10, drain_seconds=6)


def test_the_component_side_cannot_make_what_the_container_would_refuse() -> None:
    with pytest.raises(ContractError, match="PET_NNODES"):
        sample(nodes=0)


@given(st.integers(0, 10**9))
def test_a_checkpoint_folder_names_its_step(step: int) -> None:
    assert Layout.step_of(Layout.step(step)) == step
    assert Layout.step_of(f"{Layout.step(step)}/{Layout.MANIFEST}") == step


@pytest.mark.parametrize("path", ["export", "checkpoints", "checkpoints/step-1", "x/checkpoints/step-00000001"])
def test_other_paths_name_no_step(path: str) -> None:
    assert Layout.step_of(path) is None


def test_folders_of_later_steps_sort_later() -> None:
    assert sorted([Layout.step(1000), Layout.step(99)]) == [Layout.step(99), Layout.step(1000)]


def test_every_exit_code_has_a_severity_and_bugs_speak_loudest() -> None:
    assert set(SEVERITY) == set(ExitCode)
    assert (SEVERITY[0], SEVERITY[-1]) == (ExitCode.DONE, ExitCode.BUG)


def test_the_contract_needs_the_standard_library_only() -> None:
    program = "import sys, springtide_workloads.contract; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = {name for name in out.split() if not name.startswith("_")}
    foreign = loaded - sys.stdlib_module_names - {"springtide_workloads", "__main__"}
    assert {name for name in foreign if not re.match(r"sitecustomize|distutils|virtualenv", name)} == set()
