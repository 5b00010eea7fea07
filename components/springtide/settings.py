"""The one place where configuration is read: an environment file in, the arguments of its components out."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast, get_origin

import pulumi
import yaml
from pulumi.runtime import config as pulumi_config

from springtide import clouds, imitation, needs, relations
from springtide.advice import advice
from springtide.cluster import ClusterArgs
from springtide.component import ArgumentsError, tell
from springtide.controllers import ControllersArgs
from springtide.environment import EnvironmentArgs
from springtide.file_system import FileSystemArgs
from springtide.lines import located
from springtide.network import NetworkArgs
from springtide.offline.config import read_environment
from springtide.offline.goyaml import ConfigError
from springtide.parse import read, sound
from springtide.pool import GpuPoolArgs
from springtide.sections import LOCAL, EnvironmentFile, JobSection, ServiceSection, WorkFile
from springtide.service import ModelServiceArgs
from springtide.spec import PRIVATE, Finding, QueueSpec, SpecError, StorageSpec, refuse
from springtide.storage import StorageArgs
from springtide.training import TrainingJobArgs

IMAGE = "springtide-workloads"
"""Name of the project's own image in a registry; it holds the trainer and the server."""


@dataclass(frozen=True, slots=True)
class Settings:
    """An environment, ready to be built. Arguments lack only the references between components."""

    name: str
    file: EnvironmentFile
    """What the file says; of work on a platform, the platform's file with this work instead of its own."""
    platform: "Settings | None" = None
    """The platform that this is work on; None for a platform itself."""

    @property
    def environment(self) -> EnvironmentArgs:
        """Arguments of `Environment`."""
        policies = {key: value for key, value in asdict(self.file.policies).items() if value is not None}
        place = {"cloud": self.file.cloud, "account": self.file.account, "region": self.file.region}
        if self.file.machines != self.file.cloud:
            place["machines"] = self.file.machines
        return cast("EnvironmentArgs", _plain(place | policies))

    @property
    def network(self) -> NetworkArgs:
        """Arguments of `Network`."""
        zones = relations.zone_ids(self.file)
        return cast("NetworkArgs", {**_given(self.file.network), "zones": list(zones)})

    @property
    def cluster(self) -> ClusterArgs:
        """Arguments of `Cluster`."""
        access = [PRIVATE] if self.file.cluster.private else list(self.file.cluster.ranges)
        given = {"pod_security": needs.pod_security(self.file), **_given(self.file.cluster), "access": access}
        return cast("ClusterArgs", given)

    @property
    def controllers(self) -> ControllersArgs:
        """Arguments of `Controllers`: what this environment uses and its cloud does not bring."""
        said = _given(self.file.controllers)
        return cast("ControllersArgs", {**said, "install": list(needs.controllers(self.file))})

    @property
    def storage(self) -> dict[str, StorageArgs]:
        """Arguments of each `Storage`."""
        buckets = {name: item for name, item in self.file.storage.items() if item.kind == "bucket"}
        return {name: cast("StorageArgs", _given(item)) for name, item in buckets.items()}

    @property
    def file_systems(self) -> dict[str, StorageSpec]:
        """Each file system as the file has it; `file_system` makes arguments of it."""
        return {name: item for name, item in self.file.storage.items() if item.kind != "bucket"}

    @property
    def pools(self) -> dict[str, GpuPoolArgs]:
        """Arguments of each `GpuPool`."""
        return {name: cast("GpuPoolArgs", _given(item)) for name, item in self.file.pools.items()}

    @property
    def queues(self) -> dict[str, QueueSpec]:
        """Each queue as the file has it."""
        return self.file.queues

    @property
    def queued_pools(self) -> tuple[str, ...]:
        """Names of the pools that runs of a queue may use: those that are not for services."""
        return tuple(relations.ceilings(self.file))

    @property
    def jobs(self) -> dict[str, JobSection]:
        """Each job as the file has it; `job` makes arguments of it."""
        return self.file.jobs

    @property
    def services(self) -> dict[str, ServiceSection]:
        """Each service as the file has it; `service` makes arguments of it."""
        return self.file.services

    def file_system(self, spec: StorageSpec) -> FileSystemArgs:
        """Arguments of a `FileSystem`."""
        return cast("FileSystemArgs", _given(spec, without=("linked_bucket",)))

    def job(self, section: JobSection) -> TrainingJobArgs:
        """Arguments of a `TrainingJob`."""
        given = _given(section, without=("pool", "checkpoints", "data", "queue"))
        known = relations.fabrics(self.file, section)
        said = {key: value for key, value in given.items() if key != "fabrics"} | (
            {"fabrics": list(known)} if known else {}
        )
        return cast("TrainingJobArgs", self._with_image(said))

    def service(self, section: ServiceSection) -> ModelServiceArgs:
        """Arguments of a `ModelService`."""
        named = {} if section.public is None else {"public": _given(section.public)}
        said = _given(section, without=("pool", "model", *(("expose",) if named else ())))
        # a server that is not ours has an image of its own, and its gateways have ours
        key = "gateway_image" if section.is_foreign else "image"
        return cast("ModelServiceArgs", self._with_image(said | named, key))

    def _with_image(self, args: dict[str, Any], key: str = "image") -> dict[str, Any]:
        images = self.file.images
        if images is None or key in args:
            return args
        registry = images.registry
        if registry is None:
            registry = clouds.load(self.file.cloud).registry(self.file.account, self.file.region)
        return {**args, key: f"{registry}/{IMAGE}@{images.digest}"}


