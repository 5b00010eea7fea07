"""The rights of workflows: they come as GitHub's signed tokens, for one repository, and no key is stored anywhere."""

import re
from typing import NotRequired, TypedDict

import pulumi

from springtide.clouds import bootstrap
from springtide.component import checked, intent
from springtide.environment import EnvironmentRef
from springtide.registry import RegistryRef
from springtide.spec import Finding, distinct, one_of, refuse, spec
from springtide.storage import StorageRef

ISSUER = "token.actions.githubusercontent.com"
"""Who signs the tokens of GitHub's workflows."""
TRUST = ("new", "existing")
DEFAULT_BRANCH = "main"
_REPOSITORY = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100}")
_GITHUB_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,198}")


class SecretsKeyArgs(TypedDict):
    """Arguments of `SecretsKey`."""

    environment: EnvironmentRef
    """Environment it is built in; take it from `Environment.ref`."""


class SecretsKeyRef(TypedDict):
    """A key that encrypts secrets in state; take it from `SecretsKey.ref`."""

    url: pulumi.Input[str]
    """What `pulumi stack init --secrets-provider` takes."""
    resource: pulumi.Input[str]
    """Name under which the cloud's access rules know it."""


class CiWiring(TypedDict):
    """What workflows work with."""

    state: StorageRef
    """Bucket that holds the state of every stack."""
    key: SecretsKeyRef
    """Key that encrypts the secrets in it."""
    registry: RegistryRef
    """Registry that images are pushed to."""


class CiIdentityArgs(TypedDict):
    """Arguments of `CiIdentity`."""

    environment: EnvironmentRef
    """Environment it is built in; take it from `Environment.ref`."""
    state: StorageRef
    """Bucket that holds the state of every stack; take it from `Storage.ref`."""
    key: SecretsKeyRef
    """Key that encrypts the secrets in it; take it from `SecretsKey.ref`."""
    registry: RegistryRef
    """Registry that images are pushed to; take it from `Registry.ref`."""
    repository: str
    """GitHub repository whose workflows are trusted: OWNER/NAME."""
    environments: list[str]
    """GitHub environments whose jobs may deploy; give each reviewers, and restrict it to a branch."""
    branch: NotRequired[str]
    """Branch whose jobs may push images. Default main."""
    permissions: NotRequired[list[str]]
    """AWS managed policies, or GCP roles, of whoever deploys. Default: what every component of this version needs."""
    trust: NotRequired[str]
    """`new` (default): the account begins to trust GitHub's tokens; `existing`: it does already, and AWS takes that once."""


@spec
class CiSpec:
    """Whose workflows may do what."""

    repository: str
    environments: tuple[str, ...]
    branch: str = DEFAULT_BRANCH
    permissions: tuple[str, ...] = ()
    trust: str = TRUST[0]

    @property
    def deployers(self) -> tuple[str, ...]:
        """Subjects of the tokens of jobs that deploy."""
        return tuple(f"repo:{self.repository}:environment:{name}" for name in self.environments)

    @property
    def pusher(self) -> str:
        """Subject of the tokens of jobs that push images."""
        return f"repo:{self.repository}:ref:refs/heads/{self.branch}"

    def findings(self) -> list[Finding]:
        """What would trust nobody, or too many."""
        named = (_github_environment(f"/environments/{i}", name) for i, name in enumerate(self.environments))
        return [
            *_spelled("/repository", self.repository, _REPOSITORY, "repository", "write OWNER/NAME, without wildcards"),
            *(found for each in named for found in each),
            *_nobody_deploys(self.environments),
            *distinct("/environments", self.environments),
            *_spelled("/branch", self.branch, _BRANCH, "branch", "write its name in full: main"),
            *distinct("/permissions", self.permissions),
            *one_of("/trust", self.trust, TRUST),
        ]


class SecretsKey(pulumi.ComponentResource):
    """A key for the secrets in the state of stacks.

    Attributes:
        ref: What other components need to know of it.
    """

    url: pulumi.Output[str]
    """What `pulumi stack init --secrets-provider` takes."""
    resource: pulumi.Output[str]
    """Name under which the cloud's access rules know it."""

    def __init__(self, name: str, args: SecretsKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place = args["environment"]
        said = {"cloud": place["cloud"], "region": place["region"]}
        super().__init__("springtide:index:SecretsKey", name, said, opts)
        made = bootstrap.load(place["cloud"]).secrets_key(name, place, self)
        self.url, self.resource = pulumi.Output.from_input(made.url), pulumi.Output.from_input(made.resource)
        self.ref = SecretsKeyRef(url=made.url, resource=made.resource)
        self.register_outputs(said | {"url": made.url})


class CiIdentity(pulumi.ComponentResource):
    """Who deploys and who pushes images, in workflows of one repository."""

    deploy: pulumi.Output[str]
    """Identity that deploys environments."""
    push: pulumi.Output[str]
    """Identity that pushes images, and can do nothing else."""
    provider: pulumi.Output[str]
    """What trusts the tokens that GitHub signs."""

    def __init__(self, name: str, args: CiIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        place = args["environment"]
        cloud = bootstrap.load(place["cloud"])
        wiring = CiWiring(state=args["state"], key=args["key"], registry=args["registry"])
        spec = checked(
            CiSpec,
            args,
            f"CiIdentity {name}",
            wiring=["environment", *wiring],
            rules=lambda spec: cloud.ci_findings(spec, place["name"]),
        )
        said = intent(spec, cloud=place["cloud"], region=place["region"])
        super().__init__("springtide:index:CiIdentity", name, said, opts)
        made = cloud.ci_identity(name, spec, place, wiring, self)
        self.deploy, self.push = pulumi.Output.from_input(made.deploy), pulumi.Output.from_input(made.push)
        self.provider = pulumi.Output.from_input(made.provider)
        self.register_outputs(said | {"deploy": made.deploy, "push": made.push, "provider": made.provider})


def _spelled(path: str, value: str, pattern: re.Pattern[str], what: str, fix: str) -> list[Finding]:
    """What is wrong with a name that GitHub gives; a wildcard in it would let others in."""
    if pattern.fullmatch(value):
        return []
    return [refuse("ci/name", path, value, f"{value!r} names no {what} of GitHub.", fix)]


def _github_environment(path: str, name: str) -> list[Finding]:
    fix = "write its name in full, without wildcards, as the repository's settings show it"
    return _spelled(path, name, _GITHUB_ENVIRONMENT, "environment", fix)


def _nobody_deploys(environments: tuple[str, ...]) -> list[Finding]:
    if environments:
        return []
    fix = "name the GitHub environments whose jobs deploy: [dev]"
    return [refuse("ci/environments", "/environments", [], "no workflow could deploy.", fix)]
