"""What a Springtide container and the component that runs it agree on: names, ports, paths, exit codes. Stdlib only.

The component side builds a `TrainingContract` or `ServingContract` and writes its `to_env()` into the pod; the
container side reads the same value back with `from_env(os.environ)`. Nobody else spells these names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Final, Self

VERSION: Final = 1

HTTP_PORT: Final = 8000
METRICS_PORT: Final = 9464
RENDEZVOUS_PORT: Final = 29500
LIVE_PATH: Final = "/health/live"
READY_PATH: Final = "/health/ready"
METRICS_PATH: Final = "/metrics"
COMPLETIONS_PATH: Final = "/v1/completions"
CHAT_PATH: Final = "/v1/chat/completions"
MODELS_PATH: Final = "/v1/models"
PREDICT_PATH: Final = "/v1/predict"
KEYS_FILE: Final = "/etc/springtide/keys/keys"
"""Where components mount the keys of a service that asks for one, a key a line."""
SHM_PATH: Final = "/dev/shm"  # noqa: S108  the kernel's name for shared memory, not a temporary file
SCRATCH_DIR: Final = "/scratch"
"""Where components mount node-local disk, unless they say otherwise."""

RANK_FIELD: Final = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
"""Field reference that a pod's `PET_NODE_RANK` comes from; rank is the one value a component cannot write itself."""

NAMESPACE_FIELD: Final = "metadata.namespace"
"""Field reference that a gateway's `SPRINGTIDE_NAMESPACE` comes from: a component may not know it yet."""

TRAIN_COMMAND: Final = ("python", "-m", "springtide_workloads.train")
SERVE_COMMAND: Final = ("python", "-m", "springtide_workloads.serve")
GATEWAY_COMMAND: Final = ("python", "-m", "springtide_workloads.gateway")

TIMEOUT_HEADER: Final = "x-request-timeout-ms"
"""Header of a request: milliseconds until its client gives up. Whoever hands the request on writes what is left of them."""

SESSION_HEADER: Final = "x-session-id"
"""Header of a request: who asks. Requests that say the same go to the same arm of a service that is divided."""
ARM_HEADER: Final = "x-springtide-arm"
"""Header of an answer: the arm that gave it."""
HOLD_HEADER: Final = "x-springtide-hold-ms"
"""Header of a request from one gateway to the next: milliseconds that it may be held for, before another arm is asked."""
REFUSED_HEADER: Final = "x-springtide-refused"
"""Header of an answer that is a gateway's own: why no replica gave one. A gateway before this one reads it."""
REPEAT_HEADER: Final = "idempotency-key"
"""Header of a request that may be computed twice, as a replica that is lost while it computes makes necessary."""

PRIORITY_HEADER: Final = "x-request-priority"
"""Header of a request: one of `PRIORITIES`. Where there is more to do than can be done, the lowest is refused first."""
PRIORITIES: Final = ("low", "normal", "high")
"""Names of the priorities, the lowest first. Default: normal."""

NO_PROGRESS_RESTARTS: Final = 3
"""Restarts in place without a new checkpoint after which a run gives up with `ExitCode.NO_PROGRESS`."""

RECIPE: Final = r"[a-z][a-z0-9_]*(\.[a-z_][A-Za-z0-9_]*)*(:[a-z][a-z0-9_]*=[^,=\s]+(,[a-z][a-z0-9_]*=[^,=\s]+)*)?"
"""Pattern of a recipe, `name[:key=value,...]`; a name with dots is a function of a module in the image."""

PREDICTOR: Final = r"[a-z][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*(:[a-z][a-z0-9_]*=[^,=\s]+(,[a-z][a-z0-9_]*=[^,=\s]+)*)?"
"""Pattern of a predictor, `name[:key=value,...]`; a name with dots is a class of a module in the image."""
GPT_PREDICTOR: Final = "gpt"
"""The image's own predictor: serves an exported GPT with OpenAI's endpoints."""

