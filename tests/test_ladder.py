"""Rungs, whatever cloud's Karpenter climbs them: in the pool's order, each with a name and a limit of its own."""

from hypothesis import given
from hypothesis import strategies as st

from springtide.ladder import ceiling, label_findings, may_exceed, node_labels, node_taints, rungs, tolerations
from springtide.spec import CAPACITY, PoolSpec

ZONES = ("a", "b", "c")
specs = st.builds(
    PoolSpec,
    gpu=st.just("L4"),
    min_nodes=st.integers(0, 3),
    max_nodes=st.integers(3, 9),
    capacity=st.lists(st.sampled_from(CAPACITY[:3]), min_size=1, unique=True).map(tuple),
)


@given(specs, st.booleans())
def test_rungs_buy_each_kind_once_in_each_zone_in_the_pools_order(spec: PoolSpec, together: bool) -> None:
    found = rungs("p", spec, ZONES, together=together)
    heaviest_first = sorted(found, key=lambda rung: -rung.weight)
    assert list(dict.fromkeys(kind for rung in heaviest_first for kind in rung.kinds)) == list(spec.capacity)
    bought = [(kind, zone) for rung in found for kind in rung.kinds for zone in rung.zones]
    assert sorted(bought) == sorted((kind, zone) for kind in spec.capacity for zone in ZONES)
    assert len({rung.name for rung in found}) == len(found)
    assert not together or all(len(rung.zones) == len(rung.kinds) == 1 for rung in found)


@given(specs, st.booleans())
def test_a_warning_is_given_just_where_a_pool_can_exceed_its_maximum(spec: PoolSpec, together: bool) -> None:
    found = rungs("p", spec, ZONES, together=together)
    said = may_exceed("here", "p", spec, found)
    assert bool(said) == (ceiling(spec, found) > spec.max_nodes)
    assert [item.rule for item in said] == ["here/ceiling"] * len(said)


def test_a_queue_is_advised_just_where_there_are_queues() -> None:
    spec = PoolSpec(gpu="L4", max_nodes=2, placement="compact")
    found = rungs("p", spec, ZONES, together=True)
    [with_queues], [without] = may_exceed("here", "p", spec, found), may_exceed("here", "p", spec, found, queues=False)
    assert with_queues.fix == f"let its jobs wait in a queue of max_gpus 2, or {without.fix}"
    assert "queue" not in without.fix


def test_a_pod_tolerates_each_taint_of_its_pool_but_the_gpus_own() -> None:
    spec = PoolSpec(gpu="L4", max_nodes=1, taints=("team=vision:NoSchedule", "slow=:NoExecute"))
    own, *others = node_taints(spec)
    assert own == {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    assert [{**taint, "operator": "Equal"} for taint in others] == tolerations(spec)


def test_labels_of_a_pools_own_domain_are_its_to_set_and_others_are_not() -> None:
    ours = {"springtide.dev/x": "", "a.karpenter.sh/x": "", "karpenter.kwok.sh/x": "", "k8s.io/x": ""}
    free = {"team": "a", "example.com/team": "a", "notk8s.io/x": "a"}
    assert [found.path for found in label_findings("here", ours | free)] == [
        f"/labels/{key.replace('/', '~1')}" for key in ours
    ]
    assert free.items() <= node_labels("p", PoolSpec(gpu="L4", max_nodes=1, labels=free), "p").items()
