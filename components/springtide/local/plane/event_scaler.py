"""What KEDA needs in the cluster besides its resource definitions, where it runs as processes of this machine."""

import base64
from typing import Any

from springtide.local.plane.certificates import AUTHORITY
from springtide.local.plane.programs import Site

NAMESPACE = "keda"
_GROUP, _VERSION = "external.metrics.k8s.io", "v1beta1"
_NAME = "keda-adapter"


def objects(site: Site) -> list[dict[str, Any]]:
    """The way from the API server to the adapter, by which autoscalers ask for figures.

    The API server takes no address for it, and an Endpoints object none on loopback; a Service may name a host.
    """
    authority = base64.b64encode(site.keys.certificate(AUTHORITY).read_bytes()).decode()
    port = site.ports[_NAME]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{_VERSION}.{_GROUP}"},
            "spec": {
                "group": _GROUP,
                "version": _VERSION,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": authority,
                "service": {"name": _NAME, "namespace": NAMESPACE, "port": port},
            },
        },
    ]
