"""How a server is asked whether it lives and whether it takes requests."""

import math

from springtide.k8s import Manifest

PROBE_PERIOD_SECONDS = 5
LIVE_FAILURES = 6
READY_FAILURES = 2


def probes(live_path: str, ready_path: str, startup_seconds: int, *, ready_timeout_seconds: int = 1) -> Manifest:
    """Probes of a container with a port `http`.

    The startup probe covers loading; until it passes Kubernetes asks neither of the others, so liveness never kills a pod
    that loads. Liveness forgives 30 seconds: a server under load answers late.

    Args:
        live_path: Answers while the process is sound.
        ready_path: Answers while it takes requests.
        startup_seconds: Time it may take to begin.
        ready_timeout_seconds: For an answer about readiness. Default: Kubernetes' own.
    """
    patience = max(math.ceil(startup_seconds / PROBE_PERIOD_SECONDS), 1)
    timeout = {} if ready_timeout_seconds == 1 else {"timeoutSeconds": ready_timeout_seconds}
    return {
        "startupProbe": {**_ask(live_path), "failureThreshold": patience},
        "readinessProbe": {**_ask(ready_path), "failureThreshold": READY_FAILURES, **timeout},
        "livenessProbe": {**_ask(live_path), "failureThreshold": LIVE_FAILURES, "timeoutSeconds": 5},
    }


def _ask(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": PROBE_PERIOD_SECONDS}
