"""The catalog as people see it."""

import pytest
from rich.console import Console

from springtide import catalog
from springtide.catalog import UnknownNameError, lookup
from springtide.catalog.show import overview


def shown(**asked: str) -> list[str]:
    console = Console(width=240)
    with console.capture() as text:
        console.print(overview("aws", **asked))
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
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(asked: dict[str, str], message: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        overview("aws", **asked)
    assert str(error.value).startswith(message)
