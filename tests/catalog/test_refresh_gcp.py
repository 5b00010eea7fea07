"""The command that remakes the GCP tables, with Compute Engine's answers in its form."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from springtide.catalog import lookup, refresh, table
from springtide.catalog.gcp import refresh as gcp
from springtide.catalog.table import RefreshError


def answer(name: str, cpus: int, memory: int, *accelerator: str | int, disks: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "guestCpus": cpus, "memoryMb": memory, "architecture": "X86_64"}
    if accelerator:
        kind, count = accelerator
        found["accelerators"] = [{"guestAcceleratorType": kind, "guestAcceleratorCount": count}]
    if disks:
        found["bundledLocalSsds"] = {"partitionCount": disks}
    return found


L4 = answer("g2-standard-4", 4, 16384, "nvidia-l4", 1)
MACHINES: list[dict[str, list[dict[str, Any]]]] = [
    {
        "zones/us-central1-a": [L4, answer("n1-standard-8", 8, 30720), answer("c2-standard-8", 8, 32768)],
        "zones/us-central1-b": [L4, answer("a3-ultragpu-8g", 224, 3022848, "nvidia-h200-141gb", 8, disks=32)],
    },
    {
        "zones/us-east9-a": [
            answer("g2-standard-64", 64, 262144, "nvidia-l4", 4),
            answer("g9-standard-8", 8, 32768, "nvidia-x9", 1),
            answer("a9-highgpu-8g", 208, 1916928, "nvidia-b200", 8),
            answer("a9-standard-8", 8, 32768),
            answer("a3-ultragpu-8g-nolssd", 224, 3022848, "nvidia-h200-141gb", 8),
            answer("n1-standard-8", 8, 30720),
        ],
        "zones/us-east9-b": [],
    },
]
ACCELERATORS = [{"zones/us-central1-a": [{"name": "nvidia-tesla-t4"}], "zones/us-east9-a": [{"name": "nvidia-l4"}]}]


class Collection:
    """An aggregated list in pages."""

    def __init__(self, key: str, pages: list[dict[str, list[dict[str, Any]]]]) -> None:
        self.key, self.pages = key, pages

    def aggregatedList(self, *, project: str) -> Any:  # noqa: N802  the client's name
        assert project == "a-project"
        return Page(self, 0)

    def aggregatedList_next(self, previous_request: Any, previous_response: Any) -> Any:  # noqa: N802  the client's name
        assert previous_response["items"]
        following = previous_request.number + 1
        return Page(self, following) if following < len(self.pages) else None


class Page:
    def __init__(self, of: Collection, number: int) -> None:
        self.of, self.number = of, number

    def execute(self) -> Any:
        # A zone without any carries a warning in the place of the list.
        return {
            "items": {zone: {self.of.key: found} if found else {} for zone, found in self.of.pages[self.number].items()}
        }


class Compute:
    def machineTypes(self) -> Collection:  # noqa: N802  the client's name
        return Collection("machineTypes", MACHINES)

    def acceleratorTypes(self) -> Collection:  # noqa: N802  the client's name
        return Collection("acceleratorTypes", ACCELERATORS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(lookup.FOLDER / "gcp", tmp_path / "gcp", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What a live refresh leaves in the files."""
    monkeypatch.setattr(gcp, "_client", lambda: (Compute(), "a-project"))
    refresh.refresh("gcp", live=True, folder=folder)
    return {path.name: table.read(path).records() for path in (folder / "gcp").glob("*.json")}


def machines(rows: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows[lookup.MACHINE_TYPES]}


def zones(rows: dict[str, list[dict[str, Any]]], name: str) -> dict[str, list[str]]:
    return {row["region"]: row["zones"] for row in rows[lookup.OFFERINGS] if row["machine_type"] == name}


