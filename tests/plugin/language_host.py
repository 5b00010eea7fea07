"""What Pulumi's language host and engine are to the plugin: who installs and starts it, and who takes its resources.

The host makes a virtual environment called `venv`, installs the folder that holds `PulumiPlugin.yaml` as a package, without
extras, and runs `python -m pulumi.run.plugin <package> <engine's address>`. Here uv installs instead of pip, from the cache
that `make` filled and no newer than its lock: seconds instead of more than a minute.
"""

import json
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    errors_pb2,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
    status_pb2,
)
from pulumi.runtime.rpc import _special_output_value_sig, _special_sig_key

from springtide.offline.monitor import Monitor, Registration

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
PROJECT, STACK = "project", "stack"
PROVIDERS = {
    name: f"urn:pulumi:{STACK}::{PROJECT}::pulumi:providers:{name}::mine::«{name}»"
    for name in ("aws", "gcp", "kubernetes")
}
"""Provider resources of the calling program, as it passes them on."""


def installed(folder: Path) -> Path:
    """A virtual environment with the plugin and what it depends on, and nothing of this one; its interpreter."""
    uv, venv = str(Path(sys.executable).with_name("uv")), folder / "venv"
    python = venv / "bin" / "python"
    lock = ROOT / "requirements" / "base.txt"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(venv)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "--constraint", str(lock), str(ROOT)],
    ):
        subprocess.run(command, check=True, timeout=280)
    return python


@contextmanager
def started(python: Path, engine: str) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """The plugin's process: it says its port on the first line and answers there."""
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    command = [str(python), "-m", "pulumi.run.plugin", package, engine]
    folder = python.parents[2]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={}, cwd=folder
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.kill()


class Engine(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """The engine's two services on a port of this machine: the offline plan's monitor, and a log that is kept."""

    def __init__(self) -> None:
        self._calls: dict[str, Any] = {}
        self._preview = False
        self.monitor = Monitor(PROJECT, STACK, 0)
        self.log: list[str] = []

    def begin(self, *, preview: bool) -> Monitor:
        """Forget what was registered, and let a preview know nothing of what a cloud would say."""
        self.monitor, self._preview, self.log = Monitor(PROJECT, STACK, 0), preview, []
        return self.monitor

    def GetDeploymentInfo(self, request: empty_pb2.Empty, _context: Any) -> Any:  # noqa: N802  Pulumi's names
        return self.monitor.GetDeploymentInfo(request)

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest, _context: Any) -> Any:  # noqa: N802
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # pulumi_aws warns of its own old names when it is imported
            answer = self.monitor.RegisterResource(request)
        if self._preview and request.custom:
            return resource_pb2.RegisterResourceResponse(urn=answer.urn)
        return answer

    def ReadResource(self, request: resource_pb2.ReadResourceRequest, _context: Any) -> Any:  # noqa: N802
        return self.monitor.ReadResource(request)

    def RegisterResourceOutputs(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return self.monitor.RegisterResourceOutputs(request)

    def Invoke(self, request: Any, _context: Any) -> Any:  # noqa: N802  how the SDK reads a provider that it was handed
        return self.monitor.Invoke(request)

    def Log(self, request: engine_pb2.LogRequest, _context: Any) -> empty_pb2.Empty:  # noqa: N802
        self.log.append(request.message)
        return empty_pb2.Empty()


@contextmanager
def listening(engine: Engine) -> Iterator[str]:
    """The engine's address while it serves."""
    server = grpc.server(
        ThreadPoolExecutor(1)
    )  # placeholders look into the SDKs, which two threads must not import at once
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@dataclass(frozen=True, kw_only=True)
class Made:
    """What became of a component."""

    urn: str
    state: dict[str, Any]
    dependencies: dict[str, list[str]]
    """URNs that each output rides on."""
    registrations: dict[str, Registration]
    log: list[str] = field(default_factory=list)

    def children(self) -> list[str]:
        """Type chain and name of everything that was made below it, sorted."""
        return sorted(urn.split("::", 2)[2] for urn in self.registrations if urn != self.urn)


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """The plugin as a program in another language reaches it: through the engine."""

    stub: provider_pb2_grpc.ResourceProviderStub
    engine: Engine
    address: str

    def construct(
        self, component: str, name: str, inputs: Mapping[str, Any], *, preview: bool = False, on: Sequence[str] = ()
    ) -> Made:
        """Have a component made."""
        monitor = self.engine.begin(preview=preview)
        request = provider_pb2.ConstructRequest(
            project=PROJECT,
            stack=STACK,
            type=f"springtide:index:{component}",
            name=name,
            parent=f"urn:pulumi:{STACK}::{PROJECT}::pulumi:pulumi:Stack::{PROJECT}-{STACK}",
            inputs=struct(inputs),
            providers=PROVIDERS,
            dependencies=list(on),
            dryRun=preview,
            monitorEndpoint=self.address,
        )
        answer = self.stub.Construct(request, timeout=START_SECONDS)
        return Made(
            urn=answer.urn,
            state=whole(json_format.MessageToDict(answer.state)),
            dependencies={name: sorted(of.urns) for name, of in sorted(answer.stateDependencies.items())},
            registrations=dict(monitor.registrations),
            log=list(self.engine.log),
        )


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Arguments as the engine sends them."""
    made = struct_pb2.Struct()
    made.update(dict(values))
    return made


def whole(value: Any) -> Any:
    """A value with whole numbers for those that protobuf made floats."""
    return json.loads(
        json.dumps(value), parse_float=lambda text: int(float(text)) if float(text).is_integer() else text
    )


def output(value: Any, *on: str, secret: bool = False) -> dict[str, Any]:
    """An output of another resource, as the engine passes it on; `on` are the URNs that it rides on."""
    return {_special_sig_key: _special_output_value_sig, "value": value, "secret": secret, "dependencies": list(on)}


def with_outputs(inputs: Any, **changed: Any) -> Any:
    """Arguments with all outputs in them changed; `value=None` takes the value away, which makes them unknown."""
    if isinstance(inputs, list):
        return [with_outputs(item, **changed) for item in inputs]
    if not isinstance(inputs, dict):
        return inputs
    if inputs.get(_special_sig_key) == _special_output_value_sig:
        return {key: item for key, item in (inputs | changed).items() if item is not None}
    return {key: with_outputs(item, **changed) for key, item in inputs.items()}


def outputs_in(value: Any) -> int:
    """How many outputs there are in some arguments."""
    if isinstance(value, dict) and value.get(_special_sig_key) == _special_output_value_sig:
        return 1
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(outputs_in, items))


def by_property(error: grpc.Call) -> list[tuple[str, str]]:
    """The path and the reason of each property that was refused."""
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    found = errors_pb2.InputPropertiesError()
    assert status.details[0].Unpack(found)
    return [(item.property_path, item.reason) for item in found.errors]
