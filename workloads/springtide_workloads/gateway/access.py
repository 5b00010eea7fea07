"""How a gateway reaches the Kubernetes API: as its pod's ServiceAccount, or by a kubeconfig."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from springtide_workloads.errors import ConfigError

ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a pod's own token, and the certificate of whom to show it to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """An API server, and who we are to it."""

    server: str
    tls: ssl.SSLContext
    token: Path | None = None
    """File of the bearer token. Kubernetes writes a new one each hour, so it is read for each request."""

    def headers(self) -> dict[str, str]:
        """What each request carries."""
        if self.token is None:
            return {}
        return {"Authorization": f"Bearer {self.token.read_text(encoding='ascii').strip()}"}


def in_cluster(env: Mapping[str, str], folder: Path = ACCOUNT_FOLDER) -> Access:
    """Access as the pod's ServiceAccount.

    Raises:
        ConfigError: this is no pod, or one without a token.
    """
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT", "443")
    token, authority = folder / "token", folder / "ca.crt"
    if not host or not token.exists() or not authority.exists():
        raise ConfigError(
            "this is no pod with a ServiceAccount token, so nobody says where replicas are: "
            "use --kubeconfig FILE, or --replica HOST:PORT"
        )
    named = f"[{host}]" if ":" in host else host
    return Access(server=f"https://{named}:{port}", tls=ssl.create_default_context(cafile=authority), token=token)


def by_kubeconfig(file: Path) -> Access:
    """Access as the user of a kubeconfig's current context, who has a client certificate.

    Raises:
        ConfigError: the file cannot be read, or says less than that.
    """
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        context = _named(said, "context", said["current-context"])
        cluster, user = _named(said, "cluster", context["cluster"]), _named(said, "user", context["user"])
        tls = ssl.create_default_context(cadata=_text(cluster, "certificate-authority", file))
        _show(tls, _text(user, "client-certificate", file), _text(user, "client-key", file))
        return Access(server=cluster["server"].rstrip("/"), tls=tls)
    except OSError as error:
        raise ConfigError(f"{file}: {error}") from error
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, ValueError) as error:
        raise ConfigError(
            f"{file} is no kubeconfig whose user has a client certificate: {error!r} is missing or wrong"
        ) from error


def _named(said: Any, kind: str, name: str) -> Any:
    return next(item for item in said[f"{kind}s"] if item["name"] == name)[kind]


def _text(item: Mapping[str, str], key: str, file: Path) -> str:
    """What stands under a key, or in the file that it names, beside the kubeconfig."""
    if (data := item.get(f"{key}-data")) is not None:
        return base64.b64decode(data).decode("ascii")
    return (file.parent / item[key]).read_text(encoding="ascii")


def _show(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have the context show a certificate; it takes them from files only."""
    with TemporaryDirectory() as name:
        chain = Path(name) / "both.pem"
        chain.touch(mode=0o600)
        chain.write_text(f"{certificate}\n{key}", encoding="ascii")
        tls.load_cert_chain(chain)
