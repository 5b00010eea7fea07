"""Environment files to edit, and the settings of a stack that has one: read as the engine would hand it over."""

import contextvars
import textwrap
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import Settings as Runtime
from pulumi.runtime import configure, set_all_config

from springtide import clouds, settings
from springtide.component import ArgumentsError
from springtide.offline.config import read_environment, texts
from springtide.settings import Settings
from springtide.spec import Finding

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / "tests" / "environments"
PROJECT = "springtide"

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pulumi_aws warns of its own old names when it is imported
    clouds.load("aws")

BASE = """\
config:
  cloud: aws
  account: "123456789012"
  region: us-east-1
  zones: 2
  network: {cidr: 10.0.0.0/16, nat: one}
  cluster:
    version: "1.35"
    access: [203.0.113.0/24]
  storage:
    artifacts: {kind: bucket, expire_days: 30}
  pools:
    train:
      gpu: A10G
      capacity: [spot]
      min_nodes: 0
      max_nodes: 2
      purpose: training
    serve: {gpu: L4, capacity: [spot], max_nodes: 2, purpose: serving}
  jobs:
    gpt:
      recipe: gpt_small
      pool: train
      nodes: 2
      checkpoints: artifacts
      run: first
  services:
    chat:
      model: {job: gpt}
      pool: serve
      replicas: {min: 1, max: 2}
  policies: {budget_usd_per_hour: 50}
"""


def edited(*changes: tuple[str, str], text: str = BASE) -> str:
    """`text` with each change made at the one place that it fits."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    return text


def line_of(text: str, part: str) -> int:
    """Line of the first occurrence of `part`, counted from 1."""
    return text[: text.index(part)].count("\n") + 1


def project(folder: Path, text: str, name: str = "dev") -> Path:
    """A project in `folder` with one environment, whose program is this repository's."""
    (folder / "stacks").mkdir(exist_ok=True)
    (folder / "stacks" / f"Pulumi.{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "Pulumi.yaml").write_text(
        textwrap.dedent(f"""\
            name: {PROJECT}
            main: {ROOT / "stacks"}
            stackConfigDir: stacks
            runtime: python
            """),
        encoding="utf-8",
    )
    return folder


def load(folder: Path, text: str, name: str = "dev") -> Settings:
    """What `settings.load()` says in a stack of that name.

    Raises:
        ArgumentsError: the file has mistakes.
    """
    root = project(folder, text, name)
    return in_stack(root, read_environment(root / "stacks" / f"Pulumi.{name}.yaml"), name)


def in_stack(root: Path, config: Mapping[str, Any], name: str = "dev") -> Settings:
    """What `settings.load()` says in a stack with that configuration."""
    given = texts(config, PROJECT, lambda path: f"secret {path}")
    return contextvars.copy_context().run(_load, root, given, name)


def _load(root: Path, config: dict[str, str], name: str) -> Settings:
    monitor: Any = object()  # settings register nothing
    set_all_config(config)
    configure(Runtime(project=PROJECT, stack=name, monitor=monitor, root_directory=str(root)))
    return settings.load()


def refusal(folder: Path, text: str, name: str = "dev") -> ArgumentsError:
    """The one error that a file with mistakes ends in."""
    with pytest.raises(ArgumentsError) as refused:
        load(folder, text, name)
    return refused.value


def mistakes(folder: Path, text: str, name: str = "dev") -> tuple[Finding, ...]:
    """Everything that is wrong with a file."""
    return refusal(folder, text, name).findings