PARAMETERS: Final = {
    "gpt_tiny": 426_624,
    "gpt_small": 85_150_464,
    "gpt_medium": 302_302_208,
    "gpt_1b": 1_007_241_216,
}
"""Trainable numbers of the image's own recipes as they stand, so that a plan can tell how long a save takes."""
SHAPE_KEYS: Final = frozenset({"width", "layers", "heads", "vocab"})
"""Keys of a recipe's text that change their count."""


class Env(StrEnum):
    """Environment variables of a container. `PET_*` and `TORCH_*` are those of torch's elastic agent and never renamed."""

    RUN = "SPRINGTIDE_RUN"
    ATTEMPT = "SPRINGTIDE_ATTEMPT"
    STUCK_SECONDS = "SPRINGTIDE_STUCK_SECONDS"
    USD_PER_HOUR = "SPRINGTIDE_USD_PER_HOUR"
    RECIPE = "SPRINGTIDE_RECIPE"
    ARTIFACTS_URL = "SPRINGTIDE_ARTIFACTS_URL"
    DATA_URL = "SPRINGTIDE_DATA_URL"
    MODEL_URL = "SPRINGTIDE_MODEL_URL"
    FURTHER_MODEL_URLS = "SPRINGTIDE_FURTHER_MODEL_URLS"
    PREDICTOR = "SPRINGTIDE_PREDICTOR"
    NOTICE_FROM = "SPRINGTIDE_NOTICE_FROM"
    SCRATCH_DIR = "SPRINGTIDE_SCRATCH_DIR"
    DEVICE = "SPRINGTIDE_DEVICE"
    GRACE_SECONDS = "SPRINGTIDE_GRACE_SECONDS"
    NOTICE_SECONDS = "SPRINGTIDE_NOTICE_SECONDS"
    SAVE_DEADLINE_SECONDS = "SPRINGTIDE_SAVE_DEADLINE_SECONDS"
    PROPAGATION_SECONDS = "SPRINGTIDE_PROPAGATION_SECONDS"
    DRAIN_SECONDS = "SPRINGTIDE_DRAIN_SECONDS"
    HTTP_PORT = "SPRINGTIDE_HTTP_PORT"
    METRICS_PORT = "SPRINGTIDE_METRICS_PORT"
    KEYS_FILE = "SPRINGTIDE_KEYS_FILE"
    NAMESPACE = "SPRINGTIDE_NAMESPACE"
    REPLICAS_SERVICE = "SPRINGTIDE_REPLICAS_SERVICE"
    IN_FLIGHT_PER_REPLICA = "SPRINGTIDE_IN_FLIGHT_PER_REPLICA"
    HOLD_SECONDS = "SPRINGTIDE_HOLD_SECONDS"
    HELD_REQUESTS = "SPRINGTIDE_HELD_REQUESTS"
    HELD_MIB = "SPRINGTIDE_HELD_MIB"
    ARMS = "SPRINGTIDE_ARMS"
    NODES = "PET_NNODES"
    PROCS_PER_NODE = "PET_NPROC_PER_NODE"
    NODE_RANK = "PET_NODE_RANK"
    MASTER_ADDR = "PET_MASTER_ADDR"
    MASTER_PORT = "PET_MASTER_PORT"
    SHUTDOWN_SECONDS = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"


class Device(StrEnum):
    """What a container computes on. Stated, never guessed: a GPU node without its driver must not train on the CPU."""

    CPU = "cpu"
    CUDA = "cuda"


class NoticeFrom(StrEnum):
    """Whose metadata server says that this machine is about to be taken back. SIGTERM is heard in any case."""

    NONE = "none"
    AWS = "aws"
    GCP = "gcp"


class ExitCode(IntEnum):
    """How a container's first process ends. A run that was told to stop never ends with `DONE`."""

    DONE = 0
    BUG = 1
    CONFIG = 2
    INTERRUPTED = 75
    NO_PROGRESS = 76
    STORAGE = 77


