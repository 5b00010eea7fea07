"""The command that makes the data files, run on moto's recorded answers of EC2."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from springtide.catalog import lookup, prices, refresh, table
from springtide.catalog.aws import account
from springtide.catalog.aws import refresh as aws
from springtide.catalog.lookup import UnknownNameError
from springtide.catalog.table import RefreshError, Table

MADE = (lookup.MACHINE_TYPES, lookup.OFFERINGS, lookup.ZONES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped data files."""
    (tmp_path / "aws").mkdir()
    for path in (lookup.FOLDER / "aws").glob("*.json"):
        shutil.copy(path, tmp_path / "aws")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "aws").glob("*.json")}


@pytest.fixture(scope="module")
def from_nothing() -> Mapping[str, Table]:
    return aws.tables(live=False, old={})


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch, from_nothing: Mapping[str, Table]) -> None:
    """The recorded answers without asking for them again."""
    monkeypatch.setattr(aws, "tables", lambda *, live, old: dict(from_nothing))  # noqa: ARG005  the real signature


@pytest.mark.parametrize("name", MADE)
def test_the_shipped_files_are_what_the_command_makes(name: str, from_nothing: Mapping[str, Table]) -> None:
    shipped, made = table.read(lookup.FOLDER / "aws" / name), table.loads(table.dumps(from_nothing[name]))
    assert (shipped.columns, shipped.rows, shipped.header.about) == (made.columns, made.rows, made.header.about)


def test_the_recorded_data_carries_motos_version_instead_of_a_date(from_nothing: Mapping[str, Table]) -> None:
    header = from_nothing[lookup.MACHINE_TYPES].header
    assert header.date is None
    assert "undated, in moto 5." in header.source


def test_a_refresh_that_finds_nothing_new_leaves_the_same_bytes(folder: Path) -> None:
    before = contents(folder)
    assert refresh.refresh("aws", folder=folder) == ()
    assert contents(folder) == before


@pytest.mark.usefixtures("instant")
def test_a_refresh_repairs_a_changed_row_and_touches_no_other_file(folder: Path) -> None:
    path = folder / "aws" / lookup.MACHINE_TYPES
    before = contents(folder)
    path.write_text(path.read_text(encoding="utf-8").replace('"L4", 1,', '"L4", 2,'), encoding="utf-8")
    assert refresh.refresh("aws", folder=folder) == (path,)
    assert contents(folder) == before


class Ec2:
    """An account that has enabled one region with one machine type; answers are EC2's in form."""

    class meta:  # noqa: N801  boto3's name
        class service_model:  # noqa: N801  boto3's name
            @staticmethod
            def shape_for(_: str) -> Any:
                return type("Shape", (), {"enum": ["g6.xlarge", "t3.nano"]})

    def describe_regions(self) -> Any:
        return {"Regions": [{"RegionName": "us-east-1"}]}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, *, LocationType: str, Filters: list[dict[str, Any]]) -> Any:  # noqa: N803  boto3's names
        assert (LocationType, Filters[0]["Values"]) == ("availability-zone-id", ["g6.xlarge"])
        yield {"InstanceTypeOfferings": [{"InstanceType": "g6.xlarge", "Location": "use1-az1"}]}

    def describe_instance_types(self, *, InstanceTypes: list[str]) -> Any:  # noqa: N803  boto3's name
        assert InstanceTypes == ["g6.xlarge"]
        return {"InstanceTypes": [ANSWER]}


ANSWER: dict[str, Any] = {
    "InstanceType": "g6.xlarge",
    "VCpuInfo": {"DefaultVCpus": 4},
    "MemoryInfo": {"SizeInMiB": 16384},
    "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
    "SupportedUsageClasses": ["spot", "on-demand"],
    "GpuInfo": {"Gpus": [{"Name": "L4", "Manufacturer": "NVIDIA", "Count": 1, "MemoryInfo": {"SizeInMiB": 22888}}]},
    "NetworkInfo": {
        "NetworkCards": [
            {"NetworkCardIndex": 1, "MaximumNetworkInterfaces": 2, "InterfaceTypes": ["efa-only"]},
            {"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 4, "InterfaceTypes": ["interface"]},
        ]
    },
}


@pytest.fixture
def small_account(monkeypatch: pytest.MonkeyPatch) -> None:
    boto3 = pytest.importorskip("boto3")
    session = type("Session", (), {"client": lambda *_, **__: Ec2()})
    monkeypatch.setattr(boto3, "Session", session)
    monkeypatch.setattr(account, "tables", lambda _: {})


@pytest.mark.usefixtures("small_account")
def test_regions_that_the_account_has_not_enabled_keep_their_rows(folder: Path) -> None:
    refresh.refresh("aws", live=True, folder=folder)
    offerings = table.read(folder / "aws" / lookup.OFFERINGS)
    shipped = table.read(lookup.FOLDER / "aws" / lookup.OFFERINGS)
    elsewhere = [row for row in shipped.rows if row[1] != "us-east-1"]
    assert [row for row in offerings.rows if row[1] != "us-east-1"] == elsewhere
    assert [row for row in offerings.rows if row[1] == "us-east-1"] == [("g6.xlarge", "us-east-1", ["use1-az1"])]


@pytest.mark.usefixtures("small_account")
def test_a_live_refresh_dates_what_it_changes(folder: Path) -> None:
    changed = refresh.refresh("aws", live=True, folder=folder)
    headers = [table.read(path).header for path in changed]
    assert {path.name for path in changed} == set(MADE)
    assert all(header.date is not None and "moto" not in header.source for header in headers)


@pytest.mark.usefixtures("small_account")
def test_an_answer_becomes_a_row_with_cards_in_order(folder: Path) -> None:
    refresh.refresh("aws", live=True, folder=folder)
    rows = {row["name"]: row for row in table.read(folder / "aws" / lookup.MACHINE_TYPES).records()}
    assert rows["g6.xlarge"]["network_cards"] == [[1, 4, ["interface"]], [1, 2, ["efa-only"]]]
    assert rows["g6.xlarge"]["usage_classes"] == ["on-demand", "spot"]
    assert rows["g6.xlarge"]["local_disk_gb"] == 0


@pytest.mark.parametrize("missing", ["boto3", "moto"])
def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(RefreshError, match=rf"{missing} is not installed: pip install 'springtide\[dev\]'"):
        aws.tables(live=False, old={})


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.mark.usefixtures("no_credentials")
def test_missing_credentials_are_said_and_not_raised(capsys: pytest.CaptureFixture[str]) -> None:
    assert refresh.main(["--live"]) == 1
    assert capsys.readouterr().err == "no AWS credentials found: log in or set AWS_PROFILE, then run it again\n"


@pytest.mark.usefixtures("no_credentials")
def test_another_failure_of_the_cloud_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(RefreshError, match="cannot read AWS's answers: The config profile"):
        aws.tables(live=True, old={})


def test_an_unknown_cloud_is_said_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownNameError):
        refresh.refresh("nimbus")
    assert refresh.main(["nimbus"]) == 2
    assert capsys.readouterr().err == "unknown cloud 'nimbus': the catalog knows aws, gcp\n"


