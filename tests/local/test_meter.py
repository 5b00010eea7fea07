"""Requests a second and the slowest hundredth, from servers' own counters."""

import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from springtide.local.observe.meter import Meter, Reading, Sample, parsed, quantile, reading
from springtide_workloads.serve.metrics import Metrics


def sample(at: float, requests: float, **buckets: float) -> Sample:
    return Sample(
        at=at, requests=requests, buckets={float(bound.strip("_")): count for bound, count in buckets.items()}
    )


def test_a_servers_own_page_is_read() -> None:
    metrics = Metrics()
    metrics.requests.labels(code="200").inc(5)
    metrics.requests.labels(code="429").inc(2)
    metrics.seconds.observe(0.03)
    metrics.seconds.observe(40.0)
    found = parsed(generate_latest(metrics.registry).decode(), at=1.0)
    assert found.requests == 7
    assert found.buckets[math.inf] == 2
    assert found.buckets[0.05] == 1


def test_rates_are_those_of_all_servers_together() -> None:
    pairs = [(sample(0, 10), sample(2, 30)), (sample(0, 0), sample(2, 10))]
    assert reading(pairs) == Reading(per_second=15.0, p99_seconds=None)


def test_a_server_that_was_started_anew_counts_from_zero() -> None:
    assert reading([(sample(0, 1000), sample(1, 4))]).per_second == 4.0


def test_without_two_looks_nothing_is_known() -> None:
    assert reading([]) == Reading()


def test_no_request_is_zero_and_not_unknown() -> None:
    assert reading([(sample(0, 5), sample(1, 5))]).per_second == 0.0


def test_a_quantile_lies_in_its_bucket_by_proportion() -> None:
    assert quantile(0.5, [0.1, 0.2, math.inf], [0.0, 10.0, 10.0]) == pytest.approx(0.15)


def test_beyond_the_last_bound_the_last_bound_is_told() -> None:
    assert quantile(0.99, [0.1, math.inf], [0.0, 3.0]) == 0.1


@given(st.lists(st.floats(0, 50), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_never_beyond_the_bounds(rises: list[float], share: float) -> None:
    bounds = [float(index + 1) for index in range(len(rises))]
    counts = [sum(rises[: index + 1]) for index in range(len(rises))]
    found = quantile(share, bounds, counts)
    assert found is None or 0 <= found <= bounds[-1]
    assert (found is None) == (counts[-1] <= 0)


@pytest.fixture
def server() -> Iterator[str]:
    metrics = Metrics()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            metrics.requests.labels(code="200").inc(3)
            page = generate_latest(metrics.registry)
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_words: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as page:
        thread = threading.Thread(target=page.serve_forever)
        thread.start()
        yield f"127.0.0.1:{page.server_port}"
        page.shutdown()
        thread.join()


@pytest.mark.enable_socket
def test_the_second_look_tells_what_happened_since_the_first(server: str) -> None:
    meter = Meter()
    assert meter.read({"pod": server}) == Reading()
    assert meter.reaches
    second = meter.read({"pod": server})
    assert second.per_second is not None
    assert second.per_second > 0


@pytest.mark.enable_socket
def test_who_does_not_answer_is_unknown_and_no_error() -> None:
    meter = Meter()
    assert meter.read({"pod": "127.0.0.1:9"}) == Reading()
    assert not meter.reaches


def test_nobody_is_asked_where_there_is_nobody() -> None:
    assert Meter().read({}) == Reading()
