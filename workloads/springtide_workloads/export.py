"""The trained model as a server reads it: `export/model.safetensors`, then `export/config.json`, which vouches for it.

Writing the configuration is the last act of a run; where it exists, the run is finished.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from springtide_workloads.contract import Layout
from springtide_workloads.errors import StorageError
from springtide_workloads.storage import Store

FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What `export/config.json` says."""

    run: str
    recipe: dict[str, Any]
    """What trained it."""
    model: dict[str, Any]
    """Kind and shape of the model whose weights these are; adapters are in them already."""
    step: int
    held_out_loss: float
    """Nats a byte on text that was not trained on."""
    bigram_loss: float | None
    """What counting pairs of bytes reaches on the very same text; None where data is no bytes of text."""
    sha256: str
    """Digest of the weights file; two runs with one digest trained the same weights."""
    quantization: str = "none"
    """How matrices are stored: none, int8 or int4."""
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """The configuration as it is stored."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`."""
        return cls(**json.loads(data))


def exported(store: Store) -> Export | None:
    """The finished export; None while there is none.

    Raises:
        StorageError: when its configuration cannot be read, by this version at least.
    """
    data = store.read(Layout.EXPORT_CONFIG)
    if data is None:
        return None
    try:
        return Export.from_bytes(data)
    except (TypeError, ValueError) as error:
        raise StorageError(f"{store.url}/{Layout.EXPORT_CONFIG} cannot be read: {error}") from error
