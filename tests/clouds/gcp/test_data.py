"""What GCP resources say that hold data, and who may read it."""

from typing import Any

import pytest
from tests.recordings import Recorded, of_file

from springtide.clouds.gcp.identity import condition
from springtide.identity import Grant

PROJECT = "ml-platform-dev"
NETWORK = f"projects/{PROJECT}/global/networks/springtide-gcp"


@pytest.fixture(scope="module")
def full() -> Recorded:
    return of_file("gcp")


def test_a_bucket_is_private_versioned_and_tidied(full: Recorded) -> None:
    bucket = full.one("Bucket", "artifacts").inputs
    assert bucket["name"] == f"springtide-gcp-artifacts-{PROJECT}"
    assert (bucket["publicAccessPrevention"], bucket["uniformBucketLevelAccess"]) == ("enforced", True)
    assert (bucket["versioning"], bucket["forceDestroy"]) == ({"enabled": True}, False)
    assert bucket["softDeletePolicy"] == {"retentionDurationSeconds": 0}
    assert bucket["location"] == "US-CENTRAL1"


def test_superseded_versions_go_when_the_file_says_so_and_abandoned_uploads_always(full: Recorded) -> None:
    abandoned = {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}
    superseded = {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 14, "withState": "ARCHIVED"}}
    assert full.one("Bucket", "artifacts").inputs["lifecycleRules"] == [abandoned, superseded]
    assert full.one("Bucket", "archive").inputs["lifecycleRules"] == [abandoned]


def test_what_holds_data_is_protected_as_the_file_says(full: Recorded) -> None:
    kept = {item.name: item.options["protect"] for item in [*full.all("Bucket"), *full.all("Instance")]}
    assert kept == {"artifacts": False, "archive": True, "home": True, "corpus": False}


def volume(plan: Recorded, name: str) -> dict[str, Any]:
    return dict(plan.one("PersistentVolume", name).inputs["spec"]["csi"])


def test_a_shared_file_system_lives_in_the_region_and_gkes_driver_finds_it(full: Recorded) -> None:
    instance = full.one("Instance", "home").inputs
    assert (instance["tier"], instance["location"]) == ("REGIONAL", "us-central1")
    assert instance["fileShares"] == {"name": "shared", "capacityGb": 2048}
    assert instance["networks"][0]["network"] == NETWORK
    found = volume(full, "home")
    assert (found["driver"], found["volumeHandle"]) == (
        "filestore.csi.storage.gke.io",
        "modeInstance/us-central1/springtide-gcp-home/shared",
    )
    assert found["volumeAttributes"]["volume"] == "shared"
    assert "/ipAddresses/0" in found["volumeAttributes"]["ip"]


def test_lustre_lives_in_one_zone_and_gkes_driver_finds_it(full: Recorded) -> None:
    instance = full.one("Instance", "corpus").inputs
    assert instance == {
        "capacityGib": "36000",
        "filesystem": "lustre",
        "instanceId": "springtide-gcp-corpus",
        "location": "us-central1-a",
        "network": NETWORK,
        "perUnitStorageThroughput": "250",
    }
    found = volume(full, "corpus")
    assert (found["driver"], found["volumeHandle"]) == (
        "lustre.csi.storage.gke.io",
        f"{PROJECT}/us-central1-a/springtide-gcp-corpus",
    )
    assert found["volumeAttributes"]["filesystem"] == "lustre"
    assert "#/mountPoint" in found["volumeAttributes"]["ip"]


def test_lustre_comes_after_the_peering_that_it_is_reached_through(full: Recorded) -> None:
    assert full.needs(full.one("Instance", "corpus"), full.one("Connection", "network-peering"))
    assert full.needs(full.one("Instance", "corpus"), full.one("Firewall", "network-lustre"))


def test_an_identity_is_for_pods_of_one_account_in_one_namespace(full: Recorded) -> None:
    [right] = [item for item in full.all("IAMMember") if item.name == "chat"]
    assert right.inputs["role"] == "roles/iam.workloadIdentityUser"
    assert right.inputs["member"] == f"serviceAccount:{PROJECT}.svc.id.goog[springtide/chat]"
    email = right.inputs["serviceAccountId"].rpartition("/")[2]
    account = full.one("ServiceAccount", "chat").inputs["metadata"]
    assert account["annotations"] == {"iam.gke.io/gcp-service-account": email}
    assert email == f"{full.one('Account', 'chat').inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"


def test_no_key_of_an_account_is_ever_made(full: Recorded) -> None:
    assert [item.type for item in full.resources if "serviceaccount/key" in item.type] == []


def test_no_right_of_a_workload_is_wider_than_its_run(full: Recorded) -> None:
    rights = {item.name: item.inputs for item in full.all("BucketIAMMember")}
    bucket = f"springtide-gcp-artifacts-{PROJECT}"
    assert {right["bucket"] for right in rights.values()} == {bucket}
    objects = f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/jobs/gpt/2026-11-22a/")'
    listed = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("jobs/gpt/2026-11-22a/")'
    assert {right["condition"]["expression"] for right in rights.values()} == {f"{objects} || {listed}"}
    assert {name: right["role"].rpartition(".")[2] for name, right in rights.items()} == {
        "gpt-2026-11-22a-0": "objectUser",
        "chat-0": "objectViewer",
    }


def test_a_prefix_ends_where_it_ends_and_cannot_end_the_condition() -> None:
    found = condition(Grant(resource="b", prefix='x") || true || ("', write=False), "b")
    assert found.count('\\"') == 4
    assert found.count('.startsWith("') == 2


def test_pods_run_when_their_rights_are_given(full: Recorded) -> None:
    [right] = [item for item in full.all("BucketIAMMember") if item.name == "chat-0"]
    assert full.needs(full.one("Deployment", "chat"), right)
