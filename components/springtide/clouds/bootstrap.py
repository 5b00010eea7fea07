"""What a cloud does before the first environment: state, images and the rights of workflows need a place of their own.

No environment needs any of it, so it is no part of `Cloud`: a cloud whose accounts can be made ready has a file
`bootstrap.py` in its folder, which is imported when somebody asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pulumi

from springtide import clouds
from springtide.spec import Finding, did_you_mean, refuse

if TYPE_CHECKING:
    from springtide.ci import CiSpec, CiWiring
    from springtide.environment import EnvironmentRef
    from springtide.registry import RegistrySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryParts:
    """What a cloud made for images."""

    host: str
    """Host, and path before an image's name; known before the registry exists."""
    resources: Sequence[pulumi.Input[str]]
    """Names in the cloud's access rules, one for each place that images are pushed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How a container tool gets into a registry."""

    user: str
    command: tuple[str, ...]
    """What prints the password; it is good for an hour at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsKeyParts:
    """What a cloud made to encrypt the secrets in a stack's state."""

    url: str
    """What `pulumi stack init --secrets-provider` takes; known before the key exists."""
    resource: pulumi.Output[str]
    """Name in the cloud's access rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CiParts:
    """What a cloud made for workflows: identities without keys."""

    deploy: str
    """Identity that deploys environments: a role's ARN, a service account's e-mail."""
    push: str
    """Identity that pushes images, and can do nothing else."""
    provider: pulumi.Input[str]
    """What trusts the tokens that GitHub signs."""


class Bootstrapping(Protocol):
    """What a cloud does to make an account ready for environments."""

    def image_registry(
        self, name: str, spec: "RegistrySpec", place: "EnvironmentRef", parent: pulumi.Resource
    ) -> RegistryParts:
        """A private registry in which a tag, once pushed, never changes."""
        ...

    def registry_login(self, region: str) -> Login:
        """How to log in to the account's own registry."""
        ...

    def backend(self, storage: str, region: str) -> str:
        """What `pulumi login` takes for state in a bucket."""
        ...

    def secrets_key(self, name: str, place: "EnvironmentRef", parent: pulumi.Resource) -> SecretsKeyParts:
        """A key that rotates."""
        ...

    def ci_identity(
        self, name: str, spec: "CiSpec", place: "EnvironmentRef", wiring: "CiWiring", parent: pulumi.Resource
    ) -> CiParts:
        """Identities that only one repository's workflows can take on."""
        ...

    def service_roles(self, parent: pulumi.Resource) -> None:
        """Roles that the cloud's own services take on for us, where it does not make them by itself."""
        ...

    def ci_findings(self, spec: "CiSpec", environment: str) -> list[Finding]:
        """What CI asks for that this cloud does not have."""
        ...


def available() -> tuple[str, ...]:
    """Names of the clouds whose accounts can be made ready, sorted; nothing is imported."""
    folders = [Path(folder) for folder in clouds.__path__]
    return tuple(name for name in clouds.available() if any((at / name / "bootstrap.py").is_file() for at in folders))


@cache
def load(name: str) -> Bootstrapping:
    """What makes accounts of that cloud ready.

    Raises:
        LookupError: there is no such cloud, or nothing to make ready on it.
    """
    if name not in available():
        message = f"no account of cloud {name!r} can be made ready: use one of {', '.join(available())}"
        raise LookupError(message)
    return cast("Bootstrapping", import_module(f"{clouds.__name__}.{name}.bootstrap").BOOTSTRAP)


def findings(name: str) -> list[Finding]:
    """What is wrong with the name of a cloud whose account somebody wants to make ready."""
    known = available()
    if name in known:
        return []
    message = f"no account of cloud {name!r} can be made ready."
    fix = did_you_mean(name, known, "use a cloud of this version")
    return [refuse("bootstrap/cloud", "/cloud", name, message, fix, allowed=known)]
