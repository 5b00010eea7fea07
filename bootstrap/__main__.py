"""An account before its first environment: settings in, components out, exports. Which cloud it is, only the file knows."""

import pulumi

from springtide import Environment, Storage, bootstrap
from springtide.account_wide import AccountWide
from springtide.ci import CiIdentity, SecretsKey
from springtide.registry import Registry

account = bootstrap.load()

environment = Environment(account.name, account.environment)
inside = environment.inside
kept = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(protect=True))

state = Storage("state", {**account.state, "environment": environment.ref}, kept)
key = SecretsKey("secrets", {"environment": environment.ref}, kept)
registry = Registry("images", {**account.registry, "environment": environment.ref}, kept)
AccountWide("account", {**account.account_wide, "environment": environment.ref}, inside)
ci = CiIdentity(
    "github",
    {**account.ci, "environment": environment.ref, "state": state.ref, "key": key.ref, "registry": registry.ref},
    inside,
)

pulumi.export("backend", account.backend(state.ref["url"]))
pulumi.export("secrets_provider", key.url)
pulumi.export("registry", registry.host)
pulumi.export("ci", {"deploy": ci.deploy, "push": ci.push, "provider": ci.provider})
