"""What was reviewed: the schema, and what each call makes. `python -m tests.plugin.snapshots` writes it anew."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.plugin.calls import CALLS
from tests.plugin.language_host import Engine, Made, Plugin, listening, started

from springtide.__main__ import Host

HERE = Path(__file__).parent
SCHEMA_FILE, CALLS_FILE = HERE / "schema.json", HERE / "calls.json"
HINT = "the API changed: if that is meant, run `python -m tests.plugin.snapshots` and read the difference"

SCHEMA: dict[str, Any] = json.loads(Host().schema or "")


def written(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def seen(made: Made) -> dict[str, Any]:
    """What a call made, as other programs see it: everything below it, its outputs, and what each output waits for."""
    return {
        "children": made.children(),
        "outputs": made.state,
        "after": {name: [urn.split("::", 2)[2] for urn in urns] for name, urns in made.dependencies.items()},
    }


def reviewed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CALLS_FILE.read_text(encoding="utf-8"))
    return found


def main() -> None:
    SCHEMA_FILE.write_text(written(SCHEMA), encoding="utf-8")
    engine = Engine()
    with listening(engine) as address, started(Path(sys.executable), address) as stub:
        plugin = Plugin(stub=stub, engine=engine, address=address)
        calls = {id_: seen(plugin.construct(it.component, it.name, it.inputs)) for id_, it in CALLS.items()}
    CALLS_FILE.write_text(written(calls), encoding="utf-8")


if __name__ == "__main__":
    main()
