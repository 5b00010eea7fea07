"""Who can reach a model service from outside its cluster, and what leads them there."""

from collections.abc import Mapping

import pulumi

from springtide import clouds
from springtide.cluster import ClusterRef
from springtide.spec import Finding, ServiceSpec, refuse, warn

NONE, INTERNAL = "none", "internal"


def controllers(spec: ServiceSpec, cloud: str, mode: str) -> tuple[str, ...]:
    """Charts without which nothing leads to the service from outside its cluster."""
    target = clouds.exposure(cloud)
    return () if target is None or spec.reached == NONE else target.exposure_controllers(mode)


def conditions(name: str, spec: ServiceSpec, cluster: ClusterRef) -> tuple[str, ...]:
    """What else must hold of a server before it counts as ready."""
    target = clouds.exposure(cluster["environment"]["cloud"])
    return () if target is None or spec.reached == NONE else target.exposure_conditions(name, cluster["mode"])


def adopted(cluster: ClusterRef) -> bool:
    """Whether nobody knows of a public subnet of its network; of another stack's cluster, that stack's file says it."""
    return cluster.get("public_subnets", []) == []


def keys(name: str, spec: ServiceSpec) -> str | None:
    """Name of the Secret with the keys that may ask; None where nobody is asked for one."""
    return f"{name}-keys" if spec.public is not None and spec.public.auth == "keys" else None


def one_host_twice(services: Mapping[str, ServiceSpec]) -> list[Finding]:
    """Which services would be reached by a name that leads to another one."""
    hosts = [(name, spec.public.host) for name, spec in services.items() if spec.public is not None]
    owners = {host: name for name, host in reversed(hosts)}
    return [
        refuse(
            "services/host",
            f"/services/{name}/expose/host",
            host,
            f"{host} leads to service {owners[host]}.",
            "use another name for one of them",
        )
        for name, host in hosts
        if owners[host] != name
    ]


def address(
    name: str, spec: ServiceSpec, cluster: ClusterRef, backend: pulumi.Resource, parent: pulumi.Resource
) -> pulumi.Output[str] | None:
    """URL for those outside the cluster, once there is a way to `backend`; None where there shall be none."""
    target = clouds.exposure(cluster["environment"]["cloud"])
    if target is None or spec.reached == NONE:
        return None
    if spec.public is None:
        return target.internal(name, spec, cluster, backend, parent).address
    return target.public(name, spec, spec.public, cluster, backend, parent).address


def warnings(name: str, spec: ServiceSpec) -> list[Finding]:
    """What whoever exposes a service should know: what its servers wait for, or who may use them."""
    public, path = spec.public, f"/services/{name}/expose/auth"
    if public is None:
        return []
    if (secret := keys(name, spec)) is not None:
        message = (
            f"service {name} waits for its keys: nothing that asks for them starts before Secret {secret} is there."
        )
        fix = f"kubectl create secret generic {secret} --from-file=keys=FILE, a key a line, once"
        return [warn("services/keys", path, public.auth, message, fix)]
    message = f"everybody on the internet may use service {name}, and the GPUs behind it."
    return [warn("services/open", path, public.auth, message, "use keys, unless everybody is who you mean")]
