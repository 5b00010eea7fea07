"""From a contract to what serves it: an engine, its line and its routes, by the predictor that is named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from springtide_workloads.contract import GPT_PREDICTOR, ServingContract
from springtide_workloads.serve.admission import Limits
from springtide_workloads.serve.app import MAX_BODY_BYTES
from springtide_workloads.serve.batching import Batches
from springtide_workloads.serve.http import Routes
from springtide_workloads.serve.line import Line
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.predict import routes as predict_routes
from springtide_workloads.serve.predictor import ModelSource
from springtide_workloads.serve.resolve import resolve
from springtide_workloads.serve.work import Engine
from springtide_workloads.storage import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is served, before it is loaded."""

    name: str
    engine: Engine[Any, Any]
    line: Line[Any, Any]
    routes: Routes
    max_body_bytes: int = MAX_BODY_BYTES
    stuck_seconds: float = 300.0


def assemble(contract: ServingContract, metrics: Metrics) -> Service:
    """What the contract's predictor is made of.

    Raises:
        ConfigError: the predictor cannot be found, or one of its settings does not fit.
        StorageError: a store cannot be opened.
    """
    name, _, settings = contract.predictor.partition(":")
    if name == GPT_PREDICTOR:
        from springtide_workloads.serve.gpt import gpt  # noqa: PLC0415  a predictor of one's own need not import it

        return gpt(contract, settings, metrics)
    return _predictor(contract, metrics)


def _predictor(contract: ServingContract, metrics: Metrics) -> Service:
    resolved = resolve(contract.predictor)
    predictor = resolved.predictor
    source = ModelSource(store=Store(contract.model_url), device=contract.device, scratch=Path(contract.scratch_dir))
    engine = Batches(resolved, source, metrics)
    limits = Limits(max_wait_seconds=predictor.max_wait_seconds, max_waiting=predictor.max_waiting)
    line: Line[Any, Any] = Line(metrics, limits=limits, pace=engine.pace)
    return Service(
        name=type(predictor).__name__,
        engine=engine,
        line=line,
        routes=predict_routes(resolved, line),
        max_body_bytes=predictor.max_body_bytes,
        stuck_seconds=predictor.stuck_seconds,
    )