def load() -> Settings:
    """The settings of the stack that is running.

    Raises:
        pulumi.RunError: the environment file has mistakes; the message holds all of them, with their lines.
    """
    project, name, root = pulumi.get_project(), pulumi.get_stack(), Path(pulumi.get_root_directory())
    try:
        found = parse(name, configuration(project), beside=lambda other: neighbour(root, other, project))
    except SpecError as error:
        raise ArgumentsError(_with_lines(error, root, name, project)) from error
    tell(advice(found.file))
    return found


def parse(
    name: str, config: Mapping[str, Any], beside: Callable[[str], Mapping[str, Any] | None] = lambda _name: None
) -> Settings:
    """Settings from the values of an environment file.

    Args:
        name: Name of the environment.
        config: What its file says under `config`.
        beside: What the file of another environment of the project says; None where there is none.

    Raises:
        SpecError: every mistake at once.
    """
    said = _said(config)
    return _work(name, said, beside) if "on" in said else _platform(name, said)


def _work(name: str, said: Mapping[str, Any], beside: Callable[[str], Mapping[str, Any] | None]) -> Settings:
    """Work on a platform.

    Raises:
        SpecError: every mistake at once, those of the platform's file apart from those of this one.
    """
    read_file, mistakes = read(WorkFile, said)
    file = sound(WorkFile, said) if read_file is None else read_file
    there = beside(file.on) if file.on != name else None
    if there is None or "on" in there or there.get("cloud") == LOCAL:
        raise SpecError([*mistakes, _no_platform(name, file.on, there)], f"environment {name}")
    platform = _sound_platform(file.on, there)
    mine = {part.name: getattr(file, part.name) for part in fields(WorkFile) if part.name != "on"}
    whole = replace(platform.file, **mine)
    found = [*_of_the_platform(mistakes, file.on), *relations.of_work(name, whole, platform.file, mistakes)]
    if found:
        raise SpecError(found, f"environment {name}")
    return Settings(name, whole, platform)


def _of_the_platform(mistakes: Sequence[Finding], on: str) -> list[Finding]:
    """Mistakes of a file of work, where keys of a platform are told where they belong."""
    keys = {f"/{part.name}" for part in fields(EnvironmentFile)}
    fix = f"it belongs into the platform's file, Pulumi.{on}.yaml"
    return [
        replace(found, fix=fix) if found.rule == "settings/unknown-key" and found.path in keys else found
        for found in mistakes
    ]


