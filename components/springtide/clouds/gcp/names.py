"""Names that Google takes: shorter than ours may be, and the same at every run."""

from hashlib import sha256

LONGEST_CLUSTER_NAME = 40
"""Of a cluster or a node pool (GKE API: Cluster.name)."""
LONGEST_RESOURCE_NAME = 63
"""Of most other things (RFC 1035)."""
LONGEST_ACCOUNT_ID = 30
"""Of a service account (IAM API: CreateServiceAccountRequest.accountId)."""
_MARK = 6


def fitted(name: str, longest: int) -> str:
    """`name`, or where it is too long its beginning and a mark made from all of it."""
    if len(name) <= longest:
        return name
    return f"{name[: longest - _MARK - 1].rstrip('-')}-{_mark(name)}"


def label(environment: str) -> str:
    """How network and cluster of an environment are called, before it has to fit anything."""
    return f"springtide-{environment}"


def workload_account_id(environment: str, workload: str) -> str:
    """Id of the service account behind a workload's ServiceAccount.

    It always carries a mark: workload c of environment a-b and workload b-c of environment a would meet otherwise.
    """
    readable = f"st-{environment}-{workload}"[: LONGEST_ACCOUNT_ID - _MARK - 1].rstrip("-")
    return f"{readable}-{_mark(f'{environment}/{workload}')}"


def account_email(account_id: str, project: str) -> str:
    """Address of a service account, known before it exists."""
    return f"{account_id}@{project}.iam.gserviceaccount.com"


def _mark(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_MARK]
