"""The catalog against the API model that botocore ships: a family it does not know is a decision, not an oversight."""

import re
from functools import cache

import pytest
from botocore.session import get_session

from springtide import catalog

ACCELERATED_FAMILY = re.compile(r"(g|gr|p|inf|trn|dl|vt|f)\d+")

GAPS = {
    "dl1": "Gaudi, not CUDA",
    "dl2q": "Qualcomm AI 100, not CUDA",
    "f1": "FPGA",
    "f2": "FPGA",
    "g2": "K520: too old for today's CUDA, no longer offered",
    "g3": "M60: too old for today's CUDA, no longer offered",
    "g3s": "M60: too old for today's CUDA, no longer offered",
    "g4ad": "AMD GPU, not CUDA",
    "p2": "K80: too old for today's CUDA, no longer offered",
    "p3": "V100 16 GB: no longer offered in moto's record; p3dn is in",
    "p6e-gb200": "in neither moto's record nor Karpenter's: take it from AWS before use",
    "trn2u": "Neuron; not in moto's record",
    "vt1": "video transcoding",
}
"""Families of the API model that the catalog leaves out, and why."""


@cache
def modelled() -> frozenset[str]:
    model = get_session().get_service_model("ec2")
    return frozenset(name for name in model.shape_for("InstanceType").enum if ACCELERATED_FAMILY.match(name))


def family(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def in_catalog() -> set[str]:
    return {item.name for item in catalog.machine_types("aws") if item.gpu}


def test_every_accelerated_machine_type_of_the_api_model_is_in_the_catalog_or_a_known_gap() -> None:
    missing = {name for name in modelled() - in_catalog() if family(name) not in GAPS}
    assert missing == set(), "run `springtide catalog refresh`, or give the family a reason in GAPS"


def test_the_catalog_has_no_machine_type_that_the_api_model_lacks() -> None:
    assert in_catalog() - modelled() == set()


@pytest.mark.parametrize("name", sorted(GAPS))
def test_a_known_gap_is_still_a_gap(name: str) -> None:
    assert name in {family(item) for item in modelled()}
    assert name not in {family(item) for item in in_catalog()}