SEVERITY: Final = (
    ExitCode.DONE,
    ExitCode.INTERRUPTED,
    ExitCode.NO_PROGRESS,
    ExitCode.STORAGE,
    ExitCode.CONFIG,
    ExitCode.BUG,
)
"""Exit codes from mildest to most severe: of several processes, the most severe one speaks for the container."""


class Metric(StrEnum):
    """Prometheus names; autoscaling rules, alerts and dashboards are generated from them."""

    IN_FLIGHT = "springtide_requests_in_flight"
    """Gauge: requests being computed now."""
    QUEUED = "springtide_requests_queued"
    """Gauge: requests accepted and waiting for their turn."""
    REQUESTS = "springtide_requests_total"
    """Counter by `code`: answers given."""
    REQUEST_SECONDS = "springtide_request_seconds"
    """Histogram: from a request's last byte to the first byte of its answer."""
    TOKENS = "springtide_tokens_total"
    """Counter by `kind` (prompt, completion)."""
    QUEUE_SECONDS = "springtide_queue_seconds"
    """Histogram: from a request's acceptance to the beginning of its computation."""
    FIRST_TOKEN_SECONDS = "springtide_first_token_seconds"  # noqa: S105  tokens of text
    """Histogram: from a request's last byte to its first token (OpenTelemetry: gen_ai.server.time_to_first_token)."""
    TOKEN_SECONDS = "springtide_token_seconds"  # noqa: S105  tokens of text
    """Histogram: seconds a token after the first one (OpenTelemetry: gen_ai.server.time_per_output_token)."""
    CACHE_USED = "springtide_cache_used_ratio"
    """Gauge: part of the key-value cache that is in use, 0 to 1."""
    BATCH = "springtide_batch_size"
    """Histogram: requests that were computed together."""
    REFUSED = "springtide_refused_total"
    """Counter by `reason` (deadline, queue, priority, key, body): requests that were not accepted."""
    FAILED = "springtide_failed_total"
    """Counter by `reason` (model, deadline, client, stopped): accepted requests that got no whole answer."""
    READY = "springtide_ready"
    """Gauge: 1 while the readiness probe passes, else 0."""


class GatewayMetric(StrEnum):
    """Prometheus names of a gateway. They are there while its service has no replica."""

    REQUESTS = "springtide_gateway_requests"
    """Gauge: requests held and in flight; what wakes the service."""
    HELD = "springtide_gateway_held"
    """Gauge: requests that wait for a replica."""
    WAITED_SECONDS = "springtide_gateway_waited_seconds"
    """Histogram: from a request's arrival to its replica."""
    ANSWERS = "springtide_gateway_answers_total"
    """Counter by `code`: answers handed on."""
    LOST = "springtide_gateway_lost_total"
    """Counter by `reason`: requests that got no answer of a replica."""
    REPLICAS = "springtide_gateway_ready_replicas"
    """Gauge: replicas that take requests."""
    ARM_REQUESTS = "springtide_gateway_arm_requests_total"
    """Counter by `arm`: requests that it was chosen for."""
    ARM_ERRORS = "springtide_gateway_arm_errors_total"
    """Counter by `arm`: those of its requests that were answered 429 or 5xx, or broken off."""
    ARM_SECONDS = "springtide_gateway_arm_seconds"
    """Histogram by `arm`: from a request's arrival to the head of its answer."""
    ARM_MOVED = "springtide_gateway_arm_moved_total"
    """Counter by `arm`: those of its requests that another arm was given, since it had no replica in time."""
    ARM_REPLICAS = "springtide_gateway_arm_ready_replicas"
    """Gauge by `arm`: its addresses that take requests; of an arm that sleeps these are its gateways."""


