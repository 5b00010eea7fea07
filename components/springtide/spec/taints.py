"""Taints as a file writes them, `key=value:Effect`, and as the clouds' APIs want them."""

import re
from collections.abc import Sequence

from springtide.spec.finding import Finding, refuse

API_EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
"""What a taint does: Kubernetes' words, and those of the EKS and Container APIs, which are the same."""
_TAINT = re.compile(rf"[\w./-]+=[\w.-]*:({'|'.join(API_EFFECTS)})", re.ASCII)


def parsed_taint(text: str) -> dict[str, str]:
    """The parts of `key=value:Effect`, in Kubernetes' words."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": effect}


def taint_findings(path: str, taints: Sequence[str]) -> list[Finding]:
    """What is no taint."""
    fix = "write key=value:Effect, such as team=vision:NoSchedule"
    return [
        refuse(
            "spec/taint", f"{path}/{i}", text, f"{text!r} is no taint.", fix, allowed=[f"…:{it}" for it in API_EFFECTS]
        )
        for i, text in enumerate(taints)
        if not _TAINT.fullmatch(text)
    ]
