"""What a GPU computes with, and that every way of dividing the work runs on it. Skipped where there is none."""

import os
from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from tests.workloads.stepping import LR, Choice, batch, model

from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.models.placement import place, size
from springtide_workloads.train.parallel import Parallel
from springtide_workloads.train.stepper import stepper

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture(autouse=True, scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This process as a world of one."""
    meeting = tmp_path_factory.mktemp("world") / "meeting"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.cuda.set_device(0)
    dist.init_process_group("cpu:gloo,cuda:nccl", init_method=f"file://{meeting}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def losses(choice: Choice, device: str, steps: int = 4) -> list[float]:
    torch.use_deterministic_algorithms(mode=False)
    run = stepper(model(), choice, rank=0, world=1, device=torch.device(device))
    return [float(run.step(batch(number, run.part), lr=LR, number=number)) for number in range(steps)]


@pytest.fixture(scope="module")
def on_cpu() -> list[float]:
    return losses(Choice(), "cpu")


@pytest.mark.parametrize(
    "choice",
    [
        Choice(),
        Choice(accumulate=4),
        Choice(compile=True),
        Choice(checkpoint_activations="full"),
        Choice(checkpoint_activations="selective", compile=True),
        Choice(parallel=Parallel(shard=None, reshard=False)),
        Choice(exact=4),
    ],
    ids=["plain", "accumulated", "compiled", "recomputed", "selective", "sharded", "exact"],
)
def test_a_gpu_trains_like_the_cpu(choice: Choice, on_cpu: list[float]) -> None:
    assert losses(choice, "cuda:0") == pytest.approx(on_cpu, abs=5e-3)


@pytest.mark.parametrize("compiled", [False, True])
def test_bfloat16_trains_nearly_like_the_cpu(compiled: bool, on_cpu: list[float]) -> None:
    assert losses(Choice(bf16=True, compile=compiled), "cuda:0") == pytest.approx(on_cpu, abs=1e-1)


def test_attention_in_bfloat16_is_the_flash_kernel() -> None:
    gpt = GPTConfig(layers=1, heads=4, width=256, context=512).build().cuda()
    tokens = torch.randint(0, 256, (2, 512), device="cuda")
    with (
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen,
        torch.autocast("cuda", dtype=torch.bfloat16),
    ):
        gpt(tokens).sum().backward()
    kernels = {event.key for event in seen.key_averages()}
    attention = {
        name for name in kernels if any(word in name.lower() for word in ("flash", "fmha", "attention", "sdpa"))
    }
    assert any("flash" in name.lower() or "cudnn" in name.lower() for name in attention), sorted(kernels)


def test_a_model_bigger_than_its_budget_on_the_gpu_gives_what_it_gave() -> None:
    gpt = GPTConfig(layers=4, heads=4, width=64, context=32).build().eval()
    tokens = torch.arange(32)[None]
    with torch.no_grad():
        wanted = gpt(tokens)
        budgets = {torch.device("cuda", 0): size(gpt) // 2, torch.device("cpu"): size(gpt)}
        found = place(gpt, budgets)(tokens)
    assert {parameter.device.type for parameter in gpt.parameters()} == {"cuda", "cpu"}
    assert torch.allclose(found.cpu(), wanted, atol=1e-3)