def test_zones_are_those_that_the_answer_names(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert zones(rows, "g2-standard-4") == {"us-central1": ["us-central1-a", "us-central1-b"]}
    assert [row["zone"] for row in rows[lookup.ZONES]] == ["us-central1-a", "us-central1-b", "us-east9-a"]


def test_an_attached_accelerator_needs_the_machine_and_the_accelerator_in_the_zone(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    assert zones(rows, "n1-standard-8+t4x1") == {"us-central1": ["us-central1-a"]}
    assert zones(rows, "n1-standard-8+v100x1") == {}


def test_what_the_api_does_not_say_stays(rows: dict[str, list[dict[str, Any]]]) -> None:
    (shipped,) = (row for row in lookup.records("gcp", lookup.MACHINE_TYPES) if row["name"] == "a3-ultragpu-8g")
    assert machines(rows)["a3-ultragpu-8g"] == shipped


def test_a_machine_type_that_no_zone_answers_keeps_its_rows(rows: dict[str, list[dict[str, Any]]]) -> None:
    shipped = [row for row in lookup.records("gcp", lookup.OFFERINGS) if row["machine_type"] == "a4-highgpu-8g"]
    assert [row for row in rows[lookup.OFFERINGS] if row["machine_type"] == "a4-highgpu-8g"] == shipped


def test_a_new_machine_with_a_known_accelerator_takes_what_is_known_of_it(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    new = machines(rows)["g2-standard-64"]
    assert (new["gpu"], new["gpus"], new["gpu_memory_mib"], new["vcpus"], new["unusable"]) == ("L4", 4, 24576, 64, "")
    assert zones(rows, "g2-standard-64") == {"us-east9": ["us-east9-a"]}


@pytest.mark.parametrize("name", ["g9-standard-8", "a9-highgpu-8g"])
def test_a_new_machine_that_needs_more_than_the_api_says_waits_for_somebody_to_look(
    rows: dict[str, list[dict[str, Any]]], name: str
) -> None:
    assert machines(rows)[name]["unusable"] == gcp.NEW


def test_machines_without_accelerators_and_variants_of_others_are_left_out(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    assert not {"c2-standard-8", "a9-standard-8", "a3-ultragpu-8g-nolssd"} & set(machines(rows))


def test_a_live_refresh_is_dated_and_says_what_it_did_not_ask(folder: Path, rows: dict[str, Any]) -> None:
    assert rows
    header = table.read(folder / "gcp" / lookup.MACHINE_TYPES).header
    assert header.date is not None
    assert header.source.startswith("Compute Engine machineTypes and acceleratorTypes. What they do not say: ")


def test_a_network_that_is_not_there_is_said_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(_: Page) -> Any:
        raise TimeoutError("no route to host")

    monkeypatch.setattr(gcp, "_client", lambda: (Compute(), "a-project"))
    monkeypatch.setattr(gcp, "_failures", lambda: (OSError,))
    monkeypatch.setattr(Page, "execute", execute)
    with pytest.raises(RefreshError, match="cannot read Google's answers: no route to host"):
        gcp.tables(live=True, old={})


@pytest.mark.filterwarnings("ignore::FutureWarning")  # google-auth dislikes old Pythons
def test_what_the_client_may_raise_is_known() -> None:
    pytest.importorskip("googleapiclient.errors")
    assert all(issubclass(kind, Exception) for kind in gcp._failures())


def test_there_is_nothing_to_refresh_from_without_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    assert refresh.main(["gcp"]) == 1
    assert capsys.readouterr().err == "gcp: no recorded answers to refresh from; give --live or --prices FILE\n"


def test_a_price_list_alone_is_enough(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "cloud,region,instance_type,od_usd_h,spot_usd_h,snapshot\ngcp,us-central1,a3-megagpu-8g,90,30,2036-10-01\n",
        encoding="utf-8",
    )
    (changed,) = refresh.refresh("gcp", price_list=path, folder=folder)
    found = {(row["machine_type"], row["capacity"]): row["usd_per_hour"] for row in table.read(changed).records()}
    assert (found["a3-megagpu-8g", "on-demand"], found["a3-megagpu-8g", "spot"]) == (90.0, 30.0)
    assert found["g2-standard-4", "on-demand"] == 0.70683


@pytest.mark.parametrize("missing", ["google.auth", "googleapiclient.discovery"])
def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    stand_in = type(sys)("stand-in")
    for name in ("google.auth", "googleapiclient.discovery"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else stand_in)
    with pytest.raises(RefreshError, match=rf"{missing} is not installed; it comes with springtide"):
        gcp.tables(live=True, old={})


def test_missing_credentials_are_said_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentialsError(Exception):
        pass

    def default(**_: Any) -> Any:
        raise NoCredentialsError

    auth, errors = type(sys)("google.auth"), type(sys)("google.auth.exceptions")
    monkeypatch.setattr(auth, "default", default, raising=False)
    monkeypatch.setattr(errors, "DefaultCredentialsError", NoCredentialsError, raising=False)
    for name, module in {
        "google.auth": auth,
        "google.auth.exceptions": errors,
        "googleapiclient.discovery": auth,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(RefreshError, match="no Google credentials found: run `gcloud auth application-default login`"):
        gcp.tables(live=True, old={})
