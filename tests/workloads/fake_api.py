"""A Kubernetes API server that knows EndpointSlices and nothing else: HTTPS, list and watch."""

import asyncio
import base64
import datetime as dt
import ipaddress
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
TOKEN = "a-token"


@dataclass(frozen=True)
class Keys:
    """A certificate that vouches for itself, and its key, as files."""

    certificate: Path
    key: Path

    @classmethod
    def made(cls, folder: Path) -> "Keys":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "springtide")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder / "ca.crt", folder / "tls.key")
        made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return made


def slice_of(name: str, *endpoints: tuple[str, dict[str, bool]], port: int = 8000) -> dict[str, Any]:
    """An EndpointSlice as an API server writes it."""
    return {
        "metadata": {"name": name, "resourceVersion": "1", "labels": {"kubernetes.io/service-name": "chat-servers"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": conditions} for host, conditions in endpoints],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}, {"name": "metrics", "port": 9464}],
    }


READY = {"ready": True, "serving": True, "terminating": False}
LEAVING = {"ready": False, "serving": True, "terminating": True}
LOADING = {"ready": False, "serving": False, "terminating": False}


@dataclass
class Api:
    """The server, what it knows, and whom it tells."""

    keys: Keys
    slices: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    by: list[str | None] = field(default_factory=list)
    """Bearer tokens that were shown, and the names in client certificates."""
    port: int = 0
    _watches: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    _watched: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    @property
    def server(self) -> str:
        return f"https://{HOST}:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/apis/discovery.k8s.io/v1/namespaces/springtide/endpointslices", self._answer)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.keys.certificate)
        tls.load_cert_chain(self.keys.certificate, self.keys.key)
        tls.verify_mode = ssl.CERT_OPTIONAL
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port, ssl_context=tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.end_watches()
        if self._runner is not None:
            await self._runner.cleanup()
        # TLS takes leave of both sides
        await asyncio.sleep(0.2)

    def tell(self, kind: str, item: dict[str, Any], *, pieces: int = 1) -> None:
        """A change, to all who watch; in so many pieces, as a network may cut it."""
        if kind == "DELETED":
            self.slices.pop(item["metadata"]["name"])
        elif kind != "ERROR":
            self.slices[item["metadata"]["name"]] = item
        line = json.dumps({"type": kind, "object": item}).encode() + b"\n"
        size = -(-len(line) // pieces)
        for watch in self._watches:
            for start in range(0, len(line), size):
                watch.put_nowait(line[start : start + size])

    def end_watches(self) -> None:
        for watch in self._watches:
            watch.put_nowait(None)
        self._watches.clear()
        self._watched.clear()

    async def watched(self) -> None:
        """Waits until somebody watches."""
        async with asyncio.timeout(30):
            await self._watched.wait()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        assert request.transport is not None
        shown = request.transport.get_extra_info("peercert")
        self.by.append("certificate" if shown else request.headers.get("Authorization"))
        if self.by[-1] not in {"certificate", f"Bearer {TOKEN}"}:
            return web.Response(status=401, text="Unauthorized")
        if request.query.get("watch") != "true":
            return web.json_response({"metadata": {"resourceVersion": "7"}, "items": list(self.slices.values())})
        watch: asyncio.Queue[bytes | None] = asyncio.Queue()
        answer = web.StreamResponse()
        await answer.prepare(request)
        self._watches.append(watch)
        self._watched.set()
        while (piece := await watch.get()) is not None:
            await answer.write(piece)
            await asyncio.sleep(0)
        return answer


def kubeconfig(api: Api, file: Path, *, inline: bool) -> Path:
    """A kubeconfig for the server: with all in it, or naming files beside it."""

    def said(key: str, path: Path) -> dict[str, str]:
        return {f"{key}-data": base64.b64encode(path.read_bytes()).decode()} if inline else {key: path.name}

    cluster = {"server": api.server, **said("certificate-authority", api.keys.certificate)}
    user = {**said("client-certificate", api.keys.certificate), **said("client-key", api.keys.key)}
    file.write_text(
        json.dumps(
            {
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                "clusters": [{"name": "here", "cluster": cluster}],
                "users": [{"name": "me", "user": user}],
            }
        )
    )
    return file
