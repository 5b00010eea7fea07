"""What runs on the pools: training jobs and model services."""

import re
from dataclasses import field

from springtide.spec.checks import at_least, by_digest, distinct, dns_label, one_of, positive, spec
from springtide.spec.finding import Finding, below, refuse
from springtide.spec.pool import FABRICS

EXPOSURES = ("none", "internal")
"""Who can reach a service from outside its cluster, in one word; a name on the internet is a `PublicSpec`."""
AUTHS = ("keys", "open")
WHOLE = 100
"""Percent of a service's requests, its own and those of its arms."""
ON_NOTICE = ("save", "leave")
"""What a run does when its machine is about to be taken back: save once more, or leave with its newest checkpoint."""
GPT = "gpt"
"""The image's own predictor."""
BACKENDS = ("springtide", "vllm", "sglang", "triton")
"""Kinds of server that a service can run; the first one is ours."""
OURS = BACKENDS[0]
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FOLDER = re.compile(r"(?!.*(^|/)\.{1,2}(/|$))[^/\s](?:[^\s]*[^/\s])?")
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
_SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def service_name(path: str, value: str) -> list[Finding]:
    """What is wrong with a name that a Kubernetes Service has too: those must begin with a letter (RFC 1035)."""
    if _SERVICE_NAME.fullmatch(value):
        return []
    message = f"{value!r} cannot be the name of a Kubernetes Service."
    fix = "use lower-case letters, digits and '-', at most 63, beginning with a letter, ending with a letter or digit"
    return [refuse("spec/name", path, value, message, fix)]


@spec
class JobSpec:
    """A training job: its definition, and the run that lives, if any."""

    recipe: str
    nodes: int = 1
    run: str | None = None
    image: str | None = None
    fabrics: tuple[str, ...] = ()
    checkpoint_gib: float | None = None
    save_seconds: float | None = None
    on_notice: str | None = None

    @property
    def leaves(self) -> bool:
        """Whether a run that is told to stop leaves with its newest checkpoint, and does not save once more."""
        return self.on_notice == "leave"

    def findings(self) -> list[Finding]:
        """What is impossible about this job."""
        run = [] if self.run is None else dns_label("/run", self.run)
        fabrics = [found for i, name in enumerate(self.fabrics) for found in one_of(f"/fabrics/{i}", name, FABRICS)]
        return [
            *at_least("/nodes", self.nodes, 1),
            *run,
            *by_digest("/image", self.image),
            *fabrics,
            *positive("/checkpoint_gib", self.checkpoint_gib),
            *positive("/save_seconds", self.save_seconds),
            *([] if self.on_notice is None else one_of("/on_notice", self.on_notice, ON_NOTICE)),
        ]


@spec
class ModelSpec:
    """Which model a service loads: what a job's run exported, or one that is somewhere else."""

    job: str | None = None
    """Name of the training job whose run exported it."""
    further: tuple[str, ...] = ()
    """Names of more jobs whose models, or adapters of the first, the same servers hold; a request names the one it means."""
    hub: str | None = None
    """Name of a model at Hugging Face, such as Qwen/Qwen3-8B, for a backend that is not ours."""
    storage: str | None = None
    """Name of the storage that a folder with the model is in, for a backend that is not ours."""
    path: str | None = None
    """The folder, below the storage."""

    def findings(self) -> list[Finding]:
        """Which model is named twice, or in two ways, or in none."""
        again = [] if self.job not in self.further else [self.further.index(self.job)]
        return [
            *self._named_once(),
            *distinct("/further", self.further),
            *(
                refuse("spec/twice", f"/further/{at}", self.job, f"{self.job} is the first model.", "name it once")
                for at in again
            ),
            *_folder(self),
            *_hub(self.hub),
        ]

    def _named_once(self) -> list[Finding]:
        ways = {"job": self.job, "hub": self.hub, "storage": self.storage}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) == 1:
            return []
        message = f"{' and '.join(given)} name a model each." if given else "nothing says which model."
        fix = "name one of job, hub and storage (with path)"
        return [refuse("spec/model", "", given or None, message, fix, allowed=tuple(ways))]


def _hub(name: str | None) -> list[Finding]:
    if name is None or _HUB.fullmatch(name):
        return []
    message = f"{name!r} is no model at Hugging Face."
    return [refuse("spec/hub", "/hub", name, message, "write owner/model, such as Qwen/Qwen3-8B")]