def _sound_platform(name: str, said: Mapping[str, Any]) -> Settings:
    """The platform that work names.

    Raises:
        SpecError: it has mistakes of its own, which its own plan lists with their lines.
    """
    try:
        return parse(name, said)
    except SpecError as error:
        count = len(error.findings)
        message = f"platform {name} has {count} mistake{'s' if count > 1 else ''} of its own."
        fix = f"mend what `springtide plan {name}` lists"
        raise SpecError([refuse("settings/platform", "/on", name, message, fix)]) from error


def _no_platform(name: str, on: str, there: Mapping[str, Any] | None) -> Finding:
    if there is None:
        message = f"there is no environment {on!r} that {name} could run on."
        fix = "name an environment whose file lies beside this one"
    elif "on" not in there:
        message, fix = (
            f"{on} is on this machine, and has no state that another stack could join.",
            "describe the work there",
        )
    else:
        message, fix = f"{on} is work on a platform itself.", f"name its platform: {there['on']}"
    return refuse("settings/platform", "/on", on, message, fix)


def _platform(name: str, said: Mapping[str, Any]) -> Settings:
    """A platform, with the work in its own file.

    Raises:
        SpecError: every mistake at once.
    """
    file, mistakes = imitation.read_platform(name, said)
    mistakes += relations.findings(name, file, mistakes)
    if mistakes:
        raise SpecError(mistakes, f"environment {name}")
    return Settings(name, file)


def configuration(project: str) -> dict[str, Any]:
    """The project's values as the engine gives them: scalars are strings, everything else is JSON."""
    given = {**pulumi_config.get_config_env(), **pulumi_config.CONFIG.get()}
    own = {key.removeprefix(f"{project}:"): value for key, value in given.items() if key.startswith(f"{project}:")}
    return {key: _decoded(value) for key, value in own.items()}


def neighbour(root: Path, name: str, project: str) -> dict[str, Any] | None:
    """What the file of another environment says, under bare keys; None where there is no such file."""
    file = environment_path(root, name)
    # A name is no path: what could lead elsewhere is no environment of this project.
    if "/" in name or not file.is_file():
        return None
    try:
        config = read_environment(file, project)
    except ConfigError as error:
        raise SpecError([refuse("settings/file", "/on", name, f"{error.what}.", error.fix)], str(file.name)) from error
    return {key.removeprefix(f"{project}:"): value for key, value in config.items()}


def environment_path(root: Path, name: str) -> Path:
    """Where the project in `root` keeps the file of environment `name`, as Pulumi.yaml says."""
    project = yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))
    return root / str(project.get("stackConfigDir", ".")) / f"Pulumi.{name}.yaml"


def schema() -> dict[str, Any]:
    """JSON schema of an environment file, for editors."""
    from springtide.schema import environment_schema  # noqa: PLC0415  asks for docstrings, which reads source files

    return environment_schema()


def _decoded(value: Any) -> Any:
    """What the file says: the engine turns mappings and lists into JSON, and an empty value into an empty text."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return None if value == "" else value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _said(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says once keys without a value are gone. A part that has a name and no value is there all the same."""
    parts = {field.name for field in fields(EnvironmentFile) if get_origin(field.type) is dict}
    named = {
        key: {name: {} if item is None else item for name, item in value.items()}
        for key, value in config.items()
        if key in parts and isinstance(value, Mapping)
    }
    return cast("dict[str, Any]", _without_nothing({**config, **named}))


def _without_nothing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nothing(item) for key, item in value.items() if item is not None}
    return value


def _with_lines(error: SpecError, root: Path, name: str, project: str) -> SpecError:
    file = environment_path(root, name)
    if not file.is_file():
        return error
    shown = file.relative_to(root).as_posix()
    findings = located(error.findings, file.read_text(encoding="utf-8"), shown, project)
    return SpecError(sorted(findings, key=lambda finding: int(finding.where.rpartition(":")[2])), shown)


def _given(section: Any, without: Sequence[str] = ()) -> dict[str, Any]:
    """A section's values as a component's arguments: lists for tuples, and nothing where nothing was said."""
    return {key: _plain(value) for key, value in asdict(section).items() if value is not None and key not in without}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
