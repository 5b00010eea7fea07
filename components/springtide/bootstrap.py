"""The file of a bootstrap stack: what an account gets before its first environment, and whose workflows may use it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pulumi

from springtide import clouds, selection
from springtide.account_wide import ROLES, AccountWideArgs
from springtide.ci import CiIdentityArgs, CiSpec
from springtide.clouds import bootstrap
from springtide.component import ArgumentsError
from springtide.environment import EnvironmentArgs
from springtide.lines import located
from springtide.parse import independent, read, sound
from springtide.registry import RegistryArgs, RegistrySpec
from springtide.settings import IMAGE, configuration, environment_path
from springtide.spec import Finding, SpecError, below, one_of, spec
from springtide.storage import StorageArgs

SUPERSEDED_STATE_DAYS = 90
"""How long a state that was overwritten can be had back."""


@spec
class BootstrapFile:
    """An account and a region, before their first environment."""

    cloud: str
    """Cloud to build in."""
    account: str
    """Account id, in quotes; the provider refuses any other."""
    region: str
    """Region that state, key and images lie in."""
    github: CiSpec
    """Whose workflows may deploy and push images."""
    roles: str = ROLES[0]
    """`make` (default) the roles that the cloud's own services need once in an account; `existing`: they are there already."""
    registry: RegistrySpec = RegistrySpec(images=(IMAGE,))
    """Images that are pushed, and how long untagged ones stay."""

    def findings(self) -> list[Finding]:
        """What the parts say of themselves."""
        return [
            *one_of("/roles", self.roles, ROLES),
            *below("/github", self.github.findings()),
            *below("/registry", self.registry.findings()),
        ]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """An account, ready to be prepared. Arguments lack only the references between components."""

    name: str
    file: BootstrapFile

    @property
    def environment(self) -> EnvironmentArgs:
        """Arguments of `Environment`."""
        return {"cloud": self.file.cloud, "account": self.file.account, "region": self.file.region}

    @property
    def state(self) -> StorageArgs:
        """Arguments of the `Storage` that holds state."""
        return cast("StorageArgs", {"kind": "bucket", "expire_days": SUPERSEDED_STATE_DAYS, "protect": True})

    @property
    def registry(self) -> RegistryArgs:
        """Arguments of `Registry`."""
        return cast("RegistryArgs", _lists(asdict(self.file.registry)))

    @property
    def account_wide(self) -> AccountWideArgs:
        """Arguments of `AccountWide`."""
        return cast("AccountWideArgs", {"roles": self.file.roles})

    @property
    def ci(self) -> CiIdentityArgs:
        """Arguments of `CiIdentity`."""
        return cast("CiIdentityArgs", _lists(asdict(self.file.github)))

    def backend(self, storage: str) -> str:
        """What `pulumi login` takes for state in that storage."""
        return bootstrap.load(self.file.cloud).backend(storage, self.file.region)


def load() -> Bootstrap:
    """The file of the stack that is running.

    Raises:
        pulumi.RunError: it has mistakes; the message holds all of them, with their lines.
    """
    project, name = pulumi.get_project(), pulumi.get_stack()
    try:
        return parse(name, configuration(project))
    except SpecError as error:
        root = Path(pulumi.get_root_directory())
        raise ArgumentsError(_with_lines(error, environment_path(root, name), project)) from error


def parse(name: str, config: Mapping[str, Any]) -> Bootstrap:
    """What a file says.

    Raises:
        SpecError: every mistake at once.
    """
    said = {key: value for key, value in config.items() if value is not None}
    file, mistakes = read(BootstrapFile, said)
    mistakes += independent(_findings(name, file or sound(BootstrapFile, said)), mistakes)
    if file is None or mistakes:
        raise SpecError(mistakes, f"bootstrap {name}")
    return Bootstrap(name, file)


def _findings(name: str, file: BootstrapFile) -> list[Finding]:
    """What the cloud says of the place and of names made from the stack's."""
    if unknown := bootstrap.findings(file.cloud):
        return unknown
    cloud = clouds.load(file.cloud)
    return [
        *cloud.account_findings(file.account),
        *selection.region_findings(file.cloud, file.region),
        *cloud.bucket_findings(name, "state", file.account),
        *below("/github", bootstrap.load(file.cloud).ci_findings(file.github, name)),
    ]


def _with_lines(error: SpecError, file: Path, project: str) -> SpecError:
    findings = located(error.findings, file.read_text(encoding="utf-8"), file.name, project)
    return SpecError(sorted(findings, key=lambda finding: int(finding.where.rpartition(":")[2])), file.name)


def _lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