def _folder(model: ModelSpec) -> list[Finding]:
    if model.path is None and model.storage is None:
        return []
    if model.storage is None:
        message = "a path without the storage that it is in."
        return [refuse("spec/model-path", "/path", model.path, message, "say storage: the name of a storage")]
    if model.path is not None and _FOLDER.fullmatch(model.path):
        return []
    message = "nothing says which folder." if model.path is None else f"{model.path!r} is no folder below a storage."
    fix = "write its path without '/' before and behind it, and without '..': models/qwen3-8b"
    return [refuse("spec/model-path", "/path", model.path, message, fix)]


@spec
class ReplicasSpec:
    """How many servers run, at least and at most."""

    min: int = 1
    max: int = 1


@spec
class ScaleOnSpec:
    """What makes a service grow between its two bounds; without a signal it stays at its minimum."""

    cpu_percent: int | None = None
    in_flight_per_replica: int | None = None

    def findings(self) -> list[Finding]:
        """What is impossible about these signals."""
        signals = {"cpu_percent": self.cpu_percent, "in_flight_per_replica": self.in_flight_per_replica}
        given = {name: value for name, value in signals.items() if value is not None}
        found = [wrong for name, value in given.items() for wrong in at_least(f"/{name}", value, 1)]
        if len(given) > 1:
            message = f"{' and '.join(given)} would be two autoscalers of one service."
            found.append(refuse("spec/scale-on", "/cpu_percent", self.cpu_percent, message, "name one of them"))
        return found


@spec
class PublicSpec:
    """A name on the internet, and who may use what answers there."""

    host: str
    zone: str
    auth: str | None = None

    def findings(self) -> list[Finding]:
        """What is impossible about this name."""
        return [*_host(self.host), *_auth(self.auth)]


@spec
class ServiceSpec:
    """A model server and how many of it."""

    model: ModelSpec
    backend: str = OURS
    predictor: str = GPT
    arguments: tuple[str, ...] = ()
    replicas: ReplicasSpec = ReplicasSpec()
    scale_on: ScaleOnSpec = ScaleOnSpec()
    gpus: int | None = None
    expose: str | PublicSpec = "none"
    image: str | None = None
    gateway_image: str | None = None
    propagation_seconds: int = 10
    drain_seconds: int = 60
    startup_seconds: int = 600
    split: dict[str, int] = field(default_factory=dict)

    @property
    def public(self) -> PublicSpec | None:
        """Its name on the internet; None where it has none."""
        return self.expose if isinstance(self.expose, PublicSpec) else None

    @property
    def sleeps(self) -> bool:
        """Whether it has no replica while nobody asks; a gateway holds the request that wakes it."""
        return self.replicas.min == 0

    @property
    def has_gateway(self) -> bool:
        """Whether gateways stand before its servers: to hold requests, to divide them, or to ask for keys that servers do not."""
        asks = self.is_foreign and self.public is not None and self.public.auth == "keys"
        return self.sleeps or bool(self.split) or asks

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else's server runs."""
        return self.backend != OURS

    @property
    def reached(self) -> str:
        """From where it is reached: `none`, `internal` or `host`."""
        return self.expose if isinstance(self.expose, str) else "host"

    def findings(self) -> list[Finding]:
        """What is impossible about this service."""
        return [
            *below("/model", self.model.findings()),
            *one_of("/backend", self.backend, BACKENDS),
            *(_told(self) if self.backend in BACKENDS else ()),
            *at_least("/replicas/min", self.replicas.min, 0),
            *at_least("/replicas/max", self.replicas.max, max(self.replicas.min, 1)),
            *_nothing_wakes(self),
            *below("/scale_on", self.scale_on.findings()),
            *below("/expose", _exposure(self.expose)),
            *([] if self.gpus is None else at_least("/gpus", self.gpus, 0)),
            *at_least("/propagation_seconds", self.propagation_seconds, 0),
            *at_least("/drain_seconds", self.drain_seconds, 1),
            *at_least("/startup_seconds", self.startup_seconds, 1),
            *by_digest("/image", self.image),
            *by_digest("/gateway_image", self.gateway_image),
            *_split(self.split),
        ]


