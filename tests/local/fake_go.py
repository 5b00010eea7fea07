"""A Go that builds at once, or fails, or takes its time: a script on a PATH of its own that logs what it is asked."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from springtide.local.builds.programs import PROGRAMS, Program
from springtide.local.builds.toolchain import shown

_VARIABLES = ("CGO_ENABLED", "GOTOOLCHAIN", "GOFLAGS", "GOWORK", "GOOS", "GOARCH", "GOROOT", "GOGC", "GOPROXY")
_SCRIPT = """\
#!{python} -IS
import json, os, sys, time
from pathlib import Path

here, words = Path({folder!r}), sys.argv[1:]
does = json.loads((here / "does.json").read_text())
variables = {{name: os.environ[name] for name in {variables} if name in os.environ}}
with (here / "log.jsonl").open("a") as log:
    log.write(json.dumps({{"words": words, "pid": os.getpid(), "folder": os.getcwd(), "variables": variables}}) + "\\n")
if words[0] == "version":
    time.sleep(does["thinks"])
    print("go version", does["version"], "linux/amd64")
elif words[0] == "env":
    print(json.dumps({{"GOCACHE": str(here / "compiled"), "GOMODCACHE": str(here / "modules")}}))
elif words[0] == "mod":
    if does["err"]:
        print(json.dumps({{"Error": does["err"]}}))
        sys.exit(1)
    root = here / "modules" / words[-1]
    for path in ("pkg/apis/crds", "kwok/apis/crds", "config/crd/bases"):
        (root / path).mkdir(parents=True, exist_ok=True)
        file = root / path / (path.replace("/", "_") + ".yaml")
        file.touch()
        file.chmod(0o444)
    print(json.dumps({{"Dir": str(root)}}))
elif words[0] == "build":
    out = Path(words[words.index("-o") + 1])
    (Path(os.environ["GOTMPDIR"]) / "go-build1").mkdir()
    print("go: downloading example.com/some v1.0.0", file=sys.stderr)
    if does["seconds"]:
        out.write_text("half a program")
        time.sleep(does["seconds"])
    if does["err"]:
        sys.exit(does["err"])
    out.write_text("#!/bin/sh\\necho '" + does["answers"][words[-1]] + "'\\n")
    out.chmod(does["mode"])
else:
    sys.exit(f"nobody expected {{words}}")
"""


@dataclass(frozen=True)
class FakeGo:
    """The script, and what it was asked."""

    folder: Path

    def does(self, **changed: Any) -> None:
        """Put it on the PATH, or change what it does.

        Args:
            changed: `version`, `thinks` (seconds for an answer), `seconds` and `err` of a build, `mode` of what it
                builds, `answers`: by package, what it then says to `--version`.
        """
        answers = {program.package: says_itself(program) for program in PROGRAMS.values()}
        does = {"version": "go1.26.8", "thinks": 0, "seconds": 0, "err": "", "mode": 0o755, "answers": answers}
        self.folder.mkdir(exist_ok=True)
        (self.folder / "does.json").write_text(json.dumps(does | changed))
        script = self.folder / "go"
        script.write_text(_SCRIPT.format(python=sys.executable, folder=str(self.folder), variables=_VARIABLES))
        script.chmod(0o755)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Every command so far, in order."""
        log = self.folder / "log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def builds(self) -> list[dict[str, Any]]:
        """Builds so far, in order."""
        return [item for item in self.asked if item["words"][0] == "build"]

    @property
    def built(self) -> list[str]:
        """Names of the programs whose builds were begun, in order."""
        by_package = {program.package: name for name, program in PROGRAMS.items()}
        return [by_package[item["words"][-1]] for item in self.builds]


def says_itself(program: Program) -> str:
    """What the real program says to `--version`."""
    said = {"kwok": "kwok version v{} go1.26.8 (linux/amd64)", "etcd": "etcd Version: {}"}
    return said.get(program.name, "Kubernetes v{}").format(shown(program.version))


def program(folder: Path, name: str, text: str) -> Path:
    """A shell script on a PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class Said:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def doing(self, text: str) -> None:
        self.done.append(text)


def lives(pid: int) -> bool:
    """Whether a process of that number runs; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