class TrainingMetric(StrEnum):
    """Prometheus names of a training run."""

    STEP = "springtide_training_step"
    """Gauge: optimizer steps made, of those that count."""
    LOSS = "springtide_training_loss"
    """Gauge: loss as it was told last."""
    TOKENS_PER_SECOND = "springtide_training_tokens_per_second"
    """Gauge: over all ranks, in the last few seconds."""
    GOODPUT = "springtide_training_goodput_ratio"
    """Gauge: useful part of the wall time since the run began."""
    SECONDS = "springtide_training_seconds"
    """Gauge by `part`: wall time so far. No counter: what a kill took away turns from useful to redone."""
    USEFUL_STEPS = "springtide_training_useful_steps"
    """Gauge: different steps made."""
    REDONE_STEPS = "springtide_training_redone_steps"
    """Gauge: steps made again."""
    RESTARTS = "springtide_training_restarts_total"
    """Counter by `cause`: restarts of processes in place, over all pods."""
    INTERRUPTIONS = "springtide_training_interruptions_total"
    """Counter: how often the run was told to stop and saved in time."""
    LOSSES = "springtide_training_losses_total"
    """Counter: how often work was taken away without a save."""
    CHECKPOINT_STEP = "springtide_training_checkpoint_step"
    """Gauge: step of the newest checkpoint."""
    CHECKPOINT_AGE = "springtide_training_checkpoint_age_seconds"
    """Gauge: since the newest checkpoint was published: what a kill would cost now."""
    CHECKPOINT_SECONDS = "springtide_training_checkpoint_seconds"
    """Gauge: from the beginning of the newest save to its publication."""
    CHECKPOINT_BYTES = "springtide_training_checkpoint_bytes"
    """Gauge: size of the newest checkpoint."""
    SLOW_RANK = "springtide_training_slow_rank"
    """Gauge: the rank that the others wait for; -1 when there is none."""


class Event(StrEnum):
    """Kinds of lines in a run's `events.jsonl`."""

    JOINED = "joined"
    """An agent is there: its node, how many there are, and by how much its clock was put forward."""
    LEFT = "left"
    """An agent ends, with this code."""
    STARTED = "started"
    RESTORED = "restored"
    PROGRESS = "progress"
    """Steps were made: how many by now, the loss, seconds by phase."""
    EVALUATED = "evaluated"
    SAVED = "saved"
    REJECTED = "rejected"
    """A checkpoint failed its digests and was set aside."""
    RESTARTED = "restarted"
    STUCK = "stuck"
    """A process was killed for standing still: which rank, in which phase and step, for how long."""
    SLOW = "slow"
    """A rank is slower than the others."""
    INTERRUPTED = "interrupted"
    EXPORTED = "exported"
    FAILED = "failed"


