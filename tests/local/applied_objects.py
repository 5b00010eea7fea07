"""Objects for the tests of apply, and somebody who remembers what was being done."""

from collections.abc import Callable
from dataclasses import dataclass, field

from springtide.local.cluster.refs import Object

GROUP = "test.springtide.dev"
TIDE = f"{GROUP}/v1"
TOO_HIGH = "a tide is lower than 10 m"


@dataclass(slots=True)
class Remembers:
    """A progress that keeps what it is told, and may do something about it."""

    lines: list[str] = field(default_factory=list)
    then: Callable[[str], None] = lambda _line: None

    def say(self, text: str) -> None:
        self.lines.append(text)

    def doing(self, text: str) -> None:
        self.lines.append(text)
        self.then(text)


def named(name: str, namespace: str = "") -> Object:
    return {"name": name, **({"namespace": namespace} if namespace else {})}


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": named(name)}


def settings(place: str, name: str = "settings", **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named(name, place), "data": data}


def _pods(labels: Object, image: str) -> Object:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}


def deployment(place: str, replicas: int = 0, image: str = "web:1", app: str = "web") -> Object:
    labels = {"app": app}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": named("web", place),
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": _pods(labels, image)},
    }  # fmt: skip


def autoscaler(place: str) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": named("web", place),
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3},
    }  # fmt: skip


def job(place: str, image: str = "train:1", name: str = "gpt-first") -> Object:
    pods = _pods({}, image)
    template = {**pods, "spec": {**pods["spec"], "restartPolicy": "Never"}}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": named(name, place),
        "spec": {"suspend": True, "template": template},
    }  # fmt: skip


def tide_definition(plural: str = "tides", kind: str = "Tide") -> Object:
    rule = {"rule": "self.height < 10", "message": TOO_HIGH}
    spec = {"type": "object", "properties": {"height": {"type": "integer"}}, "x-kubernetes-validations": [rule]}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": named(f"{plural}.{GROUP}"),
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }  # fmt: skip


def tide(place: str, height: int, kind: str = "Tide") -> Object:
    return {"apiVersion": TIDE, "kind": kind, "metadata": named("high", place), "spec": {"height": height}}
