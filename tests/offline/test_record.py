"""Whole recordings: a program in a process of its own, without engine, cloud, account or network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from springtide.offline.record import MistakeError, ProgramError, Recording, record

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "engine" / "programs"
HEAD = "import pulumi\nclass Thing(pulumi.CustomResource): ...\n"


def run(folder: Path, program: str, config: str = "{}", limit_seconds: float = 30) -> Recording:
    (folder / "Pulumi.yaml").write_text("{name: house, runtime: python}")
    (folder / "Pulumi.dev.yaml").write_text(f"config: {config}")
    (folder / "__main__.py").write_text(program)
    return record(folder, "dev", limit_seconds=limit_seconds)


@pytest.fixture(scope="module")
def cluster() -> Recording:
    return record(PROGRAMS / "cluster", "dev")


def test_placeholders_are_unknown_however_deep_they_are_buried(cluster: Recording) -> None:
    unknown = {f"{item.type.rpartition(':')[2]} {item.name}": item.unknown for item in cluster.resources}
    assert unknown["Role nodes"] == ("/assumeRolePolicy",)  # in a policy document
    assert unknown["LaunchTemplate nodes"] == ("/ebsOptimized", "/userData")  # a truth as text; in base64
    assert unknown["NodeGroup nodes"] == (
        "/clusterName",
        "/launchTemplate/id",
        "/launchTemplate/version",  # a number as text
        "/nodeRoleArn",
        "/subnetIds/0",
        "/subnetIds/1",
    )
    assert unknown["Deployment web"] == (
        "/spec/template/spec/containers/0/env/0/value",
        "/spec/template/spec/containers/0/env/1/value",
    )
    assert unknown["NodePool pool"] == ("/spec/cluster",)
    assert unknown["Namespace work"] == ()


def test_exports_are_known_unknown_or_secret(cluster: Recording) -> None:
    assert cluster.outputs["size"] == {"value": 4, "unknown": False}
    assert cluster.outputs["endpoint"]["unknown"]
    assert cluster.outputs["kubeconfig"]["value"].keys() == {"$secret"}


def test_resources_come_after_everything_they_need(cluster: Recording) -> None:
    place = {item.urn: index for index, item in enumerate(cluster.resources)}
    assert len(place) == len(cluster.resources) == 22
    assert all(place[needed] < place[item.urn] for item in cluster.resources for needed in item.depends_on)


def test_components_say_what_they_registered_as_outputs(cluster: Recording) -> None:
    network = "urn:pulumi:dev::parity::parity:index:Network"
    assert cluster.component_outputs[f"{network}::main"] == {"vpc": f"«{network}$aws:ec2/vpc:Vpc::main#/id»"}


def test_another_recording_is_the_same_but_for_the_time() -> None:
    file = PROGRAMS / "configuration" / "Pulumi.dev.yaml"
    one, other = (record(PROGRAMS / "configuration", "dev", file=file) for _ in range(2))
    assert (one.resources, one.outputs) == (other.resources, other.outputs)


def test_a_program_learns_who_it_is(tmp_path: Path) -> None:
    shutil.copytree(PROGRAMS / "configuration", tmp_path, dirs_exist_ok=True)
    told = {name: output["value"] for name, output in record(tmp_path, "dev", config={"a": 1}).outputs.items()}
    assert told == {
        "aws:region": "us-east-2",
        "parity:a": "1",
        "parity:declared": "7",
        "parity:fixed": "x",
        "name": "__main__",
        "organization": "organization",
        "project": "parity",
        "stack": "dev",
        "works_in_its_own_folder": True,
    }


def test_nothing_of_this_machine_reaches_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("KUBECONFIG", "/etc/kubeconfig")
    program = "import os, pulumi\npulumi.export('seen', sorted(set(os.environ) & {'AWS_REGION', 'KUBECONFIG', 'PATH'}))"
    assert run(tmp_path, program).outputs["seen"]["value"] == ["PATH"]


def test_no_network_is_needed(tmp_path: Path) -> None:
    alone = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine cannot make a network namespace")
    code = f"from springtide.offline.record import Path, record; record(Path({str(PROGRAMS)!r}) / 'cluster', 'dev')"
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "components"), "HOME": str(tmp_path)}
    subprocess.run([*alone, sys.executable, "-c", code], check=True, env=variables)


def test_what_a_program_prints_is_heard_once_and_not_taken_for_an_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "import os\nprint('hello')\nos.system('echo from a child')")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("hello") == 1


def test_an_encrypted_value_is_a_secret_and_unknown(tmp_path: Path) -> None:
    program = (
        f"{HEAD}token = pulumi.Config().require_secret('token')\nThing('any:index:Thing', 'a', {{'token': token}})"
    )
    (thing,) = run(tmp_path, program, "{token: {secure: AAAA}}").resources
    assert thing.inputs["token"].keys() == {"$secret"}
    assert (thing.secret, thing.unknown) == (("/token",), ("/token",))


def test_modules_beside_the_program_register_in_both_runs(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text(f"{HEAD}thing = Thing('any:index:Thing', 'a', {{}})")
    assert [item.name for item in run(tmp_path, "import parts").resources] == ["a"]


def test_modules_that_a_package_folder_brings_are_imported_once(tmp_path: Path) -> None:
    package = tmp_path / "packages"
    package.mkdir()
    (package / "shared.py").write_text(f"{HEAD}thing = Thing('any:index:Thing', 'a', {{}})")
    run(tmp_path, "")
    (tmp_path / "__main__.py").write_text("import shared")
    with pytest.raises(MistakeError, match="which resources exist"):  # registered on import, so in the first run only
        record(tmp_path, "dev", roots=[package])


def test_a_users_mistake_is_its_text_without_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(MistakeError) as caught:
        run(tmp_path, "import pulumi\nraise pulumi.RunError('pools.train.gpu: no such thing')")
    assert str(caught.value) == "pools.train.gpu: no such thing"
    assert caught.value.findings == ()


def test_a_mistake_brings_its_findings(tmp_path: Path) -> None:
    program = """
