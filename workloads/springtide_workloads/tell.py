"""Words to whoever runs a workload, kept apart from its output."""

import sys


def tell(text: str) -> None:
    """Writes a line to stderr, at once, so that it is there even when the process is killed next."""
    sys.stderr.write(f"springtide: {text}\n")
    sys.stderr.flush()
