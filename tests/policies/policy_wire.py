"""The policy pack as the engine drives it: a process of its own, spoken to with Pulumi's own stubs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2 as wire
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerStub
from tests.policies.policy_stacks import Resource

ROOT = Path(__file__).parents[2]
PACK = ROOT / "policies"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a string that only the cloud knows."""


@dataclass(frozen=True, slots=True)
class Said:
    """One diagnostic: the rule's id, the resource, whether it stops the deployment."""

    rule: str
    urn: str
    stops: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Pack:
    """A running pack."""

    process: "subprocess.Popen[str]"
    stub: AnalyzerStub

    def info(self) -> wire.AnalyzerInfo:
        """What the pack says of itself."""
        info: wire.AnalyzerInfo = self.stub.GetAnalyzerInfo(Empty(), timeout=20)
        return info

    def configure(self, config: Mapping[str, Mapping[str, Any]]) -> None:
        """Hand the pack the configuration of its policies, levels left as they are."""
        levels = {policy.name: policy.enforcementLevel for policy in self.info().policies}
        given = {
            name: wire.PolicyConfig(enforcementLevel=level, properties=struct(config.get(name, {})))
            for name, level in levels.items()
        }
        self.stub.Configure(wire.ConfigureAnalyzerRequest(policyConfig=given), timeout=20)

    def analyze(self, item: Resource) -> wire.AnalyzeResponse:
        """Send one resource's inputs."""
        request = wire.AnalyzeRequest(
            urn=item["urn"],
            type=item["type"],
            name=item["name"],
            properties=struct(with_sentinels(item)),
            options=options_of(item),
        )
        response: wire.AnalyzeResponse = self.stub.Analyze(request, timeout=20)
        return response

    def analyze_stack(
        self, resources: Sequence[Resource], outputs: Mapping[str, Mapping[str, Any]]
    ) -> wire.AnalyzeResponse:
        """Send the whole stack with the resources' outputs by URN."""
        sent = [stack_resource(item, outputs.get(item["urn"], {})) for item in resources]
        response: wire.AnalyzeResponse = self.stub.AnalyzeStack(wire.AnalyzeStackRequest(resources=sent), timeout=20)
        return response

    def judge(self, resources: Sequence[Resource]) -> list[Said]:
        """What a preview of these resources says: each by its inputs, then all, of whose outputs nothing is known."""
        alone = [said for item in resources for said in diagnostics(self.analyze(item))]
        return alone + diagnostics(self.analyze_stack(resources, {item["urn"]: {"arn": UNKNOWN} for item in resources}))


@contextmanager
def running() -> Iterator[Pack]:
    """A pack started with the command and in the folder that the engine's language host uses."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "components")}
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:0", str(PACK)]
    with subprocess.Popen(command, cwd=PACK, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Pack(process, AnalyzerStub(channel))
        finally:
            process.terminate()
            process.wait(timeout=20)


def diagnostics(response: wire.AnalyzeResponse) -> list[Said]:
    """A response's diagnostics under the ids of the rules."""
    return [
        Said(f"policy/{item.policyName.removesuffix('.cannot-tell')}", item.urn, item.enforcementLevel == wire.MANDATORY,
             item.message)
        for item in response.diagnostics
    ]  # fmt: skip


def with_sentinels(item: Resource) -> dict[str, Any]:
    """A resource's inputs with the engine's mark at every unknown place."""
    inputs = json.loads(json.dumps(item["inputs"]))
    for pointer in item["unknown"]:
        *keys, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        place = inputs
        for key in keys:
            place = place[int(key)] if isinstance(place, list) else place[key]
        place[int(last) if isinstance(place, list) else last] = UNKNOWN
    return dict(inputs)


def stack_resource(item: Resource, outputs: Mapping[str, Any]) -> wire.AnalyzerResource:
    """A resource as the engine sends it at the end."""
    uses = item["property_depends_on"].items()
    return wire.AnalyzerResource(
        urn=item["urn"],
        type=item["type"],
        name=item["name"],
        parent=item["parent"] or "",
        options=options_of(item),
        properties=struct(outputs),
        propertyDependencies={path[1:]: wire.AnalyzerPropertyDependencies(urns=urns) for path, urns in uses},
    )


def options_of(item: Resource) -> wire.AnalyzerResourceOptions:
    """The options that the engine tells of a resource."""
    return wire.AnalyzerResourceOptions(parent=item["parent"] or "", protect=item["options"]["protect"])


def struct(value: Mapping[str, Any]) -> Struct:
    """Plain data as protobuf's own."""
    return ParseDict(dict(value), Struct())
