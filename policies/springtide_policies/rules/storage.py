"""Storage encrypted and private: weights, data and secrets lie in buckets, on disks and in the control plane."""

from collections.abc import Callable, Iterator
from functools import partial

from springtide_policies.facts import Facts
from springtide_policies.graph import Field, Graph, Node, UnknownInputError
from springtide_policies.rule import Level, Rule, Scope, Verdict, cannot_tell, failed, judge, passed

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
PUBLIC_ACCESS_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
)
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
CLUSTER = "aws:eks/cluster:Cluster"
SHARED_FILE_SYSTEM = "aws:efs/fileSystem:FileSystem"
GCP_BUCKET = "gcp:storage/bucket:Bucket"

_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_BY_DEFAULT = ("applyServerSideEncryptionByDefault", "sseAlgorithm")
_YES = (True, "true")


def _all_storage(graph: Graph, _facts: Facts) -> Iterator[Verdict]:
    for node in graph.nodes:
        if node.type in _CHECKS:
            yield from _CHECKS[node.type](graph, node)


def _bucket(graph: Graph, bucket: Node) -> Iterator[Verdict]:
    yield judge(partial(_private, graph), bucket)
    yield judge(partial(_encrypted, graph), bucket)


def _private(graph: Graph, bucket: Node) -> Verdict:
    blocks = _attached(graph, bucket, PUBLIC_ACCESS_BLOCK)
    if not blocks:
        return failed(bucket.at(), f"nothing blocks public access to bucket {bucket.name}.", fix=_BLOCK_IT)
    flags = [block.at(flag) for block in blocks for flag in _BLOCKS]
    gap = next((flag for flag in flags if flag.value not in _YES), None)
    if gap is None:
        return passed(bucket.at())
    message = f"public access to bucket {bucket.name} is blocked in part only."
    return failed(gap, message, allowed=(True,), fix=_BLOCK_IT, also=(bucket.name,))


def _encrypted(graph: Graph, bucket: Node) -> Verdict:
    inline = bucket.at("serverSideEncryptionConfiguration", "rule", *_BY_DEFAULT)
    stated = (
        rule.at(*_BY_DEFAULT)
        for configuration in _attached(graph, bucket, *ENCRYPTION)
        for rule in configuration.at("rules").members()
    )
    if any(place.value is not None for place in (inline, *stated)):
        return passed(bucket.at())
    message = f"bucket {bucket.name} does not say how its objects are encrypted."
    return failed(bucket.at(), message, fix="attach a BucketServerSideEncryptionConfiguration with an `sseAlgorithm`")


def _attached(graph: Graph, bucket: Node, *types: str) -> tuple[Node, ...]:
    """The resources of some types that configure this bucket, by what they are made of or by its name.

    Raises:
        UnknownInputError: there is none, and one may be it: the name of its bucket, or of this one, is unknown.
    """
    candidates = tuple(graph.of_type(*types))
    found = tuple(node for node in candidates if _belongs_to(node, bucket))
    by_name = [node.at("bucket") for node in candidates if "/bucket" not in node.uses]
    doubts = [place for place in (*by_name, bucket.at("bucket")) if place.unknown]
    if by_name and doubts and not found:
        raise UnknownInputError(doubts[0], doubts[0].unknown)
    return found


def _belongs_to(node: Node, bucket: Node) -> bool:
    name = bucket.at("bucket").shown
    return bucket.urn in node.uses.get("/bucket", ()) or (name is not None and node.at("bucket").shown == name)


def _disks(_graph: Graph, template: Node) -> Iterator[Verdict]:
    mappings = template.at("blockDeviceMappings").members()
    yield from (judge(_disk, mapping) for mapping in mappings)
    if not mappings:
        yield cannot_tell(
            template.at("blockDeviceMappings"),
            f"launch template {template.name} leaves the disks to the image and to the account's default",
            fix="write the disks out under `blockDeviceMappings`, with `ebs.encrypted`",
        )


def _disk(mapping: Field) -> Verdict:
    encrypted = mapping.at("ebs", "encrypted")
    if encrypted.value in _YES or not mapping.get("ebs").given:
        return passed(encrypted)
    message = f"launch template {mapping.node.name} does not encrypt disk {mapping.get('deviceName').shown}."
    return failed(encrypted, message, allowed=("true",), fix="set `ebs.encrypted` to true")


def _control_plane(_graph: Graph, cluster: Node) -> Iterator[Verdict]:
    yield judge(_secrets, cluster)


def _secrets(cluster: Node) -> Verdict:
    resources = (item.value for item in cluster.at("encryptionConfig", "resources").members())
    if cluster.at("encryptionConfig", "provider", "keyArn").given and "secrets" in resources:
        return passed(cluster.at("encryptionConfig"))
    message = f"cluster {cluster.name} does not encrypt its Secrets under a key of this account."
    fix = "set `encryptionConfig` with a KMS key and resources [secrets]"
    return failed(cluster.at("encryptionConfig"), message, fix=fix)


def _file_system(_graph: Graph, file_system: Node) -> Iterator[Verdict]:
    """EFS encrypts only what asks for it when it is made; FSx and Google encrypt all there is."""
    yield judge(_files, file_system)


def _files(file_system: Node) -> Verdict:
    encrypted = file_system.at("encrypted")
    if encrypted.value in _YES:
        return passed(encrypted)
    message = f"file system {file_system.name} is not encrypted, and cannot become so."
    return failed(encrypted, message, allowed=(True,), fix="set `encrypted` before it is made")


def _google_bucket(_graph: Graph, bucket: Node) -> Iterator[Verdict]:
    yield judge(_closed, bucket)


def _closed(bucket: Node) -> Verdict:
    prevention = bucket.at("publicAccessPrevention")
    if prevention.value == "enforced":
        return passed(prevention)
    message = f"bucket {bucket.name} may be opened to everybody."
    return failed(prevention, message, allowed=("enforced",), fix="set `publicAccessPrevention` to enforced")


_BLOCK_IT = f"attach a BucketPublicAccessBlock with {', '.join(_BLOCKS)} all true"
_CHECKS: dict[str, Callable[[Graph, Node], Iterator[Verdict]]] = {
    **dict.fromkeys(BUCKETS, _bucket),
    LAUNCH_TEMPLATE: _disks,
    CLUSTER: _control_plane,
    SHARED_FILE_SYSTEM: _file_system,
    GCP_BUCKET: _google_bucket,
}

STORAGE = Rule(
    name="storage-encrypted-private",
    title="storage is encrypted and private",
    why="Weights, training data and secrets lie there, and a bucket is one flag away from everybody.",
    about="buckets, file systems, launch templates or clusters",
    level=Level.HIGH,
    scope=Scope.STACK,
    blocks=True,  # the flags are plain values; one that nobody can tell has no reason to be unknown
    fix="encrypt it and block public access",
    source="CIS EKS 5.3.1; Checkov and Trivy S3 checks",
    check=_all_storage,
)
