"""The arguments of `springtide simulate`; this module imports nothing heavy, so that help comes at once."""

import argparse
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

FORMS = ("text", "json", "html")


def add(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Add them to the command's parser, and what runs it."""
    parser.set_defaults(run=run)
    parser.description = "Replay a request trace on the autoscaler objects of an environment's plan."
    parser.epilog = "Exit status: 0; 2 when nothing could be simulated. docs/simulate.md has the formats and the model."
    parser.add_argument("environment", metavar="ENV", help="environment, or a file that holds its plan as JSON")
    parser.add_argument("--trace", type=Path, required=True, metavar="FILE", help="requests, as CSV")
    parser.add_argument("--against", metavar="ENV", help="environment to compare with")
    parser.add_argument("--service", metavar="NAME", help="default: the only one")
    parser.add_argument("--scale", type=_scale, default=Fraction(1), metavar="N", help="times the requests: 3, 1/8")
    parser.add_argument("--slots", type=_count, metavar="N", help="requests that a replica computes at a time")
    parser.add_argument("--prompt-rate", type=_positive, metavar="N", help="prompt tokens a second; default: 2000")
    parser.add_argument("--token-rate", type=_positive, metavar="N", help="tokens a second of an answer; default: 25")
    parser.add_argument("--boot", type=_seconds, metavar="S", help="of a machine; default: the catalog's")
    parser.add_argument("--image", type=_seconds, metavar="S", help="to pull the image; default: 138")
    parser.add_argument("--load", type=_seconds, metavar="S", help="to load the model; default: 42")
    parser.add_argument("--deadline", type=_seconds, metavar="S", help="of an answer; default: 60")
    parser.add_argument("--tail", type=_seconds, metavar="S", help="to go on after the last answer; default: 0")
    parser.add_argument("--format", choices=FORMS, default="text", dest="form", help="default: text")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there")


def _scale(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: use a number or a fraction above 0, such as 2.5 or 1/8")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count: use a whole number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: use seconds, 0 or more")
    return value


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: use a number above 0")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
