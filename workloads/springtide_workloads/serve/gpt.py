"""The image's own predictor: exported GPTs behind OpenAI's endpoints, `gpt[:slots=32,quantize=int8,...]`."""

from dataclasses import dataclass

from springtide_workloads.contract import ServingContract
from springtide_workloads.errors import ConfigError
from springtide_workloads.serve.admission import FlowPace, Limits
from springtide_workloads.serve.assemble import Service
from springtide_workloads.serve.generate.engine import Generation
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.request import Generate, Tokens
from springtide_workloads.serve.line import Counting, Line
from springtide_workloads.serve.metrics import Metrics
from springtide_workloads.serve.openai import Templates, TextLimits, routes
from springtide_workloads.serve.resolve import read_settings, settings_of
from springtide_workloads.storage import Store


class TextSettings:
    """What may be set beside the engine's own options."""

    max_tokens: int = 0
    """Tokens of one answer at most, so that a drain ends. Default 0: what fits the model's context."""
    max_body_bytes: int = 1 << 20
    max_wait_seconds: float = 10.0
    max_waiting: int = 1024
    stuck_seconds: float = 300.0


def gpt(contract: ServingContract, text: str, metrics: Metrics) -> Service:
    """The service of a contract's models.

    Raises:
        ConfigError: a setting is not known or does not fit.
        StorageError: a store cannot be opened.
    """
    settings, options = _read(text)
    first, further = Store(contract.model_url), _further(contract.further_model_urls)
    engine = Generation(first, contract.device, options, further=further, observe=_Observer(metrics))
    limits = Limits(max_wait_seconds=settings.max_wait_seconds, max_waiting=settings.max_waiting)
    counting: Counting[Generate, Tokens] = Counting(
        prompt=lambda asked: len(asked.prompt), completion=lambda piece: len(piece.ids)
    )
    line: Line[Generate, Tokens] = Line(metrics, limits=limits, pace=FlowPace(engine.slots), counting=counting)
    text_limits = TextLimits(max_tokens=settings.max_tokens or None)
    return Service(
        name="gpt",
        engine=engine,
        line=line,
        routes=routes(line, engine, Templates(first, further), text_limits),
        max_body_bytes=settings.max_body_bytes,
        stuck_seconds=settings.stuck_seconds,
    )


def _read(text: str) -> tuple[TextSettings, Options]:
    """The server's settings, and the engine's."""
    ours = settings_of(TextSettings)
    parts = text.split(",") if text else []
    mine = ",".join(part for part in parts if part.partition("=")[0] in ours)
    values, mistakes = read_settings(TextSettings, mine)
    mistakes += [f"{key} is {value}: it must be at least 0" for key, value in values.items() if value < 0]
    try:
        options = Options.parse(dict(_pair(part) for part in parts if part.partition("=")[0] not in ours))
    except ConfigError as error:
        listed = "".join(f"\n  - {mistake}" for mistake in mistakes)
        raise ConfigError(f"{error}{listed}\n  - beside these may be set: {', '.join(sorted(ours))}") from error
    if mistakes:
        raise ConfigError(f"predictor gpt:{text}:" + "".join(f"\n  - {mistake}" for mistake in mistakes))
    settings = TextSettings()
    for key, value in values.items():
        setattr(settings, key, value)
    return settings, options


def _pair(part: str) -> tuple[str, str]:
    key, _, value = part.partition("=")
    return key, value


def _further(text: str | None) -> dict[str, Store]:
    """Stores by name of `name=URL,...`."""
    return {name: Store(url) for name, url in map(_pair, text.split(",") if text else [])}


@dataclass(frozen=True, slots=True)
class _Observer:
    metrics: Metrics

    def batch(self, size: int) -> None:
        self.metrics.batch.observe(size)

    def cache(self, used: float) -> None:
        self.metrics.cache_used.set(used)
