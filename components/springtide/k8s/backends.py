"""Servers that a model service can run: ours, vLLM, SGLang, Triton. What each is told, asked, and read by.

The table states facts about other people's images; none of them was run here. Where they come from, read in November 2026:

* vLLM: `--shutdown-timeout` (seconds that requests in flight may take after SIGTERM; 0, which aborts them, is its default;
  since 0.18.0): vllm-project/vllm#34730, #36666; preStop before it: kserve/kserve#5496. Whether `/health` waits for the model
  is told both ways (kubernetes-sigs/gateway-api-inference-extension#550, #558), so `/v1/models` says ready, as in
  llm-d/llm-d#330. Names of metrics: its page "Production Metrics" and vllm/v1/metrics/loggers.py; since 0.11
  `inter_token_latency_seconds` in place of `time_per_output_token_seconds` (#24110, #32661): of each output, in which
  speculative decoding puts several tokens (#52853). `/metrics` is on the port of its API.
* SGLang: `--enable-metrics`, names of metrics: its page "Production Metrics". It answers on 127.0.0.1 unless told otherwise
  (page "Server Arguments"). `/health` is 503 while it starts and while it drains; `/health_generate` makes a token and takes
  one second at least, twenty at most (python/sglang/srt/entrypoints/http_server.py). It drains without a bound of its own
  (sgl-project/sglang#1838): the pod's grace is the bound.
* Models in buckets: vLLM's page "Loading models with Run:ai Model Streamer" (s3://, gs://), SGLang's "Loading Models from Object
  Storage" (the same loader, chosen by the address), Triton's "Model Repository" (s3://, gs://).
* Triton: `--exit-timeout-secs` (30 by default), `--metrics-port`: `tritonserver --help`; names of metrics, and
  `histogram_latencies`: triton-inference-server/server docs/user_guide/metrics.md and qa/L0_metrics.
* KEDA reads the pods at the port in its URL, and of a metric the first series (pkg/scalers/metrics_api_scaler.go, August
  2026): where a server tells one series a rank or a model, it is read as less than it is. Before 2.20.0 it read every pod of
  the namespace (kedacore/keda#7641).

`Backend.unverified` names what is believed and was not found written down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from springtide.k8s import Manifest
from springtide.k8s.probes import probes as probes_of
from springtide_workloads import contract
from springtide_workloads.contract import Metric

_HOME: Mapping[str, str] = MappingProxyType(
    {"HOME": contract.SCRATCH_DIR, "TMPDIR": contract.SCRATCH_DIR, "USER": "springtide"}
)
"""For images made to run as root on a disk of their own: where caches go, and a name, which torch's compiler asks for and our
pods' user has none."""
HUB_TOKEN = "HF_TOKEN"  # noqa: S105  the variable's name
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104  a pod's server is reached from outside the pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Prometheus names of what a server tells. None: it does not."""

    running: str | None
    """Gauge: requests being computed now."""
    waiting: str
    """Gauge: requests that wait for their turn."""
    first_token: str | None
    """Histogram: until the first token."""
    first_token_unit_seconds: float = 1.0
    """Seconds that 1 of it means."""
    per_token: str | None
    """Histogram: seconds a token after the first one."""
    prompt_tokens: str | None
    """Counter of tokens read, with matchers where others share its name."""
    completion_tokens: str | None
    """Counter of tokens written, likewise."""
    cache_used: str | None
    """Gauge: part of the key-value cache that is in use, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What one replica is told."""

    name: str
    """The service; clients ask for its model by this name."""
    model: str
    """Where the model is: a folder in the pod, or what else the server itself can load. None but ours reads what our recipes
    export: vLLM and SGLang want a folder as Hugging Face lays it out, Triton a repository of models."""
    gpus: int
    drain_seconds: int
    """How long requests in flight may take, once it is told to go."""
    more: tuple[str, ...] = ()
    """Arguments of the user's, behind ours."""

    @property
    def streamed(self) -> bool:
        """Whether the model is in a bucket."""
        return "://" in self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One kind of server."""

    command: tuple[str, ...]
    """First process of the container, in exec form: it hears SIGTERM. An image's own entry changes between versions."""
    arguments: Callable[[Launch], tuple[str, ...]]
    """What follows the command."""
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    http_port: int = contract.HTTP_PORT
    metrics_port: int
    """Of the pod. Where it is the port of the API, that one has no second name: Kubernetes merges ports by number."""
    live_path: str
    ready_path: str
    ready_timeout_seconds: int = 1
    """Kubernetes' own default, unless a probe makes the model compute."""
    signals: Signals
    answers_after_sigterm: bool = False
    """Whether it owns the propagation window: takes new requests on for that time. Another's pod sleeps before SIGTERM."""
    needs_gpu: bool = False
    """Whether its makers' image computes on GPUs alone."""
    hub: bool = False
    """Whether it loads a model by its name at Hugging Face."""
    least_version: str | None = None
    """Older ones do not know an argument."""
    unverified: tuple[str, ...] = ()

    @property
    def metrics_port_name(self) -> str:
        """Name of the container port that its numbers are read at."""
        return "http" if self.metrics_port == self.http_port else "metrics"


