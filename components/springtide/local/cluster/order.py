"""In which order objects come and go: what others need comes first and goes last."""

from collections.abc import Iterable

from springtide.local.cluster.refs import Object, Ref

DEFINITION = "CustomResourceDefinition"
NAMESPACE = "Namespace"
_RANKS = (
    (DEFINITION,),
    (NAMESPACE,),
    ("PriorityClass", "RuntimeClass", "StorageClass", "PersistentVolume", "ResourceFlavor", "Cohort"),
    ("ServiceAccount", "ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"),
    ("ConfigMap", "Secret", "PersistentVolumeClaim", "LimitRange", "ResourceQuota", "NetworkPolicy"),
    ("EC2NodeClass", "KWOKNodeClass", "NodeClass"),
    ("NodePool", "Node"),
    ("ClusterQueue",),
    ("LocalQueue",),
    ("Service", "APIService", "TriggerAuthentication", "ClusterTriggerAuthentication"),
)
_WORK = len(_RANKS)
_ON_WORK = (
    *("HorizontalPodAutoscaler", "ScaledObject", "ScaledJob", "PodDisruptionBudget", "Ingress", "HTTPRoute"),
    *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy"),
)
"""What acts on work that is there: it would find nothing before, and a webhook refuse what it cannot answer for."""
_RANK_OF = {**{kind: rank for rank, kinds in enumerate(_RANKS) for kind in kinds}, **dict.fromkeys(_ON_WORK, _WORK + 1)}


def rank(kind: str) -> int:
    """When a kind comes; what no table names is work."""
    return _RANK_OF.get(kind, _WORK)


def coming(objects: Iterable[Object]) -> list[Object]:
    """Objects in the order in which they are applied; those of one rank keep theirs."""
    return sorted(objects, key=lambda item: rank(item["kind"]))


def leaving(refs: Iterable[Ref]) -> list[list[Ref]]:
    """Objects that go, in groups: the next one goes when the one before is gone."""
    groups: dict[int, list[Ref]] = {}
    for ref in refs:
        groups.setdefault(rank(ref.kind), []).append(ref)
    return [sorted(groups[key]) for key in sorted(groups, reverse=True)]
