"""The offline plan against the real Pulumi engine: the same URNs, inputs and dependencies, and the order of a destroy.

Each environment goes through preview, update, the same update again, an update with one value changed, and destroy, with
a provider that stands in for every cloud (`standin/`). Needs `pulumi` and `pulumi-language-python` on the PATH.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime.rpc import UNKNOWN, _special_resource_sig, _special_secret_sig, _special_sig_key

from springtide.offline.config import read_environment, read_project
from springtide.offline.plan import Resource
from springtide.offline.record import Recording, record

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not shutil.which("pulumi"), reason="no `pulumi` on the PATH: the real engine is not there to ask"
    ),
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLOUDS = ("aws", "gcp", "kubernetes")
ROOTS = [ROOT / name for name in ("components", "workloads", "policies")]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One environment of one project."""

    root: Path
    file: Path

    @property
    def environment(self) -> str:
        return self.file.stem.removeprefix("Pulumi.")

    @property
    def id(self) -> str:
        return f"{self.root.name if self.root != ROOT else 'stacks'}-{self.environment}"


def _cases() -> Iterator[Case]:
    for root in sorted((HERE / "programs").iterdir()):
        yield Case(root=root, file=root / "Pulumi.dev.yaml")
    for folder in (ROOT / "stacks", ROOT / "tests" / "environments"):
        for file in sorted(folder.glob("Pulumi.*.yaml")):
            yield Case(root=ROOT, file=file)


class Engine:
    """The real CLI on a copy of a project, with a state of its own and a provider that stands in for the clouds."""

    def __init__(self, case: Case, folder: Path) -> None:
        project = read_project(case.root)
        self._folder = folder / "project"
        self._stack = case.environment
        program, environments = (path.relative_to(case.root) for path in (project.program, project.environments))
        shutil.copytree(project.program, self._folder / program, ignore=shutil.ignore_patterns("Pulumi.*.yaml"))
        self.file = self._folder / environments / case.file.name
        shutil.copy(case.file, self.file)
        self._write_project(case.root, folder)
        self._variables = {
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "parity",
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONPATH": os.pathsep.join(map(str, ROOTS)),
            "PYTHONUTF8": "1",
        }
        (folder / "state").mkdir()
        platform = case.file.with_name(f"Pulumi.{read_environment(case.file).get('on')}.yaml")
        if platform.is_file():
            self._bring_up(platform.stem.removeprefix("Pulumi."), platform)
        self("stack", "init", self._stack)
        self.configure(case.file.read_text())

    def _write_project(self, root: Path, folder: Path) -> None:
        standin = folder / "standin"
        shutil.copytree(HERE / "standin", standin)
        (standin / "venv").symlink_to(sys.prefix)
        (self._folder / ".venv").symlink_to(sys.prefix)
        project = yaml.safe_load((root / "Pulumi.yaml").read_text())
        project["plugins"] = {"providers": [{"name": cloud, "path": str(standin)} for cloud in CLOUDS]}
        (self._folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))

    def _bring_up(self, platform: str, file: Path) -> None:
        """Make the stack that work refers to; the engine gives it the same placeholders as the plan does."""
        own = self.file.with_name(file.name)
        shutil.copy(file, own)
        self("stack", "init", platform)
        key = [line for line in own.read_text().splitlines() if line.startswith("encryptionsalt:")]
        own.write_text("\n".join([file.read_text().rstrip("\n"), *key, ""]))
        self("up", "--yes", "--skip-preview", "--stack", platform)

    def __call__(self, *arguments: str) -> str:
        """Run one command; its standard output."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self._folder, env=self._variables, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"pulumi {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def preview(self) -> dict[str, Any]:
        """New states by URN."""
        steps = json.loads(self("preview", "--json", "--stack", self._stack))["steps"]
        return _own({step["urn"]: step["newState"] for step in steps})

    def change(self, command: str) -> list[dict[str, Any]]:
        """Run `up` or `destroy`; its events."""
        log = self._folder / "events.json"
        self(command, "--yes", "--skip-preview", "--stack", self._stack, "--event-log", str(log))
        events = [json.loads(line) for line in log.read_text().splitlines()]
        log.unlink()
        return events

    def destroy(self) -> list[dict[str, Any]]:
        """Remove everything, what is protected as well; its events."""
        self("state", "unprotect", "--all", "--yes", "--stack", self._stack)
        return self.change("destroy")

    def state(self) -> dict[str, Any]:
        """All resources by URN, secrets in plain text."""
        exported = json.loads(self("stack", "export", "--show-secrets", "--stack", self._stack))
        return {resource["urn"]: resource for resource in exported["deployment"]["resources"]}

    def configure(self, text: str) -> None:
        """Replace the stack's file, which `stack init` and `up` rewrite, but for the key that encrypts its secrets."""
        key = [line for line in self.file.read_text().splitlines() if line.startswith("encryptionsalt:")]
        self.file.write_text("\n".join([text.rstrip("\n"), *key, ""]))


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """Everything that plan and engine say about one environment."""

    plan: Recording
    changed_plan: Recording
    preview: dict[str, Any]
    state: dict[str, Any]
    second_events: list[dict[str, Any]]
    changed_state: dict[str, Any]
    changed_events: list[dict[str, Any]]
    destroy_events: list[dict[str, Any]]


