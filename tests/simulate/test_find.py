from dataclasses import replace

import pytest

from springtide.offline.plan import Plan
from springtide.simulate.find import service_of
from springtide.simulate.hpa_object import HpaObject
from springtide.simulate.keda_object import KedaObject
from springtide.simulate.mistake import UsageError
from springtide.simulate.options import Options

from .stage import plan


def test_a_service_has_the_plans_own_objects() -> None:
    found = service_of(plan(), None, "chat", Options())
    assert isinstance(found.autoscaler, KedaObject)
    assert (found.autoscaler.polling_seconds, found.autoscaler.hpa.most, found.most, found.least) == (2.0, 5, 5, 0)
    assert (found.slots, found.gateways, found.hold_seconds, found.held_requests) == (4, 2, 900.0, 2000)
    assert (found.propagation_seconds, found.drain_seconds) == (10, 60)


def test_machines_are_the_pools_with_the_catalogs_boot_time_and_price() -> None:
    found = service_of(plan(), None, None, Options())
    assert found.machines is not None
    assert (found.machines.most, found.machines.replicas_each, found.machines.boot_seconds) == (3, 1, 90)
    assert (found.machine_type, found.gpus_per_node) == ("g5.xlarge", found.machines.replicas_each)
    [on_demand] = [item for item in found.prices if item.capacity == "on-demand"]
    assert on_demand.usd_per_hour is not None
    assert on_demand.source


def test_what_is_said_stands_in_for_what_is_assumed() -> None:
    found = service_of(plan(), None, None, Options(slots=9, boot_seconds=1.0, image_seconds=2.0, load_seconds=3.0))
    assert found.machines is not None
    assert (found.slots, found.machines.boot_seconds, found.machines.image_seconds, found.load_seconds) == (9, 1, 2, 3)


def test_without_an_object_nothing_moves_it() -> None:
    still = plan(least=1)
    kept = tuple(item for item in still.resources if "ScaledObject" not in item.type)
    assert service_of(replace(still, resources=kept), None, None, Options()).autoscaler is None


def test_an_autoscaler_of_kubernetes_own_is_found_too() -> None:
    still = plan(least=1)
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
    }
    spec = {"scaleTargetRef": {"name": "chat"}, "minReplicas": 1, "maxReplicas": 4, "metrics": [metric]}
    kind = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
    found = service_of(_as(still, kind, spec), None, None, Options()).autoscaler
    assert isinstance(found, HpaObject)
    assert (found.most, found.metrics[0].value, found.behavior) == (4, 60, None)


def _as(given: Plan, kind: str, spec: dict[str, object]) -> Plan:
    """The plan with another autoscaler."""
    return replace(
        given,
        resources=tuple(
            replace(item, type=kind, inputs={**item.inputs, "spec": spec}) if "ScaledObject" in item.type else item
            for item in given.resources
        ),
    )


def test_the_pool_may_be_the_platforms() -> None:
    whole = plan()
    work = tuple(item for item in whole.resources if not item.type.endswith(":GpuPool"))
    platform = replace(whole, resources=tuple(item for item in whole.resources if item.type.endswith(":GpuPool")))
    found = service_of(replace(whole, resources=work), platform, None, Options())
    assert found.machines is not None
    assert found.machines.most == 3
    with pytest.raises(UsageError, match="pool serve, which no plan here has"):
        service_of(replace(whole, resources=work), None, None, Options())


@pytest.mark.parametrize(
    ("given", "name", "says"),
    [
        (plan(), "chatt", "no service 'chatt': it has chat"),
        (plan(image=None, deployed=False), None, "service chat waits, and has no server to simulate: no image"),
        (plan(deployed=False), None, "job gpt has no run whose model it could load"),
        (replace(plan(), resources=()), None, "has no service"),
    ],
)
def test_what_cannot_be_simulated_is_told(given: Plan, name: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        service_of(given, None, name, Options())