class Layout:
    """Where things lie below a run's artifacts URL."""

    CHECKPOINTS: ClassVar = "checkpoints"
    MANIFEST: ClassVar = "manifest.json"
    EXPORT: ClassVar = "export"
    EXPORT_WEIGHTS: ClassVar = "export/model.safetensors"
    EXPORT_CONFIG: ClassVar = "export/config.json"
    EXPORT_ADAPTERS: ClassVar = "export/adapters.safetensors"
    EVENTS: ClassVar = "events.jsonl"
    EVENT_SEGMENTS: ClassVar = "events"
    """Where object stores, which cannot append, hold the same log."""
    STATUS: ClassVar = "status.json"
    """Below a pod's scratch folder: what its agent tells those who ask for metrics."""

    @staticmethod
    def step(step: int) -> str:
        """Folder of the checkpoint taken after `step` optimizer steps."""
        return f"{Layout.CHECKPOINTS}/step-{step:08d}"

    @staticmethod
    def step_of(path: str) -> int | None:
        """The step whose folder `path` is or lies in; None for anything else."""
        match = re.match(rf"{Layout.CHECKPOINTS}/step-(\d{{8,}})(/|$)", path)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One variable that does not fit, in words for whoever set it."""

    name: str
    value: str | None
    """The text found; None when the variable is missing."""
    allowed: str

    def __str__(self) -> str:
        found = "is missing" if self.value is None else f"is {self.value!r}"
        return f"{self.name} {found}: it must be {self.allowed}"


class ContractError(ValueError):
    """Every mistake of an environment at once. The container ends with `code`, without a traceback."""

    code: ClassVar = ExitCode.CONFIG

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"the container's settings do not fit the contract (springtide_workloads.contract):{lines}")


@dataclass(frozen=True, slots=True)
class _Kind:
    parse: Callable[[str], Any]
    allowed: str


def _matching(pattern: str, allowed: str) -> _Kind:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return _Kind(parse, allowed)


def _whole(least: int, most: int | None = None) -> _Kind:
    def parse(text: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]*", text) or int(text) < least or (most is not None and int(text) > most):
            raise ValueError(text)
        return int(text)

    return _Kind(parse, f"a whole number, at least {least}" + ("" if most is None else f" and at most {most}"))


_NAME = _matching(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "a DNS label: lower-case letters, digits and '-', at most 63")
_RECIPE = _matching(
    RECIPE,
    "a recipe, name[:key=value,...], such as gpt_tiny or gpt_tiny:steps=100",
)
_URL = _matching(
    r"(file:///|(s3|gs|az)://[^/\s]+)\S*", "a URL of scheme file, s3, gs or az, such as s3://bucket/prefix"
)
_PATH = _matching(r"/\S*", "an absolute path without spaces")
_HOST = _matching(r"[A-Za-z0-9:._-]+", "a host name or address")
_PREDICTOR = _matching(PREDICTOR, "a predictor, name[:key=value,...], such as gpt or team.chat.Chat:max_batch=32")
_NAMED_URLS = _matching(
    r"[a-z0-9][-a-z0-9]*=[^,=\s]+(,[a-z0-9][-a-z0-9]*=[^,=\s]+)*", "name=URL of each model, with commas between"
)


def _dollars(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


_USD = _Kind(_dollars, "an amount of dollars an hour for all nodes together, such as 31.20")
_SECONDS = _whole(0)
_PORT = _whole(1, 65535)
_DEVICE = _Kind(Device, "one of " + ", ".join(Device))
_NOTICE_FROM = _Kind(NoticeFrom, "one of " + ", ".join(NoticeFrom))


def _arms(text: str) -> str:
    pairs = [pair.split("=") for pair in text.split(",")]
    names = {name for name, *_ in pairs}
    if not re.fullmatch(_ARM_PAIRS, text) or len(names) < len(pairs) or not any(int(weight) for _, weight in pairs):
        raise ValueError(text)
    return text


_ARM_NAME = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_ARM_PAIRS = rf"{_ARM_NAME}=(?:0|[1-9][0-9]{{0,5}})(?:,{_ARM_NAME}=(?:0|[1-9][0-9]{{0,5}}))*"
_ARMS = _Kind(
    _arms, "name=weight of each arm, with commas between: each name once, weights whole and one of them not 0"
)


def _var(env: Env, kind: _Kind, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"env": env, "kind": kind})


class _Contract:
    """Reading and writing of dataclasses whose fields are made with `_var`."""

    __slots__ = ()
    # dataclass machinery is looked up by name: the subclasses below are the dataclasses
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __post_init__(self) -> None:
        _, problems = _parse(type(self), self.to_env())
        if problems := problems or self._conflicts():
            raise ContractError(tuple(problems))

    def _conflicts(self) -> list[Problem]:
        return []

    def to_env(self) -> dict[str, str]:
        """The variables to set; a field that is None is left out."""
        values = ((f, getattr(self, f.name)) for f in fields(self))
        return {f.metadata["env"].value: str(value) for f, value in values if value is not None}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """The contract that `env` states; variables of other names are not looked at.

        Raises:
            ContractError: with every variable that is missing, malformed or in conflict with another.
        """
        values, problems = _parse(cls, env)
        if problems:
            raise ContractError(tuple(problems))
        return cls(**values)


def _parse(cls: type[_Contract], env: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for f in fields(cls):
        name, kind = f.metadata["env"].value, f.metadata["kind"]
        text = env.get(name)
        if text is None and f.default is not MISSING:
            continue
        try:
            values[f.name] = kind.parse(text if text is not None else "")
        except ValueError:
            problems.append(Problem(name=name, value=text, allowed=kind.allowed))
    return values, problems


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingContract(_Contract):
    """One node's part of a training run. Seconds are whole seconds; zero is a value."""

    run: str = _var(Env.RUN, _NAME)
    """Name of the run; artifacts of two runs never share a URL."""
    recipe: str = _var(Env.RECIPE, _RECIPE)
    """What to train: `name[:key=value,...]`, a function of `springtide_workloads.recipes`."""
    artifacts_url: str = _var(Env.ARTIFACTS_URL, _URL)
    """Where checkpoints, events and the export go; the run's prefix is already in it."""
    data_url: str | None = _var(Env.DATA_URL, _URL, None)
    """Text to train on. Default None: the text that every CPython ships."""
    scratch_dir: str = _var(Env.SCRATCH_DIR, _PATH, SCRATCH_DIR)
    """Node-local disk, lost with the pod."""
    device: Device = _var(Env.DEVICE, _DEVICE, Device.CUDA)  # noqa: RUF009  a dataclass field like its neighbours
    metrics_port: int = _var(Env.METRICS_PORT, _PORT, METRICS_PORT)
    """Where node 0 answers who asks for the run's numbers."""
    nodes: int = _var(Env.NODES, _whole(1))
    procs_per_node: int = _var(Env.PROCS_PER_NODE, _whole(1))
    """One process a GPU."""
    master_addr: str = _var(Env.MASTER_ADDR, _HOST)
    """Host of node 0. It has no default: a node that falls back to itself would train alone."""
    master_port: int = _var(Env.MASTER_PORT, _PORT, RENDEZVOUS_PORT)
    node_rank: int | None = _var(Env.NODE_RANK, _whole(0), None)
    """This node's index. None on the component's side, where `RANK_FIELD` supplies it."""
    notice_seconds: int = _var(Env.NOTICE_SECONDS, _SECONDS)
    """How long before taking a machine its cloud says so; 0 where it never does."""
    grace_seconds: int = _var(Env.GRACE_SECONDS, _SECONDS)
    """From SIGTERM to SIGKILL of the pod."""
    shutdown_seconds: int = _var(Env.SHUTDOWN_SECONDS, _SECONDS)
    """How long the agent lets its processes finish; at most the grace."""
    save_deadline_seconds: int = _var(Env.SAVE_DEADLINE_SECONDS, _SECONDS)
    """Within which the last checkpoint must be published; at most the shutdown time."""
    usd_per_hour: float | None = _var(Env.USD_PER_HOUR, _USD, None)
    """Price of all nodes together. Default None: nothing is said of cost."""

    @property
    def world_size(self) -> int:
        """Processes of the whole run."""
        return self.nodes * self.procs_per_node

    def _conflicts(self) -> list[Problem]:
        return [
            *_at_most(
                Env.SAVE_DEADLINE_SECONDS, self.save_deadline_seconds, Env.SHUTDOWN_SECONDS, self.shutdown_seconds
            ),
            *_at_most(Env.SHUTDOWN_SECONDS, self.shutdown_seconds, Env.GRACE_SECONDS, self.grace_seconds),
            *_at_most(Env.NODE_RANK, self.node_rank or 0, f"{Env.NODES} - 1", self.nodes - 1),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingContract(_Contract):
    """One replica of a model server."""

    model_url: str = _var(Env.MODEL_URL, _URL)
    """Artifacts URL of the run that trained the model; the server reads `export/` below it and nothing else."""
    further_model_urls: str | None = _var(Env.FURTHER_MODEL_URLS, _NAMED_URLS, None)
    """More models, or adapters of the first, `name=URL,...`; a request names the one it means. Default None."""
    predictor: str = _var(Env.PREDICTOR, _PREDICTOR, GPT_PREDICTOR)
    """What serves, `name[:key=value,...]`: `gpt`, or a class of a module in the image."""
    scratch_dir: str = _var(Env.SCRATCH_DIR, _PATH, SCRATCH_DIR)
    device: Device = _var(Env.DEVICE, _DEVICE, Device.CUDA)  # noqa: RUF009  a dataclass field like its neighbours
    http_port: int = _var(Env.HTTP_PORT, _PORT, HTTP_PORT)
    metrics_port: int = _var(Env.METRICS_PORT, _PORT, METRICS_PORT)
    grace_seconds: int = _var(Env.GRACE_SECONDS, _SECONDS)
    """From SIGTERM to SIGKILL of the pod; at least propagation and drain together."""
    propagation_seconds: int = _var(Env.PROPAGATION_SECONDS, _SECONDS)
    """After SIGTERM, how long new requests are still answered while load balancers learn of it."""
    drain_seconds: int = _var(Env.DRAIN_SECONDS, _SECONDS)
    """After that, how long accepted requests may take to finish."""
    keys_file: str | None = _var(Env.KEYS_FILE, _PATH, None)
    """File of the keys that may ask, one a line. Default None: whoever reaches the server may."""
    notice_from: NoticeFrom = _var(Env.NOTICE_FROM, _NOTICE_FROM, NoticeFrom.NONE)  # noqa: RUF009  as above
    """Who is asked whether this machine is about to go. Default: nobody, SIGTERM says it."""

    def _conflicts(self) -> list[Problem]:
        spent = self.propagation_seconds + self.drain_seconds
        name = f"{Env.PROPAGATION_SECONDS} + {Env.DRAIN_SECONDS}"
        return _at_most(name, spent, Env.GRACE_SECONDS, self.grace_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayContract(_Contract):
    """One gateway in front of the replicas of a service."""

    service: str = _var(Env.REPLICAS_SERVICE, _NAME)
    """Kubernetes Service whose endpoints are the replicas."""
    namespace: str | None = _var(Env.NAMESPACE, _NAME, None)
    """Of that Service. None on the component's side, where `NAMESPACE_FIELD` supplies it."""
    in_flight_per_replica: int = _var(Env.IN_FLIGHT_PER_REPLICA, _whole(1))
    """Requests that a gateway lets one replica have at a time; the others it holds."""
    hold_seconds: int = _var(Env.HOLD_SECONDS, _whole(1))
    """How long a request may wait for a replica: the time a replica takes to be there."""
    held_requests: int = _var(Env.HELD_REQUESTS, _whole(1), 1000)
    """Requests that may wait at a time."""
    arms: str | None = _var(Env.ARMS, _ARMS, None)
    """What the requests are divided among, `name=weight,...`: the service itself first, then Services of other names.
    Default None: nobody but the service."""
    held_mib: int = _var(Env.HELD_MIB, _whole(1), 256)
    """What the bodies of all requests may take in memory, in MiB, until a replica begins to answer."""
    http_port: int = _var(Env.HTTP_PORT, _PORT, HTTP_PORT)
    metrics_port: int = _var(Env.METRICS_PORT, _PORT, METRICS_PORT)
    grace_seconds: int = _var(Env.GRACE_SECONDS, _SECONDS)
    """From SIGTERM to SIGKILL of the pod; at least propagation, hold and drain together."""
    propagation_seconds: int = _var(Env.PROPAGATION_SECONDS, _SECONDS)
    """After SIGTERM, how long new requests are still taken while load balancers learn of it."""
    drain_seconds: int = _var(Env.DRAIN_SECONDS, _SECONDS)
    """How long a replica may take to answer, once the gateway takes no new request."""
    keys_file: str | None = _var(Env.KEYS_FILE, _PATH, None)
    """File of the keys that may ask, one a line. Default None: whoever reaches the gateway may."""

    def _conflicts(self) -> list[Problem]:
        spent = self.propagation_seconds + self.hold_seconds + self.drain_seconds
        name = f"{Env.PROPAGATION_SECONDS} + {Env.HOLD_SECONDS} + {Env.DRAIN_SECONDS}"
        return _at_most(name, spent, Env.GRACE_SECONDS, self.grace_seconds)


def _at_most(name: str, value: int, bound_name: str, bound: int) -> list[Problem]:
    if value <= bound:
        return []
    return [Problem(name=name, value=str(value), allowed=f"at most {bound_name}, which is {bound}")]
