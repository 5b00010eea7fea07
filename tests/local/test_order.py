"""The order in which objects come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.local.cluster.order import coming, leaving, rank
from springtide.local.cluster.refs import Ref

KINDS = (
    *("CustomResourceDefinition", "Namespace", "PersistentVolume", "ServiceAccount", "RoleBinding", "ConfigMap"),
    *("Secret", "KWOKNodeClass", "NodePool", "Service", "Job", "Deployment", "ScaledObject", "Anything"),
)
kinds = st.lists(st.sampled_from(KINDS), max_size=12)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("CustomResourceDefinition", "Namespace"), ("Namespace", "ServiceAccount"), ("ServiceAccount", "Job"),
        ("ConfigMap", "Deployment"), ("EC2NodeClass", "NodePool"), ("KWOKNodeClass", "NodePool"), ("NodePool", "Job"),
        ("Node", "Deployment"),
        ("PersistentVolume", "PersistentVolumeClaim"), ("Deployment", "ScaledObject"), ("JobSet", "PodDisruptionBudget"),
    ],
)  # fmt: skip
def test_what_others_need_comes_first(first: str, then: str) -> None:
    assert rank(first) < rank(then)


@given(kinds)
def test_those_of_one_rank_keep_their_order(found: list[str]) -> None:
    objects = [{"kind": kind, "number": number} for number, kind in enumerate(found)]
    ordered = [(rank(item["kind"]), item["number"]) for item in coming(objects)]
    assert ordered == sorted(ordered)


@given(kinds)
def test_objects_leave_in_the_reverse_order_and_none_is_forgotten(found: list[str]) -> None:
    refs = [Ref(api_version="v1", kind=kind, name=str(number)) for number, kind in enumerate(found)]
    groups = leaving(refs)
    ranks = [rank(group[0].kind) for group in groups]
    assert ranks == sorted(set(ranks), reverse=True)
    assert sorted(ref for group in groups for ref in group) == sorted(refs)
