"""Writing a quantized model where servers look for it."""

import dataclasses
import hashlib

from safetensors.torch import save as to_bytes

from springtide_workloads.contract import Layout
from springtide_workloads.errors import ConfigError
from springtide_workloads.export import Export
from springtide_workloads.finish.quantize import NONE, quantized
from springtide_workloads.models.exported import read
from springtide_workloads.storage import Store


def quantize_export(source: Store, to: Store, kind: str) -> Export:
    """Reads an export and writes it again with its matrices stored as `kind`.

    Raises:
        ConfigError: when it is quantized already, or `kind` is not known.
        StorageError: when it cannot be read or written.
    """
    found = read(source)
    if found.about.quantization != NONE:
        raise ConfigError(
            f"{source.url} is quantized already ({found.about.quantization}): start from the export of the run"
        )
    model = quantized(found.build(), kind)
    weights = to_bytes({name: tensor.contiguous() for name, tensor in model.state_dict().items()})
    to.write(Layout.EXPORT_WEIGHTS, weights)
    made = dataclasses.replace(found.about, sha256=hashlib.sha256(weights).hexdigest(), quantization=kind)
    to.write(Layout.EXPORT_CONFIG, made.to_bytes())
    return made
