"""An S3 on loopback that can be told to fail, to hang, and to count."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "artifacts"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@dataclass
class ObjectStore:
    """moto, one request at a time: its conditional writes are then as atomic as S3's own."""

    application: Any
    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query, as they came."""
    fails: Callable[[str, str], bool] = lambda *_: False
    """Which requests are answered with 503."""
    hang_seconds: float = 0.0
    """How long each request that fails takes to do so."""

    def __call__(self, environ: dict[str, Any], respond: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        self.requests.append((method, path))
        if self.fails(method, path):
            time.sleep(self.hang_seconds)
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            respond("503 Slow Down", [("content-length", "0")])
            return []
        answer: Iterable[bytes] = self.application(environ, respond)
        return answer

    def url(self, prefix: str) -> str:
        return f"s3://{BUCKET}/{prefix}"


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A store with an empty bucket; clients of this process and its children find it by their environment."""
    store = ObjectStore(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, store, threaded=False)
    store.port = server.server_port
    endpoint = f"http://127.0.0.1:{store.port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (KEYS | {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}).items():
            patch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        try:
            yield store
        finally:
            client.close()
            server.shutdown()
            thread.join()
            server.server_close()
