"""Real plans of this repository's environments, and small ones, as the local side reads them."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.environment_files import ENVIRONMENTS, ROOT
from tests.recordings import of_text

from springtide.local.cluster.refs import Object
from springtide.local.render.substitute import Rendition
from springtide.offline.plan import Plan, Resource

REGIONS = {"aws": "us-east-1", "gcp": "us-central1"}
IMAGE = "registry.example.com/team/springtide-workloads@sha256:" + "0123456789abcdef" * 4

DIRECT = """\
config:
  cloud: gcp
  account: acme-ml-prod
  region: us-central1
  zones: [us-central1-a, us-central1-b, us-central1-c]
  cluster: {version: "1.35", access: [203.0.113.0/24]}
  storage:
    artifacts: {kind: bucket}
    home: {kind: shared, size_gib: 2048}
  pools:
    train: {gpu: H100, gpus_per_node: 8, machine_types: [a3-megagpu-8g], capacity: [spot, on-demand],
      zones: [us-central1-a], max_nodes: 4, fabric: gpudirect, purpose: training}
    wait: {gpu: H100, gpus_per_node: 8, machine_types: [a3-highgpu-8g], capacity: [queued], max_nodes: 2}
    serve: {gpu: L4, capacity: [spot, on-demand], max_nodes: 3, purpose: serving}
  queues: {research: {max_gpus: 32}}
  jobs:
    gpt: {recipe: gpt_small, pool: train, nodes: 2, checkpoints: artifacts, run: first, queue: research}
    slow: {recipe: gpt_small, pool: wait, nodes: 2, checkpoints: home, run: first, queue: research}
  services:
    chat: {model: {job: gpt}, pool: serve, replicas: {min: 1, max: 3}, scale_on: {in_flight_per_replica: 4}}
    cpu: {model: {job: gpt}}
  images: {digest: "sha256:0101010101010101010101010101010101010101010101010101010101010101", fabrics: [gpudirect]}
"""
"""Work on GPUDirect, on queued machines and on a file system, all on GCP."""
AUTOPILOT = """\
config:
  cloud: gcp
  account: acme-ml-prod
  region: us-central1
  cluster: {version: "1.35", access: [203.0.113.0/24], mode: auto}
  storage:
    artifacts: {kind: bucket}
  pools:
    train: {gpu: A100, gpus_per_node: 8, capacity: [spot, on-demand], max_nodes: 4, purpose: training}
  jobs:
    gpt: {recipe: gpt_small, pool: train, nodes: 2, checkpoints: artifacts, run: first}
  services:
    cpu: {model: {job: gpt}}
  images: {digest: "sha256:0101010101010101010101010101010101010101010101010101010101010101"}
"""
"""A cluster whose nodes GKE makes by itself."""
LOCAL = """\
config:
  cloud: local
  machines: aws
  pools:
    train: {gpu: H100, gpus_per_node: 8, capacity: [spot, on-demand], max_nodes: 4, purpose: training}
    serve: {gpu: L4, gpus_per_node: 1, capacity: [spot, on-demand], max_nodes: 3, purpose: serving}
  storage: {artifacts: {kind: bucket}}
  jobs:
    gpt: {recipe: gpt_tiny, pool: train, nodes: 2, checkpoints: artifacts, run: first}
  services:
    chat: {model: {job: gpt}, pool: serve, replicas: {min: 1, max: 3}, scale_on: {in_flight_per_replica: 4}}
"""
"""What `make up` brings up, with a service that never sleeps."""
SLEEPY = LOCAL.replace("{min: 1, max: 3}", "{min: 0, max: 3}")
"""The same with a service that sleeps."""
TEXTS = {"sleepy": SLEEPY, "direct": DIRECT, "autopilot": AUTOPILOT, "local": LOCAL}
SHIPPED = ("dev", "prod-aws", "prod-gcp")
WRITTEN = ("full", "ladder", "gcp-ladder", "auto", "files", "exposed", "gcp-exposed", "foreign")
EVERY = (*SHIPPED, *WRITTEN, *TEXTS)


@cache
def plan_of(name: str) -> Plan:
    """The plan of an environment of `stacks/` or of `tests/environments`, or of a text above."""
    text = TEXTS[name] if name in TEXTS else _file(name).read_text(encoding="utf-8")
    said = yaml.safe_load(text)["config"]
    return plan(
        of_text(text, name).resources, name=name, cloud=said["cloud"], region=said.get("region", REGIONS["aws"])
    )


def plan(resources: tuple[Resource, ...], name: str = "dev", cloud: str = "aws", region: str = "us-east-1") -> Plan:
    """A plan with these resources."""
    environment = {"name": name, "project": "springtide", "cloud": cloud, "region": region, "file": f"{name}.yaml"}
    return Plan(environment=environment, made_with={}, resources=resources, outputs={})


def kubernetes(token: str, name: str, inputs: dict[str, Any], **more: Any) -> Resource:
    """A registered object of a Kubernetes cluster."""
    urn = f"urn:pulumi:dev::springtide::kubernetes:{token}::{name}"
    return Resource(urn=urn, type=f"kubernetes:{token}", name=name, parent=None, custom=True, inputs=inputs, **more)


def one(found: Rendition | tuple[Object, ...], kind: str, name: str) -> Object:
    """The object of that kind and name."""
    objects = found.objects if isinstance(found, Rendition) else found
    [item] = [it for it in objects if (it["kind"], it["metadata"]["name"]) == (kind, name)]
    return item


def all_of(found: Rendition | tuple[Object, ...], kind: str) -> list[Object]:
    """The objects of a kind."""
    objects = found.objects if isinstance(found, Rendition) else found
    return [item for item in objects if item["kind"] == kind]


def names_of(found: Rendition, kind: str) -> list[str]:
    """Names of the objects of a kind, in their order."""
    return [item["metadata"]["name"] for item in all_of(found, kind)]


def told(found: Rendition, what: str) -> str:
    """What one substitution says there is instead."""
    [item] = [it for it in found.substitutions if it.what.startswith(what)]
    return item.instead


def variables(item: Object) -> dict[str, str]:
    """Variables of the one container of an object's pods."""
    [container] = item["spec"]["template"]["spec"]["containers"]
    return {it["name"]: it.get("value", "") for it in container["env"]}


def _file(name: str) -> Path:
    folder = ROOT / "stacks" if name in SHIPPED else ENVIRONMENTS
    return folder / f"Pulumi.{name}.yaml"