@pytest.mark.usefixtures("instant")
def test_the_command_says_what_it_changed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(table, "write", lambda path, _: path.name == lookup.ZONES)
    assert refresh.main([]) == 0
    assert capsys.readouterr().out == "changed zones.json\n"


@pytest.mark.usefixtures("instant")
def test_the_command_says_when_nothing_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert refresh.main([]) == 0
    assert capsys.readouterr().out == "nothing changed\n"


CSV = """cloud,region,instance_type,od_usd_h,spot_usd_h,snapshot
aws,us-east-1,g6.xlarge,0.9,0.3,2036-10-01
aws,us-west-2,g6.xlarge,0.95,,2036-10-01
aws,us-east-1,x9.huge,1.0,,2036-10-01
gcp,us-central1,g2-standard-4,0.7,,2036-10-01
"""


@pytest.fixture
def price_list(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.mark.usefixtures("instant")
def test_a_price_list_updates_known_machines_and_keeps_the_rest(folder: Path, price_list: Path) -> None:
    changed = refresh.refresh("aws", price_list=price_list, folder=folder)
    assert [path.name for path in changed] == [lookup.PRICES]
    found = {tuple(row[:3]): row[3:] for row in table.read(changed[0]).rows}
    assert found["g6.xlarge", "us-east-1", "on-demand"] == (0.9, "2036-10-01", "prices.csv")
    assert found["g6.xlarge", "us-east-1", "spot"] == (0.3, "2036-10-01", "prices.csv")
    shipped = {tuple(row[:3]): row[3:] for row in table.read(lookup.FOLDER / "aws" / lookup.PRICES).rows}
    assert {key: row for key, row in found.items() if key[0] != "g6.xlarge"} == {
        key: row for key, row in shipped.items() if key[0] != "g6.xlarge"
    }
    assert ("g6.xlarge", "us-west-2", "spot") not in found
    assert not [key for key in found if key[0] in {"x9.huge", "g2-standard-4"}]


@pytest.mark.usefixtures("instant")
def test_a_price_table_is_dated_by_its_newest_row_and_cites_every_source(folder: Path, price_list: Path) -> None:
    (path,) = refresh.refresh("aws", price_list=price_list, folder=folder)
    header = table.read(path).header
    assert header.date == "2036-10-01"
    assert set(header.sources) == {"prices.csv", *lookup.header("aws", lookup.PRICES).sources}


def test_a_price_list_may_name_its_source(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("cloud,region,instance_type,od_usd_h,spot_usd_h,snapshot,source\naws,r,m,1,,2026-01-01,a page\n")
    assert prices.read(path, "aws")[0]["source"] == "a page"


def test_karpenters_generated_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "generated.go"
    path.write_text(
        "// generated at 2026-07-20T13:44:30Z for us-east-1\nvar prices = map[string]map[T]float64{\n"
        '\t"us-east-1": {\n\t\t// g6 family\n\t\t"g6.xlarge": 0.804800, "u-6tb1.metal": 54.600000,\n\t},\n'
        '\t"eu-west-1": {\n\t\t"g6.xlarge": 0.900000,\n\t},\n}\n',
        encoding="utf-8",
    )
    found = [(row["machine_type"], row["region"], row["usd_per_hour"]) for row in prices.read(path, "aws")]
    assert found == [
        ("g6.xlarge", "us-east-1", 0.8048), ("u-6tb1.metal", "us-east-1", 54.6), ("g6.xlarge", "eu-west-1", 0.9)
    ]  # fmt: skip
    assert {row["date"] for row in prices.read(path, "aws")} == {"2026-07-20"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("prices.txt", "", "a price list ends in .csv or .go"),
        ("prices.csv", "a,b\n1,2\n", "not a price list: 'od_usd_h'"),
        ("prices.csv", CSV.replace("0.9,", "cheap,"), "not a price list: could not convert string to float: 'cheap'"),
        ("prices.csv", CSV.replace("aws", "azure"), "holds no price of aws"),
        ("prices.go", "package pricing", "the line `generated at` is missing"),
        ("prices.csv", None, "cannot be read: No such file or directory"),
    ],
)
def test_a_price_list_that_cannot_be_used_is_refused(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RefreshError, match=message):
        prices.read(path, "aws")