@pytest.fixture(scope="module", params=[pytest.param(case, id=case.id) for case in _cases()])
def cycle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cycle:
    case: Case = request.param
    changed = _with_one_change(read_environment(case.file))
    plans = [
        record(case.root, case.environment, file=case.file, config=config, roots=ROOTS) for config in (None, changed)
    ]
    engine = Engine(case, tmp_path_factory.mktemp(case.id))
    preview = engine.preview()
    engine.change("up")
    state = engine.state()
    second = engine.change("up")
    engine.configure(json.dumps({"config": changed}, ensure_ascii=False)[1:-1].replace('"config"', "config", 1))
    third = engine.change("up")
    return Cycle(
        plan=plans[0],
        changed_plan=plans[1],
        preview=preview,
        state=state,
        second_events=second,
        changed_state=engine.state(),
        changed_events=third,
        destroy_events=engine.destroy(),
    )


def test_preview_of_a_cloud_that_answers_nothing_has_the_same_resources_and_dependencies(cycle: Cycle) -> None:
    assert _differences(_relations_planned(cycle.plan), _relations(cycle.preview)) == {}


def test_whatever_a_preview_knows_the_plan_knows_as_well(cycle: Cycle) -> None:
    differing = {
        resource.urn: found
        for resource in cycle.plan.resources
        if (found := list(_known_differences(resource.inputs, _inputs(cycle.preview[resource.urn]))))
    }
    assert differing == {}


def test_whatever_the_plan_calls_unknown_is_unknown_in_a_preview(cycle: Cycle) -> None:
    known = {
        resource.urn: paths
        for resource in cycle.plan.resources
        if (paths := [path for path in resource.unknown if _knows(_inputs(cycle.preview[resource.urn]), path)])
    }
    assert known == {}


def test_an_update_registers_the_planned_resources_and_dependencies(cycle: Cycle) -> None:
    assert _differences(_relations_planned(cycle.plan), _relations(_own(cycle.state))) == {}


def test_an_update_whose_cloud_answers_with_placeholders_has_the_planned_inputs(cycle: Cycle) -> None:
    planned = {resource.urn: resource.inputs for resource in cycle.plan.resources}
    assert planned == {urn: _inputs(state) for urn, state in _own(cycle.state).items()}


def test_an_update_has_the_planned_outputs(cycle: Cycle) -> None:
    stack = next(state for state in cycle.state.values() if state["type"] == "pulumi:pulumi:Stack")
    outputs = {urn: _plain(state["outputs"]) for urn, state in _own(cycle.state).items() if not state["custom"]}
    assert {name: output["value"] for name, output in cycle.plan.outputs.items()} == _plain(stack.get("outputs", {}))
    assert cycle.plan.component_outputs == outputs


def test_the_same_update_again_changes_nothing(cycle: Cycle) -> None:
    assert _changed(cycle.second_events) == set()


def test_one_changed_value_touches_the_resources_that_the_plans_show(cycle: Cycle) -> None:
    before, after = ({item.urn: item.inputs for item in plan.resources} for plan in (cycle.plan, cycle.changed_plan))
    differing = {urn for urn in before.keys() | after.keys() if before.get(urn) != after.get(urn)}
    assert _changed(cycle.changed_events) == differing
    assert {urn: _inputs(state) for urn, state in _own(cycle.changed_state).items()} == after


