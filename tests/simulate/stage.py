"""Services, autoscaler objects and plans to simulate."""

import random
from dataclasses import replace
from typing import Any

from tests.offline.sample_plan import DIGEST, Sample

from springtide.offline.plan import Plan
from springtide.simulate.fleet import Machines
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.service import Price, Service
from springtide.simulate.trace import Trace, of_rows

MACHINES = Machines(replicas_each=1, most=20, boot_seconds=90.0, image_seconds=30.0, idle_seconds=600.0)


def scaled_object(least: int, most: int, target: int = 4, **more: Any) -> dict[str, Any]:
    """A ScaledObject that reads the gateways, as `springtide.k8s.gateway` makes it."""
    metadata = {
        "valueLocation": "springtide_gateway_requests", "targetValue": str(target), "aggregationType": "sum",
        "aggregateFromKubeServiceEndpoints": "true", "activationTargetValue": "0",
    }  # fmt: skip
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"},
        "minReplicaCount": least, "maxReplicaCount": most, "pollingInterval": 2, "cooldownPeriod": 300,
        "triggers": [{"type": "metrics-api", "name": "requests", "metricType": "AverageValue", "metadata": metadata}],
        **more,
    }  # fmt: skip


def service(least: int = 1, most: int = 5, **more: Any) -> Service:
    """A service behind gateways, of one GPU a replica and node."""
    made = Service(
        environment="dev", name="chat", slots=4, least=least, autoscaler=KedaObject.of(scaled_object(least, most)),
        gateways=2, hold_seconds=1200.0, held_requests=2000, propagation_seconds=10.0, drain_seconds=60.0,
        load_seconds=42.0, machines=MACHINES, gpus=1, gpus_per_node=1, machine_type="g6.xlarge",
        prices=(
            Price(capacity="on-demand", usd_per_hour=0.8, source="2026-07-20: a list"),
            Price(capacity="spot", usd_per_hour=None),
        ),
    )  # fmt: skip
    return replace(made, **more)


def load(requests: int = 400, *, rate: float = 1.0, mean: float = 8.0, seed: int = 1) -> Trace:
    """Requests that come by chance."""
    dice, now, rows = random.Random(seed), 0.0, []
    for _ in range(requests):
        now += dice.expovariate(rate)
        rows.append((now, dice.expovariate(1 / mean)))
    return of_rows(rows)


def plan(*, least: int = 0, most: int = 5, image: str | None = DIGEST, deployed: bool = True) -> Plan:
    """A plan with a service on a pool of three nodes, its gateways and its autoscaler."""
    made = Sample()
    subnets = made.network()
    plane = made.cluster(subnets)
    made.pool("serve", plane, subnets, gpu="A10G", machine_types=("g5.xlarge",), nodes=(0, 3), purpose="serving")
    inputs = {
        "gpus": 1, "model": {"job": "gpt"}, "minReplicas": least, "maxReplicas": most, "expose": "none",
        "propagationSeconds": 10, "drainSeconds": 60, "graceSeconds": 75, "pool": "serve",
        "scaleOn": {"cpuPercent": None, "inFlightPerReplica": 4},
    }  # fmt: skip
    inputs |= {} if image is None else {"image": image}
    component = made.add("springtide:index:ModelService", "chat", made.stack, inputs, custom=False)
    if deployed:
        env = [{"name": "SPRINGTIDE_HOLD_SECONDS", "value": "900"}, {"name": "POD", "valueFrom": {}}]
        for name, count in (("chat", least), ("chat-gateway", 2)):
            pod = {"spec": {"containers": [{"name": name, "env": env}]}}
            spec = {"replicas": count, "template": pod}
            made.add("kubernetes:apps/v1:Deployment", name, component, {"metadata": {"name": name}, "spec": spec})
        scaler = {"metadata": {"name": "chat"}, "spec": scaled_object(least, most)}
        made.add("kubernetes:keda.sh/v1alpha1:ScaledObject", "chat", component, scaler)
    return made.plan()
