"""What a user writes to serve a model: a class with `setup`, and `predict` or `stream`.

    class Question(msgspec.Struct):
        text: str

    class Answer(msgspec.Struct):
        label: str

    class Labels(Predictor):
        max_batch = 32
        max_delay_ms = 4.0

        def setup(self, model: ModelSource) -> None:
            self.module = model.exported().build().to(model.device)

        def predict(self, batch: list[Question]) -> list[Answer]:
            ...

Health, batching, limits, metrics, readiness and the way out are the server's. It is named `team.labels.Labels`, or
`team.labels.Labels:max_batch=64,max_delay_ms=2`, and asked by `POST /v1/predict`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from springtide_workloads.contract import Device
from springtide_workloads.storage import Store

if TYPE_CHECKING:
    from springtide_workloads.models.exported import Exported  # imports torch, which takes seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where a predictor finds its model."""

    store: Store
    """Artifacts of the run that trained it; a server reads `export/` and nothing else."""
    device: Device
    """What to compute on: `cpu` or `cuda`."""
    scratch: Path
    """Node-local disk, lost with the pod."""

    def exported(self) -> "Exported":
        """The finished run's configuration and weights, checked against their digest.

        Raises:
            StorageError: there is no export, or it is damaged.
            ConfigError: this image has no such model.
        """
        from springtide_workloads.models.exported import read  # noqa: PLC0415  as above

        return read(self.store)


class Predictor:
    """A model behind `POST /v1/predict`. Types of requests and answers come from the annotations; best are msgspec structs.

    One instance computes in one thread. Every attribute below, and every annotated number, text or switch of a subclass, can
    be set in the text that names the predictor.
    """

    max_batch: int = 1
    """Requests that `predict` gets together."""
    max_delay_ms: float = 0.0
    """Milliseconds that a request may wait for others to join it. Default 0: a batch is what waits already."""
    max_body_bytes: int = 1 << 20
    """Bytes of one request's body; a longer one gets 413. Default 1 MiB."""
    max_wait_seconds: float = 10.0
    """How long a request may be expected to wait when its client does not say how long it waits; else it gets 429."""
    max_waiting: int = 1024
    """Requests that may wait at a time, however short the wait: what bounds memory."""
    stuck_seconds: float = 300.0
    """Computing a batch, or a piece of a stream, for longer than this means that the model hangs: liveness fails, and Kubernetes
    restarts the server."""

    def setup(self, model: ModelSource) -> None:
        """Load the model. Called once, before the server is ready; what it raises ends the server.

        Args:
            model: where the model is, and what to compute on.
        """

    def predict(self, batch: list[Any]) -> list[Any]:
        """Answer requests, one answer for each, in their order.

        A batch that raises is computed again, one request at a time, so that only those fail that cannot be computed: an
        answer must not depend on how often it is computed. A request alone that raises gets 500; `Refusal` is answered as
        it says.
        """
        raise NotImplementedError

    def stream(self, request: Any) -> Iterator[Any]:
        """Answer one request in pieces, instead of `predict`: each is sent as a server-sent event once it is there.

        When the client goes away, the iterator is closed at its next piece.
        """
        raise NotImplementedError