def test_a_destroy_goes_against_every_dependency(cycle: Cycle) -> None:
    begun, done = _deletions(cycle.destroy_events)
    wrong = [
        (resource.urn, needed)
        for resource in cycle.changed_plan.resources
        for needed in _needs(resource)
        if not done[resource.urn] < begun[needed]
    ]
    assert wrong == []


BEFORE = (
    ("kubernetes:*", "aws:eks/nodeGroup:*"),
    ("kubernetes:*", "aws:eks/addon:*::coredns"),
    ("kubernetes:*", "aws:eks/addon:*::vpc-cni"),
    ("kubernetes:batch/*", "aws:eks/podIdentityAssociation:*"),  # a run that is told to stop saves before it does
    ("kubernetes:batch/*", "aws:iam/rolePolicy:*"),
    ("kubernetes:batch/*", "aws:s3/bucket*"),
    ("kubernetes:apps/v1:Deployment", "kubernetes:core/v1:Namespace"),
    # Decision 13: runs, services, NodePools, EC2NodeClasses, Karpenter, node groups, cluster, network.
    ("kubernetes:jobset.x-k8s.io/*", "kubernetes:karpenter.sh/*"),
    ("kubernetes:jobset.x-k8s.io/*", "kubernetes:kueue.x-k8s.io/*"),
    ("kubernetes:jobset.x-k8s.io/*", "aws:eks/podIdentityAssociation:*"),
    ("kubernetes:karpenter.sh/*", "kubernetes:karpenter.k8s.aws/*"),
    ("kubernetes:karpenter.k8s.aws/*", "kubernetes:helm.sh/v3:Release::karpenter*"),
    ("kubernetes:kueue.x-k8s.io/*", "kubernetes:helm.sh/v3:Release::kueue"),
    ("kubernetes:jobset.x-k8s.io/*", "kubernetes:helm.sh/v3:Release::jobset"),
    ("kubernetes:karpenter.k8s.aws/*", "aws:ec2/placementGroup:*"),
    ("kubernetes:karpenter.k8s.aws/*", "aws:ec2/securityGroup:*"),
    ("kubernetes:helm.sh/*", "aws:sqs/queue:*"),
    ("kubernetes:helm.sh/*", "aws:eks/nodeGroup:*"),
    ("kubernetes:cloud.google.com/*::serve", "gcp:container/nodePool:*::serve-*"),
    ("kubernetes:jobset.x-k8s.io/*", "gcp:container/nodePool:*"),
    ("gcp:container/nodePool:*::train-*", "kubernetes:networking.gke.io/*::train-*"),
    # Whatever leads to a service goes before what it leads to, and load balancers before nodes and network.
    ("kubernetes:elbv2.k8s.aws/*", "aws:lb/*"),
    ("kubernetes:elbv2.k8s.aws/*", "kubernetes:helm.sh/v3:Release::aws-load-balancer-controller"),
    ("kubernetes:elbv2.k8s.aws/*", "kubernetes:core/v1:Service"),
    ("kubernetes:elbv2.k8s.aws/*", "aws:eks/nodeGroup:*"),
    ("aws:lb/loadBalancer:*", "aws:ec2/subnet:*"),
    ("aws:lb/loadBalancer:*", "aws:ec2/internetGateway:*"),
    ("kubernetes:core/v1:Service::*-internal", "gcp:compute/address:*"),
    ("kubernetes:core/v1:Service::*-internal", "gcp:container/*"),
    ("kubernetes:gateway.networking.k8s.io/*", "gcp:certificatemanager/*"),
    ("kubernetes:gateway.networking.k8s.io/*", "gcp:compute/globalAddress:*::chat"),
    ("kubernetes:gateway.networking.k8s.io/*", "gcp:container/*"),
    ("aws:eks/nodeGroup:*", "aws:eks/cluster:*"),
    ("aws:eks/nodeGroup:*", "aws:ec2/launchTemplate:*"),
    ("aws:eks/nodeGroup:*", "aws:iam/rolePolicyAttachment:*"),
    ("aws:eks/nodeGroup:*", "aws:ec2/natGateway:*"),
    ("aws:eks/nodeGroup:*", "aws:ec2/route:*"),
    ("aws:eks/cluster:*", "aws:ec2/subnet:*"),
    ("aws:eks/cluster:*", "aws:ec2/vpc:*"),
    ("kubernetes:*", "gcp:container/cluster:*"),
    ("kubernetes:apps/v1:Deployment", "gcp:container/nodePool:*"),
    ("kubernetes:batch/*", "gcp:container/nodePool:*"),
    ("kubernetes:batch/*", "gcp:serviceaccount/iAMMember:*"),
    ("kubernetes:batch/*", "gcp:storage/*"),
    ("kubernetes:core/v1:PersistentVolume*", "gcp:filestore/*"),
    ("kubernetes:core/v1:PersistentVolume*", "gcp:lustre/*"),
    ("gcp:container/nodePool:*", "gcp:container/cluster:*"),
    ("gcp:container/nodePool:*", "gcp:projects/iAMMember:*"),
    ("gcp:container/cluster:*", "gcp:compute/routerNat:*"),
    ("gcp:container/cluster:*", "gcp:compute/subnetwork:*"),
    ("gcp:container/cluster:*", "gcp:kms/*"),
    ("gcp:container/cluster:*", "gcp:servicenetworking/*"),
    ("gcp:lustre/*", "gcp:servicenetworking/*"),
    ("gcp:filestore/*", "gcp:compute/network:*"),
)
"""Types whose every resource goes before every one of another type, so that a destroy strands nothing: what runs before
what it runs on, and that before what it is reached by."""


