"""The catalog as people see it."""

import pytest
from rich.console import Console

from springtide import catalog
from springtide.catalog import UnknownNameError, lookup
from springtide.catalog.show import overview, overviews

WIDTH = 150
"""Of the command's table where it goes to no terminal."""


def shown(cloud: str = "aws", width: int = 240, **asked: str) -> list[str]:
    console = Console(width=width)
    with console.capture() as text:
        console.print(overview(cloud, **asked))
    return text.get().splitlines()


def machines(lines: list[str]) -> list[str]:
    cells = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    return [cell for cell in cells if cell]


def test_a_region_shows_its_machines_cheapest_first_with_prices_and_zones() -> None:
    lines = shown(gpu="L4", region="us-east-1")
    assert machines(lines)[:2] == ["g6.xlarge", "g6.2xlarge"]
    assert "use1-az1 use1-az2" in next(line for line in lines if "g6.xlarge" in line)
    price = catalog.price("aws", "us-east-1", "g6.xlarge", "on-demand")
    assert price is not None
    assert f"{price.usd_per_hour:.4f}" in next(line for line in lines if "g6.xlarge" in line)


def test_what_has_no_price_is_unknown_and_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "price", lambda *_: None)
    (line,) = [line for line in shown(gpu="H200", region="us-east-2") if "p5en" in line]
    assert line.count("unknown") == 2


def test_unusable_machines_come_last_with_the_reason() -> None:
    lines = shown(gpu="L4")
    names = machines(lines)
    assert names[-5:] == ["g6f.large", "g6f.xlarge", "g6f.2xlarge", "g6f.4xlarge", "gr6f.4xlarge"]
    assert "fraction" in next(line for line in lines if "g6f.large" in line)


def test_everything_is_shown_without_a_question() -> None:
    assert sorted(machines(shown())) == sorted(item.name for item in catalog.machine_types("aws") if item.gpu)


def test_the_table_says_where_its_data_comes_from() -> None:
    text = "\n".join(shown(gpu="L4"))
    assert "moto 5." in text
    assert f"list prices of {lookup.header('aws', lookup.PRICES).date}" in text


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpu": "L40"}, "aws has no accelerator 'L40': did you mean L40S or L4?"),
        ({"gpu": "toaster"}, "aws has no accelerator 'toaster': it has A100, "),
        ({"region": "mars-1"}, "aws has no region 'mars-1': it has af-south-1, "),
        ({"region": "us-east1"}, "aws has no region 'us-east1': did you mean us-east-1?"),
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(asked: dict[str, str], message: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        overview("aws", **asked)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("cloud", catalog.clouds())
def test_no_name_no_price_and_no_count_is_cut_at_the_commands_width(cloud: str) -> None:
    region = {"aws": "us-east-1", "gcp": "us-central1"}[cloud]
    lines = shown(cloud, WIDTH, region=region)
    assert max(map(len, lines)) <= WIDTH
    assert "…" not in "\n".join(lines)
    offered = [item.name for item in catalog.machine_types(cloud) if item.gpu and catalog.offered(item, region)]
    assert sorted(machines(lines)) == sorted(offered)


def test_zones_that_are_called_after_their_region_are_shown_by_their_letter() -> None:
    (line,) = [line for line in shown("gcp", gpu="A100", region="us-central1") if "a2-highgpu-1g" in line]
    assert line.split("│")[-2].strip() == "a b c f"


def test_a_fabric_is_shown_by_the_name_its_cloud_has_for_it() -> None:
    (p5,) = [line for line in shown(gpu="H100") if "p5.48xlarge" in line]
    (mega,) = [line for line in shown("gcp", gpu="H100") if "a3-megagpu-8g" in line]
    assert (p5.split("│")[7].strip(), mega.split("│")[7].strip()) == ("32 EFA", "TCPXO")


def test_without_a_cloud_every_one_that_has_what_is_asked_for_is_shown() -> None:
    assert [table.title for table in overviews(None, gpu="H100")] == ["aws", "gcp"]
    assert [table.title for table in overviews(None, region="us-central1")] == ["gcp us-central1"]
    assert [table.title for table in overviews("gcp", gpu="H100")] == ["gcp"]


def test_what_no_cloud_has_is_answered_by_all_of_them() -> None:
    with pytest.raises(UnknownNameError) as error:
        overviews(None, gpu="H1000")
    assert [line.split()[0] for line in str(error.value).splitlines()] == ["aws", "gcp"]


def test_an_unknown_cloud_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown cloud 'nimbus': the catalog knows aws, gcp"):
        overviews("nimbus")
