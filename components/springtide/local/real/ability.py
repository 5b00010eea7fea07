"""Whether pods can really run on this machine, and what stands in the way."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CNI_PLUGINS: Sequence[Path] = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
"""Where network plugins are: Debian's and Ubuntu's packages, and everybody else."""
_PLUGINS = ("ptp", "host-local")
INSTALL = "apt-get install containerd runc containernetworking-plugins"
"""How Debian and Ubuntu bring what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is asked of this machine; tests answer for another one."""

    platform: str = sys.platform
    user_id: int = os.geteuid()
    which: Callable[[str], str | None] = shutil.which
    plugin_folders: Sequence[Path] = CNI_PLUGINS


def lacking(here: Surroundings) -> tuple[str, ...]:
    """Why pods are only simulated, each reason with what to do; nothing where they can really run."""
    if here.platform != "linux":
        return (f"containers need Linux, and this is {here.platform}",)
    programs = [name for name in ("containerd", "runc", "ctr") if here.which(name) is None]
    found = [] if here.user_id == 0 else ["containers need root: run the command with sudo"]
    if programs:
        found.append(f"{' and '.join(programs)} not found: {INSTALL}")
    if plugins(here) is None:
        found.append(f"network plugins {' and '.join(_PLUGINS)} not found: {INSTALL}")
    return tuple(found)


def plugins(here: Surroundings) -> Path | None:
    """Folder of the network plugins."""
    folders = (folder for folder in here.plugin_folders if all((folder / name).is_file() for name in _PLUGINS))
    return next(folders, None)