@pytest.mark.parametrize(("first", "then"), BEFORE)
def test_a_destroy_strands_nothing(cycle: Cycle, first: str, then: str) -> None:
    created = [resource for resource in cycle.changed_plan.resources if resource.custom and resource.id is None]
    early = [resource.urn for resource in created if _is(resource, first) and not _is(resource, then)]
    late = [resource.urn for resource in created if _is(resource, then)]
    if not (early and late):
        pytest.skip("this environment has no such pair")
    begun, done = _deletions(cycle.destroy_events)
    assert [(one, other) for one in early for other in late if not done[one] < begun[other]] == []


def _is(resource: Resource, pattern: str) -> bool:
    """Whether a resource is of a type, or, after `::`, of a type and a name."""
    return fnmatch(f"{resource.type}::{resource.name}", pattern if "::" in pattern else f"{pattern}::*")


def _with_one_change(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with one more node in its first pool; or an image for work that waits for one; or another size."""
    if "on" in config:
        image = {"registry": "registry.example.com/team", "digest": f"sha256:{'ab' * 32}", "fabrics": ["efa"]}
        return {**config, "images": image}
    pools = config.get("pools")
    if not pools and "storage" in config:
        storage, name = config["storage"], min(config["storage"])
        return {**config, "storage": {**storage, name: {**storage[name], "expire_days": 7}}}
    if not pools:
        return {**config, "size": config["size"] + 1}
    name = min(pools)
    return {**config, "pools": {**pools, name: {**pools[name], "max_nodes": pools[name]["max_nodes"] + 1}}}


def _is_default(urn: str) -> bool:
    """Whether it is a provider that the engine makes by itself; the one behind stack references is built in."""
    return urn.rpartition("::")[2].startswith("default_") or "::pulumi:providers:pulumi::" in urn


def _own(states: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the engine adds: the root stack and default providers."""
    return {
        urn: state for urn, state in states.items() if state["type"] != "pulumi:pulumi:Stack" and not _is_default(urn)
    }


def _relations_planned(plan: Recording) -> dict[str, Any]:
    return {
        resource.urn: {
            "type": resource.type,
            "custom": resource.custom,
            "parent": resource.parent,
            "provider": resource.provider,
            "depends_on": list(resource.depends_on),
            "property_depends_on": {name: list(urns) for name, urns in resource.property_depends_on.items()},
            "protect": resource.options["protect"],
            "retain_on_delete": resource.options["retain_on_delete"],
            "deleted_with": resource.options["deleted_with"],
            "ignore_changes": resource.options["ignore_changes"],
            "replace_on_changes": resource.options["replace_on_changes"],
            "timeouts": {name: _seconds(text) for name, text in resource.options["custom_timeouts"].items()},
            "read": resource.id is not None,
        }
        for resource in plan.resources
    }


def _relations(states: Mapping[str, Any]) -> dict[str, Any]:
    return {
        urn: {
            "type": state["type"],
            "custom": state["custom"],
            "parent": None if "::pulumi:pulumi:Stack::" in state["parent"] else state["parent"],
            "provider": _provider(state.get("provider", "")),
            "depends_on": sorted(state.get("dependencies", [])),
            "property_depends_on": {
                f"/{name}": sorted(urns) for name, urns in state.get("propertyDependencies", {}).items() if urns
            },
            "protect": state.get("protect", False),
            "retain_on_delete": state.get("retainOnDelete", False),
            "deleted_with": state.get("deletedWith"),
            "ignore_changes": state.get("ignoreChanges", []),
            "replace_on_changes": state.get("replaceOnChanges", []),
            "timeouts": {name: seconds for name, seconds in state.get("customTimeouts", {}).items() if seconds},
            "read": state.get("external", False),
        }
        for urn, state in states.items()
    }


def _differences(planned: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """What differs, by URN and name: the plan's value and the engine's."""
    both = {
        urn: {
            name: (planned.get(urn, {}).get(name), seen.get(urn, {}).get(name))
            for name in planned.get(urn, {}).keys() | seen.get(urn, {}).keys()
        }
        for urn in planned.keys() | seen.keys()
    }
    wrong = {urn: {name: pair for name, pair in pairs.items() if pair[0] != pair[1]} for urn, pairs in both.items()}
    return {urn: pairs for urn, pairs in wrong.items() if pairs}


def _seconds(text: str) -> int:
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def _provider(reference: str) -> str | None:
    urn = reference.rpartition("::")[0]
    return None if not urn or _is_default(urn) else urn


def _inputs(state: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs in the plan's form, without the two that the engine adds to a provider's."""
    engine_only = {"version", "__internal"} if state["type"].startswith("pulumi:providers:") else set()
    return {name: _plain(value) for name, value in state.get("inputs", {}).items() if name not in engine_only}


def _plain(value: Any) -> Any:
    """A value of the engine's state as a plan shows it."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(_special_sig_key) == _special_secret_sig:
        text = json.dumps(json.loads(value["plaintext"]), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return {"$secret": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}
    if value.get(_special_sig_key) == _special_resource_sig:
        return value.get("id") or value["urn"]
    return {key: _plain(item) for key, item in value.items()}


def _known_differences(planned: Any, previewed: Any, path: str = "") -> Iterator[str]:
    if previewed == UNKNOWN or (previewed == "[secret]" and "$secret" in planned):
        return
    if isinstance(planned, dict) and isinstance(previewed, dict) and planned.keys() == previewed.keys():
        for key in planned:
            yield from _known_differences(planned[key], previewed[key], f"{path}/{key}")
    elif isinstance(planned, list) and isinstance(previewed, list) and len(planned) == len(previewed):
        for index, pair in enumerate(zip(planned, previewed, strict=True)):
            yield from _known_differences(*pair, f"{path}/{index}")
    elif planned != previewed:
        yield f"{path}: planned {planned!r}, previewed {previewed!r}"


def _knows(previewed: Any, pointer: str) -> bool:
    """Whether a preview has a value at the pointer. One it hides counts as unknown, and one that the stand-in made up.

    (The engine reads existing resources in a preview, too, and is answered with placeholders.)
    """
    for step in pointer.split("/")[1:]:
        if previewed in (UNKNOWN, "[secret]"):
            return False
        previewed = previewed[int(step) if isinstance(previewed, list) else step.replace("~1", "/").replace("~0", "~")]
    text = json.dumps(previewed, ensure_ascii=False)
    return not any(sign in text for sign in (UNKNOWN, "[secret]", "«", "u00ab"))


def _changed(events: list[dict[str, Any]]) -> set[str]:
    steps = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    return {step["urn"] for step in steps if step["op"] not in ("same", "read", "refresh")}


def _deletions(events: list[dict[str, Any]]) -> tuple[dict[str, int], dict[str, int]]:
    """When the deletion of each URN began and ended, as sequence numbers of events."""
    kinds = ("resourcePreEvent", "resOutputsEvent")
    begun, done = (
        {event[kind]["metadata"]["urn"]: event["sequence"] for event in events if kind in event} for kind in kinds
    )
    return begun, done


def _needs(resource: Resource) -> set[str]:
    above = {resource.parent, resource.provider, resource.options["deleted_with"]} - {None}
    return {*resource.depends_on, *above}
