"""A program of somebody else's that uses our components: it is never run, mypy reads it.

What is wrong on purpose carries the error that a type checker must see; where it sees none, the unused mark is an error.
"""

import pulumi

from springtide import Cluster, Environment, GpuPool, ModelService, Network, Storage, TrainingJob


def program() -> pulumi.Output[str]:
    """One pool, one job, one service, wired by references."""
    environment = Environment("prod", {"cloud": "aws", "account": "123456789012", "region": "us-east-1"})
    inside = environment.inside
    network = Network("network", {"environment": environment.ref, "zones": ["use1-az1", "use1-az2"]}, inside)
    cluster = Cluster(
        "cluster",
        {"environment": environment.ref, "network": network.ref, "version": "1.35", "access": ["203.0.113.0/24"]},
        inside,
    )
    pool = GpuPool("train", {"cluster": cluster.ref, "gpu": "H100", "gpus_per_node": 8, "max_nodes": 4}, inside)
    artifacts = Storage("artifacts", {"environment": environment.ref, "kind": "bucket"}, inside)
    job = TrainingJob(
        "gpt",
        {
            "cluster": cluster.ref,
            "pool": pool.ref,
            "checkpoints": artifacts.ref,
            "recipe": "gpt_small",
            "run": "first",
        },
        cluster.inside,
    )
    service = ModelService("chat", {"cluster": cluster.ref, "model": {"job": job.ref}}, cluster.inside)
    return pulumi.Output.concat(service.endpoint, " ", artifacts.url, " ", job.artifacts_url, " ", cluster.endpoint)


def mistakes(cluster: Cluster) -> None:
    """What a type checker sees before any plan does."""
    GpuPool("a", {"cluster": cluster.ref, "gpu": "H100"})  # type: ignore[typeddict-item]
    GpuPool("b", {"cluster": cluster.ref, "gpu": "H100", "max_nodes": "4"})  # type: ignore[typeddict-item]
    GpuPool("c", {"cluster": cluster.ref, "gpu": "H100", "max_nodes": 4, "min_node": 1})  # type: ignore[typeddict-unknown-key]
    GpuPool("d", {"cluster": cluster.endpoint, "gpu": "H100", "max_nodes": 4})  # type: ignore[typeddict-item]
    Network("e", {"environment": cluster.ref, "zones": []})  # type: ignore[typeddict-item]