def command(backend: Backend, launch: Launch) -> tuple[str, ...]:
    """The container's first process, with all it is told."""
    return (*backend.command, *backend.arguments(launch), *launch.more)


def flags(backend: Backend, launch: Launch) -> set[str]:
    """Names of the arguments that are ours to give."""
    return {each.partition("=")[0] for each in backend.arguments(launch) if each.startswith("--")}


def ports(backend: Backend) -> list[Manifest]:
    """Ports of the container."""
    named = {"http": backend.http_port, backend.metrics_port_name: backend.metrics_port}
    return [{"name": name, "containerPort": port} for name, port in named.items()]


def probes(backend: Backend, startup_seconds: int) -> Manifest:
    """Probes of the container."""
    timeout = backend.ready_timeout_seconds
    return probes_of(backend.live_path, backend.ready_path, startup_seconds, ready_timeout_seconds=timeout)


def lifecycle(backend: Backend, propagation_seconds: int) -> Manifest:
    """What keeps a pod answering while everyone learns that it goes: nothing, where its server does; else a sleep.

    The sleep is Kubernetes' own (1.30 and later): no image needs a shell for it. It counts against the pod's grace.
    """
    if backend.answers_after_sigterm or propagation_seconds == 0:
        return {}
    return {"lifecycle": {"preStop": {"sleep": {"seconds": propagation_seconds}}}}


def value_locations(backend: Backend) -> dict[str, str]:
    """What KEDA's metrics-api triggers read of each replica, by the triggers' names; their sum is what it scales on."""
    signals = backend.signals
    found = {"in_flight": signals.running, "queued": signals.waiting}
    return {name: metric for name, metric in found.items() if metric is not None}


def _vllm(launch: Launch) -> tuple[str, ...]:
    return (
        launch.model,
        f"--port={contract.HTTP_PORT}",
        f"--served-model-name={launch.name}",
        f"--tensor-parallel-size={max(launch.gpus, 1)}",
        f"--shutdown-timeout={launch.drain_seconds}",
        *(["--load-format=runai_streamer"] if launch.streamed else []),
    )


def _sglang(launch: Launch) -> tuple[str, ...]:
    return (
        f"--model-path={launch.model}",
        f"--host={EVERY_ADDRESS}",
        f"--port={contract.HTTP_PORT}",
        f"--served-model-name={launch.name}",
        f"--tp-size={max(launch.gpus, 1)}",
        "--enable-metrics",
    )


def _triton(launch: Launch) -> tuple[str, ...]:
    return (
        f"--model-repository={launch.model}",
        f"--http-port={contract.HTTP_PORT}",
        f"--metrics-port={contract.METRICS_PORT}",
        f"--exit-timeout-secs={launch.drain_seconds}",
        "--metrics-config=histogram_latencies=true",
    )


