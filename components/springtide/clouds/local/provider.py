"""Nothing is made outside the cluster, and no account is asked."""

import pulumi

from springtide.imitation import ACCOUNT
from springtide.spec import EnvironmentSpec, Finding, refuse


def provider(name: str, spec: EnvironmentSpec, opts: pulumi.ResourceOptions) -> pulumi.ProviderResource | None:  # noqa: ARG001
    """None: what guards this environment is the context that its cluster is reached by."""
    return None


def account_findings(account: str) -> list[Finding]:
    """What is wrong with what stands in place of an account."""
    if account == ACCOUNT:
        return []
    message = f"{account!r} is no account: there is none on this machine."
    return [refuse("local/account", "/account", account, message, f"write {ACCOUNT}", allowed=(ACCOUNT,))]