def _split(percents: dict[str, int]) -> list[Finding]:
    """What is wrong with the parts that other services take of a service's requests."""
    names = [found for name in percents for found in service_name(f"/split/{name}", name)]
    low = [found for name, percent in percents.items() for found in at_least(f"/split/{name}", percent, 0)]
    if low or (total := sum(percents.values())) <= WHOLE:
        return [*names, *low]
    message = f"other services take {total} percent of its requests."
    fix = f"use {WHOLE} percent at most, all arms together; the service itself gets what is left"
    return [*names, refuse("spec/split", "/split", total, message, fix)]


def _told(service: ServiceSpec) -> list[Finding]:
    """What is wrong about what its kind of server is told."""
    return _foreign(service) if service.is_foreign else _ours(service)


def _ours(service: ServiceSpec) -> list[Finding]:
    """What our own server is told that it does not know."""
    found = []
    where = next((key for key in ("hub", "storage") if getattr(service.model, key) is not None), None)
    if where is not None and service.model.job is None:
        message = "our server loads what a run of a job exported."
        fix = f"name a job, or a backend that loads it: {', '.join(BACKENDS[1:])}"
        found.append(refuse("spec/model-source", f"/model/{where}", getattr(service.model, where), message, fix))
    if service.arguments:
        message = "our server has no arguments."
        fix = f"write settings behind the predictor's name, {GPT}:slots=32, or name another backend"
        found.append(refuse("spec/arguments", "/arguments", list(service.arguments), message, fix))
    if service.model.further and service.predictor.partition(":")[0] != GPT:
        message = f"predictor {service.predictor} gets one model; several at a time are what {GPT} serves."
        fix = "leave further out, or make a service of each"
        found.append(refuse("spec/further", "/model/further", list(service.model.further), message, fix))
    return found


def _foreign(service: ServiceSpec) -> list[Finding]:
    """What somebody else's server is told that it does not know, or is not told."""
    found = []
    called = service.backend
    if service.model.job is not None and service.model.hub is service.model.storage is None:
        message = f"{called} does not read what our recipes export."
        fix = f"name storage and path of a model that it reads, or its hub name; or use backend: {OURS}"
        found.append(refuse("spec/model-source", "/model/job", service.model.job, message, fix))
    if service.predictor != GPT:
        message = f"a predictor is what our server runs, not {called}."
        found.append(refuse("spec/predictor", "/predictor", service.predictor, message, f"use backend: {OURS}"))
    if service.image is None:
        message = f"nothing says which image of {called}: the environment's is ours."
        fix = "name it by digest, as its makers publish it, or a copy in your registry"
        found.append(refuse("spec/backend-image", "/image", None, message, fix))
    wrong = [(at, each) for at, each in enumerate(service.arguments) if not each.strip()]
    return [
        *found,
        *(
            refuse("spec/arguments", f"/arguments/{at}", each, "an argument without a word.", "leave it out")
            for at, each in wrong
        ),
    ]


def _exposure(expose: str | PublicSpec) -> list[Finding]:
    if isinstance(expose, PublicSpec):
        return expose.findings()
    if expose in EXPOSURES:
        return []
    fix = "write none, internal, or a name: {host: chat.example.com, auth: keys, zone: <its DNS zone>}"
    return [refuse("spec/one-of", "", expose, f"{expose!r} is not known here.", fix, allowed=EXPOSURES)]


def _host(host: str) -> list[Finding]:
    if _HOST.fullmatch(host):
        return []
    fix = "write a full name in lower-case letters, without https:// and without a path: chat.example.com"
    return [refuse("spec/host", "/host", host, f"{host!r} is no name on the internet.", fix)]


def _auth(auth: str | None) -> list[Finding]:
    if auth is not None:
        return one_of("/auth", auth, AUTHS)
    message = "nothing says who may use it, and a model server on the internet computes for everybody who finds it."
    fix = "use keys: only requests with a key of yours are answered; or say open, if everybody is who you mean"
    return [refuse("spec/auth", "/auth", None, message, fix, allowed=AUTHS)]


def _nothing_wakes(service: ServiceSpec) -> list[Finding]:
    if not service.sleeps or service.scale_on.in_flight_per_replica is not None:
        return []
    message = "no replica would ever start: nothing wakes this service from zero."
    fix = "say scale_on: {in_flight_per_replica: 8}, so that a request does, or use 1 or more"
    return [refuse("spec/wake", "/replicas/min", 0, message, fix)]