BACKENDS: Mapping[str, Backend] = MappingProxyType(
    {
        "springtide": Backend(
            command=contract.SERVE_COMMAND,
            # what it is told stands in its environment: ServingContract
            arguments=lambda _: (),
            metrics_port=contract.METRICS_PORT,
            live_path=contract.LIVE_PATH,
            ready_path=contract.READY_PATH,
            signals=Signals(
                running=Metric.IN_FLIGHT.value,
                waiting=Metric.QUEUED.value,
                first_token=Metric.FIRST_TOKEN_SECONDS.value,
                per_token=Metric.TOKEN_SECONDS.value,
                prompt_tokens=f'{Metric.TOKENS.value}{{kind="prompt"}}',
                completion_tokens=f'{Metric.TOKENS.value}{{kind="completion"}}',
                cache_used=Metric.CACHE_USED.value,
            ),
            answers_after_sigterm=True,
        ),
        "vllm": Backend(
            command=("vllm", "serve"),
            arguments=_vllm,
            metrics_port=contract.HTTP_PORT,
            live_path="/health",
            ready_path=contract.MODELS_PATH,
            signals=Signals(
                running="vllm:num_requests_running",
                waiting="vllm:num_requests_waiting",
                first_token="vllm:time_to_first_token_seconds",  # noqa: S106  tokens of text
                per_token="vllm:inter_token_latency_seconds",  # noqa: S106  tokens of text
                prompt_tokens="vllm:prompt_tokens_total",
                completion_tokens="vllm:generation_tokens_total",
                cache_used="vllm:kv_cache_usage_perc",
            ),
            env=_HOME,
            needs_gpu=True,
            hub=True,
            least_version="0.18.0",
            unverified=(
                "/v1/models answers once the model is loaded, and not before",
                "requests that come while it drains: 503, or a closed connection",
                "it runs with a read-only root and HOME, caches and temporary files on the pod's scratch disk",
            ),
        ),
        "sglang": Backend(
            command=("python3", "-m", "sglang.launch_server"),
            arguments=_sglang,
            # else /health computes too, and a server that is busy could be killed for it
            env=MappingProxyType({**_HOME, "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION": "false"}),
            needs_gpu=True,
            hub=True,
            metrics_port=contract.HTTP_PORT,
            live_path="/health",
            ready_path="/health_generate",
            ready_timeout_seconds=20,
            signals=Signals(
                running="sglang:num_running_reqs",
                waiting="sglang:num_queue_reqs",
                first_token="sglang:time_to_first_token_seconds",  # noqa: S106  tokens of text
                per_token="sglang:inter_token_latency_seconds",  # noqa: S106  tokens of text
                prompt_tokens="sglang:prompt_tokens_total",
                completion_tokens="sglang:generation_tokens_total",
                cache_used="sglang:token_usage",
            ),
            unverified=(
                "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION in every version",
                "requests that come while it drains: answered or refused",
                "it runs with a read-only root and HOME, caches and temporary files on the pod's scratch disk",
            ),
        ),
        "triton": Backend(
            command=("tritonserver",),
            arguments=_triton,
            env=_HOME,
            metrics_port=contract.METRICS_PORT,
            live_path="/v2/health/live",
            ready_path="/v2/health/ready",
            signals=Signals(
                running=None,
                waiting="nv_inference_pending_request_count",
                # the first answer that is delivered, a token only where the backend streams tokens
                first_token="nv_inference_first_response_histogram_ms",  # noqa: S106  tokens of text
                first_token_unit_seconds=0.001,
                per_token=None,
                prompt_tokens=None,
                completion_tokens=None,
                cache_used=None,
            ),
            unverified=(
                "its ports open once the models are loaded",
                "the histogram of first answers is an experiment of its makers, for models that stream",
                "pending requests are told one series a model: KEDA reads the first",
            ),
        ),
    }
)
"""Every server that a service can run, by the names of `spec.work.BACKENDS`."""
