"""Ray Serve: `python serving_ray.py PORT`."""

import sys
from typing import Any

import ray
from bench.serving_work import Work, knobs
from ray import serve


class Numbers:
    """The benchmark's work."""

    def __init__(self) -> None:
        self.work = Work.told()

    async def __call__(self, request: Any) -> dict[str, int]:
        """One after the other: the work holds the replica's event loop, as blocking code does there."""
        return {"y": self.work.one((await request.json())["x"])}


TOLD = knobs()


class Batched(Numbers):
    """The same, put together by Ray."""

    async def many(self, xs: list[int]) -> list[int]:
        """As many as there are."""
        return self.work.batch(xs)

    many = serve.batch(max_batch_size=int(TOLD.get("batch", 1)), batch_wait_timeout_s=TOLD.get("delay", 0.0))(many)

    async def __call__(self, request: Any) -> dict[str, int]:
        """One of a batch."""
        found: Any = self.many((await request.json())["x"])
        return {"y": await found}


if __name__ == "__main__":
    options: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0.5}}
    if "queue" in TOLD:
        # two batches at a time: one is computed while the next one comes together
        at_a_time = 2 * int(TOLD["batch"]) if "batch" in TOLD else 1
        options |= {"max_ongoing_requests": at_a_time, "max_queued_requests": int(TOLD["queue"])}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 1024 * 1024)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(serve.deployment(Batched if "batch" in TOLD else Numbers, **options).bind(), blocking=True)
