"""Weight-only quantization: matrices in 8 or 4 bits, everything else as it was; torch's own kernels multiply with them.

| kind | a weight is | stored | scales |
|---|---|---|---|
| `int8` | a whole number of 8 bits × the scale of its row | one byte | one a row, float32 |
| `int4` | a whole number of 4 bits × scale + shift of its group of 32 | half a byte | two a group, float32 |

On a CPU, and in 4 bits on a GPU too, the kernels multiply in bfloat16: what comes in is rounded to it.
Rounding is to the nearest; no data is looked at, so a quantized model is a function of the model alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from springtide_workloads.errors import ConfigError

GROUP: Final = 32
"""Weights that share a scale and a shift in 4 bits; the least that torch's kernels take."""
NONE: Final = "none"

_LEVELS8, _LEVELS4, _MIDDLE = 127, 15, 8


class Int8Linear(nn.Module):
    """A linear layer with a scale for each row."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.register_buffer("quantized", torch.zeros(rows, columns, dtype=torch.int8))
        self.register_buffer("scales", torch.ones(rows))

    def forward(self, x: Tensor) -> Tensor:
        """`[..., columns]` to `[..., rows]`."""
        flat = x.reshape(-1, x.shape[-1])
        multiply = _rows_on_cpu if x.device.type == "cpu" else _rows_on_gpu
        return multiply(flat, self.get_buffer("quantized"), self.get_buffer("scales")).view(*x.shape[:-1], -1)

    @torch.no_grad()
    def take(self, weight: Tensor) -> None:
        """Rounds a weight."""
        scales = weight.float().abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / _LEVELS8
        self.get_buffer("scales").copy_(scales)
        self.get_buffer("quantized").copy_((weight.float() / scales[:, None]).round())


class Int4Linear(nn.Module):
    """A linear layer with a scale and a shift for each group of a row's weights."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        self.register_buffer("quantized", torch.zeros(rows, columns // 2, dtype=torch.uint8))
        self.register_buffer("scales", torch.ones(columns // GROUP, rows, 2))
        self._packed: tuple[torch.device, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`[..., columns]` to `[..., rows]`."""
        flat = x.reshape(-1, x.shape[-1])
        multiply = _multiply_on_cpu if x.device.type == "cpu" else _multiply_on_gpu
        out = multiply(flat, self._kernel_weight(x.device), self.get_buffer("scales"))
        return out.view(*x.shape[:-1], -1)

    def _kernel_weight(self, device: torch.device) -> Tensor:
        """The weight in the order that the device's kernel reads it, made once."""
        if self._packed is None or self._packed[0] != device:
            pack = _pack_for_cpu if device.type == "cpu" else _pack_for_gpu
            self._packed = (device, pack(self.get_buffer("quantized").to(device)))
        return self._packed[1]

    @torch.no_grad()
    def take(self, weight: Tensor) -> None:
        """Rounds a weight."""
        groups = weight.float().view(self.rows, -1, GROUP)
        low, high = groups.amin(-1), groups.amax(-1)
        scales = ((high - low) / _LEVELS4).clamp(min=torch.finfo(torch.float32).tiny)
        levels = ((groups - low[..., None]) / scales[..., None]).round().clamp(0, _LEVELS4)
        flat = levels.to(torch.uint8).view(self.rows, self.columns)
        self.get_buffer("quantized").copy_(flat[:, ::2] << 4 | flat[:, 1::2])
        # the kernels compute (level - 8) * scale + shift
        self.get_buffer("scales").copy_(torch.stack((scales, low + _MIDDLE * scales), -1).transpose(0, 1))


def _rows_on_cpu(x: Tensor, quantized: Tensor, scales: Tensor) -> Tensor:
    # torch's kernel takes float32 number by number, tens of times slower than bfloat16; 8 bits fit into that as they are
    half, ones = x.to(torch.bfloat16), torch.ones_like(scales, dtype=torch.bfloat16)
    product: Tensor = torch._weight_int8pack_mm(half, quantized, ones)  # noqa: SLF001  torch's own kernel has no public name
    return product.to(x.dtype) * scales.to(x.dtype)


def _rows_on_gpu(x: Tensor, quantized: Tensor, scales: Tensor) -> Tensor:
    product: Tensor = torch._weight_int8pack_mm(x, quantized, scales.to(x.dtype))  # noqa: SLF001  as above
    return product


def _levels(halves: Tensor) -> Tensor:
    """Numbers below 16, two of which lie in each byte, the first one high."""
    return torch.stack((halves >> 4, halves & 0xF), -1).flatten(1)


def _pack_for_cpu(halves: Tensor) -> Tensor:
    packed: Tensor = torch.ops.aten._convert_weight_to_int4pack_for_cpu(_levels(halves).to(torch.int32), 1)  # noqa: SLF001  as above
    return packed


def _pack_for_gpu(halves: Tensor) -> Tensor:
    # this kernel wants the two numbers of a byte as we have them; 8 is the widest inner tile
    packed: Tensor = torch.ops.aten._convert_weight_to_int4pack(halves, 8)  # noqa: SLF001  as above
    return packed


def _multiply_on_cpu(x: Tensor, packed: Tensor, scales: Tensor) -> Tensor:
    half = x.to(torch.bfloat16)
    product: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(half, packed, GROUP, scales.to(torch.bfloat16))  # noqa: SLF001  as above
    return product.to(x.dtype)


def _multiply_on_gpu(x: Tensor, packed: Tensor, scales: Tensor) -> Tensor:
    half = x.to(torch.bfloat16)
    product: Tensor = torch.ops.aten._weight_int4pack_mm(half, packed, GROUP, scales.to(torch.bfloat16))  # noqa: SLF001  as above
    return product.to(x.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A way to store a matrix."""

    layer: Callable[[int, int], Int8Linear | Int4Linear]
    bits: int
    columns_of: int
    """Columns come in multiples of it; a matrix of others stays as it is."""
    rows_of: int


KINDS: Final[Mapping[str, Kind]] = {
    "int8": Kind(layer=Int8Linear, bits=8, columns_of=16, rows_of=1),
    "int4": Kind(layer=Int4Linear, bits=4, columns_of=GROUP, rows_of=16),
}


def quantized(model: nn.Module, kind: str, *, rounded: bool = True) -> nn.Module:
    """The model with its matrices stored as `kind`; changed in place.

    Args:
        model: any module; every plain `nn.Linear` of it without a bias is a candidate. Embeddings stay as they are.
        kind: `int8` or `int4`; `none` changes nothing.
        rounded: whether the weights there are taken over. False: only the layers are made, to load a quantized export.

    Raises:
        ConfigError: for another kind.
    """
    if kind == NONE:
        return model
    if kind not in KINDS:
        raise ConfigError(f"quantization {kind!r} is not known: use one of {NONE}, {', '.join(KINDS)}")
    way = KINDS[kind]
    for name, linear in [(name, layer) for name, layer in model.named_modules() if _fits(layer, way)]:
        weight = linear.get_parameter("weight")
        layer = way.layer(*weight.shape).to(weight.device)
        if rounded:
            layer.take(weight)
        parent, _, last = name.rpartition(".")
        model.get_submodule(parent).register_module(last, layer)
    return model


def _fits(layer: nn.Module, way: Kind) -> bool:
    if type(layer) is not nn.Linear or layer.bias is not None:
        return False
    rows, columns = layer.weight.shape
    return columns % way.columns_of == 0 and rows % way.rows_of == 0


def stored_bytes(model: nn.Module) -> int:
    """Bytes of the model's weights as they are stored; a tensor under two names counts once."""
    tensors = {t.data_ptr(): t for t in model.state_dict().values()}
    return sum(t.numel() * t.element_size() for t in tensors.values())
