"""Our predictor: `SPRINGTIDE_PREDICTOR=bench.peers.serving_ours.Numbers`."""

import msgspec
from bench.serving_work import Work

from springtide_workloads.serve.predictor import Predictor


class In(msgspec.Struct):
    """What is asked."""

    x: int


class Out(msgspec.Struct):
    """What is answered."""

    y: int


class Numbers(Predictor):
    """The benchmark's work."""

    def setup(self, model: object) -> None:
        """Nothing is read."""
        del model
        self.work = Work.told()

    def predict(self, batch: list[In]) -> list[Out]:
        """As many as there are."""
        return [Out(y=y) for y in self.work.batch([each.x for each in batch])]