import pulumi
from springtide.spec import Finding, Outcome, Severity, Source, SpecError
found = Finding(rule="a/b", outcome=Outcome.FAIL, severity=Severity.ERROR, source=Source.SETTINGS, message="m", path="/p")
try:
    raise SpecError([found])
except SpecError as error:
    raise pulumi.RunError(str(error)) from error
"""
    with pytest.raises(MistakeError) as caught:
        run(tmp_path, program)
    assert [(finding.rule, finding.path) for finding in caught.value.findings] == [("a/b", "/p")]


@pytest.mark.parametrize(
    "program", ["1 / 0", f"{HEAD}pulumi.Output.from_input(0).apply(lambda n: 1 / n)"], ids=["at once", "in an apply"]
)
def test_a_crash_is_the_programs_own_fault_and_says_where(tmp_path: Path, program: str) -> None:
    with pytest.raises(ProgramError, match="ZeroDivisionError: division by zero") as caught:
        run(tmp_path, program)
    assert "__main__.py" in caught.value.traceback


def test_a_program_that_ends_its_process_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="exit status 3"):
        run(tmp_path, "import os\nos._exit(3)")


def test_an_await_that_never_ends_is_cut_off_with_what_came_last(tmp_path: Path) -> None:
    waiting = "import asyncio\nThing('any:index:Thing', 'b', {'x': asyncio.get_event_loop().create_future()})"
    with pytest.raises(
        ProgramError, match=r"awaits something that never comes: after 0\.5 s .* 1 resources, .*::a last"
    ):
        run(tmp_path, f"{HEAD}Thing('any:index:Thing', 'a', {{}})\n{waiting}", limit_seconds=0.5)


def test_a_look_up_names_itself_and_the_way_out(tmp_path: Path) -> None:
    program = "import pulumi\npulumi.runtime.invoke('aws:index/getCallerIdentity:getCallerIdentity', {})"
    with pytest.raises(MistakeError, match="getCallerIdentity: a plan makes no look-ups"):
        run(tmp_path, program)


@pytest.mark.parametrize("missing", ["Pulumi.yaml", "Pulumi.dev.yaml"])
def test_a_missing_file_is_a_mistake_that_names_it(tmp_path: Path, missing: str) -> None:
    run(tmp_path, "")
    (tmp_path / missing).unlink()
    with pytest.raises(MistakeError, match=missing):
        record(tmp_path, "dev")


def test_recording_imports_neither_the_sdk_nor_components() -> None:
    code = "import sys, json, springtide.offline.record; print(json.dumps(sorted(sys.modules)))"
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "components")}
    done = subprocess.run([sys.executable, "-c", code], check=True, env=variables, capture_output=True, text=True)
    assert not {"pulumi", "grpc", "springtide.component"} & set(json.loads(done.stdout))
