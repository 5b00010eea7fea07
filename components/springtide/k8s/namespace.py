"""The namespace of the workloads, held to Kubernetes' restricted pod security standard."""

from springtide.k8s import Manifest

LEVEL = "restricted"


def namespace(name: str) -> Manifest:
    """A namespace that refuses privileged pods, and says so in warnings and audit records too."""
    modes = ("enforce", "warn", "audit")
    return {"metadata": {"name": name, "labels": {f"pod-security.kubernetes.io/{mode}": LEVEL for mode in modes}}}
