"""Other people's programs, as small scripts on a PATH of their own: they log what they are asked, and answer from a table."""

import json
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PYTHON = sys.executable
_SCRIPT = """\
#!{python} -IS
import json, sys, time
from pathlib import Path

here, name = Path(__file__).parent, Path(__file__).name
words, given = sys.argv[1:], sys.stdin.read()
files = {{word: Path(word) for word in words if word.startswith("/") and Path(word).is_file()}}
seen = {{word: [oct(file.stat().st_mode & 0o777), file.read_text()] for word, file in files.items()}}
with (here / "log.jsonl").open("a") as log:
    log.write(json.dumps({{"argv": [name, *words], "stdin": given, "seen": seen}}) + "\\n")
for answer in json.loads((here / (name + ".json")).read_text()):
    if words[: len(answer["words"])] == answer["words"]:
        break
else:
    sys.exit(f"{{name}}: nobody expected {{words}}")
for option, content in answer["files"].items():
    Path(words[words.index(option) + 1]).write_text(content)
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.stdout.flush()
time.sleep(answer["seconds"])
sys.exit(answer["status"])
"""


def says(
    *words: str,
    out: Any = "",
    err: str = "",
    status: int = 0,
    seconds: float = 0,
    files: dict[str, str] | None = None,
) -> dict[str, Any]:
    """An answer to a command that begins with these words; data is written as JSON, `files` after the options named."""
    text = out if isinstance(out, str) else json.dumps(out)
    return {"words": list(words), "out": text, "err": err, "status": status, "seconds": seconds, "files": files or {}}


@dataclass(frozen=True)
class FakePrograms:
    """A folder that is the whole PATH."""

    folder: Path

    def add(self, name: str, *answers: dict[str, Any]) -> None:
        """A program of that name. The first answer that fits is given; without any, it fails whatever it is asked."""
        script = self.folder / name
        script.write_text(_SCRIPT.format(python=_PYTHON))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        (self.folder / f"{name}.json").write_text(json.dumps(answers))

    @property
    def asked(self) -> list[list[str]]:
        """Every command so far, in order, its program first."""
        return [item["argv"] for item in self._log()]

    def given(self, *words: str) -> str:
        """Standard input of the one command that begins with these words."""
        [found] = [item["stdin"] for item in self._log() if item["argv"][: len(words)] == list(words)]
        return str(found)

    @property
    def seen(self) -> dict[str, list[str]]:
        """Mode and content of every file that a command named, as it was then."""
        return {file: found for item in self._log() for file, found in item["seen"].items()}

    def _log(self) -> list[dict[str, Any]]:
        log = self.folder / "log.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
