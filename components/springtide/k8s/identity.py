"""ServiceAccounts."""

from collections.abc import Mapping
from typing import Any

from springtide.k8s import Manifest


def service_account(name: str, namespace: Any, annotations: Mapping[str, Any]) -> Manifest:
    """A ServiceAccount. Its pods say for themselves that they want no Kubernetes token."""
    notes = {"annotations": dict(annotations)} if annotations else {}
    return {"metadata": {"name": name, "namespace": namespace, **notes}}
