"""Where a finding's value stands in its file."""

from dataclasses import replace

import pytest

from springtide.lines import lines, located
from springtide.spec import Finding, refuse, warn

TEXT = """\
# a comment

config:
  # another
  aws:region: eu-west-1
  cloud: aws
  springtide:pools:
    train:

      gpu: L4
      capacity:
        - spot
        - on-demand
    "odd name": {gpu: T4,
      max_nodes: 1}
  notes: |
    max_nodes: 3
"""


def finding(path: str) -> Finding:
    return refuse("a/b", path, None, "wrong.", "mend it")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 3),
        ("/cloud", 6),
        ("/pools", 7),
        ("/pools/train", 8),
        ("/pools/train/gpu", 10),
        ("/pools/train/capacity", 11),
        ("/pools/train/capacity/1", 13),
        ("/pools/odd name/max_nodes", 15),
        ("/pools/train/max_nodes", 8),
        ("/pools/train/capacity/7", 11),
        ("/nothing/at/all", 3),
        ("/notes/max_nodes", 16),
    ],
)
def test_a_finding_stands_on_the_line_of_its_key_or_of_the_nearest_thing_above(path: str, line: int) -> None:
    assert [item.where for item in located([finding(path)], TEXT, "f.yaml", "springtide")] == [f"f.yaml:{line}"]


def test_only_the_projects_own_prefix_is_none() -> None:
    assert "/aws:region" in lines(TEXT, "springtide")
    assert "/springtide:pools" in lines(TEXT, "other")


@pytest.mark.parametrize(
    "text", ["", "config:", "config: {}", "other: 1", "[1, 2]", "config: [", "\tx", "config: &a [*a]"]
)
def test_a_text_without_values_has_one_line_for_everything(text: str) -> None:
    assert located([finding("/pools/train")], text, "f", "p")[0].where == "f:1"


def test_an_alias_has_the_line_of_its_key() -> None:
    text = "config:\n  a: &a\n    x: 1\n  b: *a\n"
    assert [item.where for item in located([finding("/a/x"), finding("/b/x")], text, "f", "p")] == ["f:3", "f:4"]


def test_a_flow_mapping_on_the_first_line_is_on_the_first_line() -> None:
    assert lines("config: {cloud: aws}", "p") == {"": 1, "/cloud": 1}


def test_a_finding_about_a_resource_or_with_a_place_keeps_what_it_has() -> None:
    of_resource = replace(finding("/x"), urn="urn:pulumi:x")
    placed = replace(finding("/x"), where="else.yaml:9")
    assert located([of_resource, placed], TEXT, "f", "p") == [of_resource, placed]


def test_order_is_kept() -> None:
    given = [finding("/pools"), warn("c/d", "/cloud", 1, "hm.", "do"), finding("/cloud")]
    assert [item.path for item in located(given, TEXT, "f", "p")] == ["/pools", "/cloud", "/cloud"]
