"""The namespace of the workloads, held to one of Kubernetes' pod security standards."""

from springtide.k8s import Manifest

RESTRICTED = "restricted"
PRIVILEGED = "privileged"


def namespace(name: str, level: str = RESTRICTED) -> Manifest:
    """A namespace that refuses pods above `level`.

    Warnings and audit records stay at the restricted standard: where a fabric's pods must mount directories of the node,
    which `baseline` refuses as `restricted` does, the cluster still says which pods do.
    """
    modes = {"enforce": level, "warn": RESTRICTED, "audit": RESTRICTED}
    return {
        "metadata": {
            "name": name,
            "labels": {f"pod-security.kubernetes.io/{mode}": value for mode, value in modes.items()},
        }
    }
