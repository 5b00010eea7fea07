"""How good a model is: its loss on held-out data."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  PyTorch's own name for it

from springtide_workloads.data.dataset import Batch


@torch.inference_mode()
def held_out_loss(model: nn.Module, batches: Sequence[Batch], device: torch.device) -> float:
    """Mean negative log likelihood in nats a token, over all targets of the batches."""
    total, count = 0.0, 0
    for inputs, targets in batches:
        logits = model(inputs.to(device))
        loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.to(device).flatten(), reduction="sum")
        total += float(loss)
        count += targets.numel()
    return total / count
