"""PromQL over a service's numbers, as `monitor.pod_monitor` labels them. Pure text.

Every expression is summed over the pods first and compared then: right for none, one and many. What is summed keeps the
labels of `KEPT`, so that services of one name in two namespaces stay apart. Only `absent` cannot tell these from each other.
"""

SERVICE = "service"
"""Label of every series: the service's name."""
KEPT = ("namespace", SERVICE)
"""Labels that a sum keeps; the Prometheus operator sets the first one."""
WINDOW = "5m"
"""Over which a rate is taken: ten readings of 30 s, so that one that fails changes little."""


def series(metric: str, name: str, *matchers: str, suffix: str = "") -> str:
    """The series of a metric, one a pod."""
    chosen = ",".join([f'{SERVICE}="{name}"', *matchers])
    return f"{metric}{suffix}{{{chosen}}}"


def rate(metric: str, name: str, *matchers: str, suffix: str = "", window: str = WINDOW) -> str:
    """Rise of a counter a second, one a pod. A pod that starts again counts from nothing, which this allows for."""
    return f"rate({series(metric, name, *matchers, suffix=suffix)}[{window}])"


def over_pods(function: str, expression: str, *more: str) -> str:
    """One number of all pods, by `sum`, `avg`, `max` or `min`; none where there is no pod. Further labels may be kept."""
    return f"{function} by ({', '.join([*KEPT, *more])}) ({expression})"


def ratio(part: str, whole: str) -> str:
    """Part of the whole; none where the whole is nothing, rather than 0 ÷ 0."""
    return f"{part} / ({whole} > 0)"


def quantile(part: float, metric: str, name: str) -> str:
    """Quantile of a histogram over all pods: their buckets are summed before it is taken, since quantiles have no mean."""
    return f"histogram_quantile({part}, {over_pods('sum', rate(metric, name, suffix='_bucket'), 'le')})"


def mean(metric: str, name: str) -> str:
    """Mean of a histogram over all pods."""
    summed = over_pods("sum", rate(metric, name, suffix="_sum"))
    return ratio(summed, over_pods("sum", rate(metric, name, suffix="_count")))


def absent(metric: str, name: str) -> str:
    """1 where no pod of the service has the metric."""
    return f"absent({series(metric, name)})"


def both(expression: str, condition: str) -> str:
    """The expression where the condition holds of the same service too."""
    return f"({expression}) and on ({', '.join(KEPT)}) ({condition})"


def without(expression: str, condition: str) -> str:
    """The expression where the condition has no number of the same service."""
    return f"({expression}) unless on ({', '.join(KEPT)}) ({condition})"


def or_zero(expression: str) -> str:
    """The expression, and 0 where it is none. For pictures: an alert that says 0 for silence would hide an outage."""
    return f"({expression}) or vector(0)"
