"""An API server as five verbs on plain objects. Kinds are looked up in its discovery, so custom ones need no classes.

lightkube reads the kubeconfig and holds its credentials; what crosses the wire stays the JSON that the server speaks.
"""

import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import msgspec
import yaml
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from springtide.local.cluster.errors import (
    KubeconfigError,
    MissingError,
    UnknownKindError,
    UnreachableError,
    failure,
)
from springtide.local.cluster.refs import MANAGER, Kind, Object, Ref

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""How long one answer may take: a dry run passes every admission webhook of a user's own cluster."""
_LATER = 429
"""A server under load says so; and each one does for a second or two after a kind was defined."""
_TRIES = 20
_PAUSE = 0.5
_PAGE = 500
_JSON = "application/json"
_DISCOVERY = f"{_JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_METADATA = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_APPLY = "application/apply-patch+yaml"
_DRY = {"dryRun": "All"}
_STRICT = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
_UNUSABLE = (
    ConfigError,
    OSError,
    KeyError,
    TypeError,
    ValueError,
    AssertionError,
    yaml.YAMLError,
    msgspec.MsgspecError,
)
"""What lightkube lets through of a kubeconfig that is missing, malformed or incomplete."""


class Api:
    """One API server, spoken to as one user. Close it, or use it as a context."""

    def __init__(self, client: httpx2.Client, server: str) -> None:
        self._client = client
        self.server = server
        """Address of the server, for texts."""
        self._kinds: dict[tuple[str, str], Kind] = {}

    @classmethod
    def connect(cls, kubeconfig: Path, context: str | None = None) -> Self:
        """The API server of a kubeconfig. Nothing is asked of it yet.

        Args:
            kubeconfig: The file. What the environment says of proxies and certificates holds, but not for a server on
                this machine.
            context: One of the file's contexts. Default: its current one.

        Raises:
            KubeconfigError: the file, the context or its credentials cannot be used.
        """
        try:
            config = KubeConfig.from_file(kubeconfig).get(context)
            if config is None:
                raise ConfigError("no current context")
            client = Client(config, _connection(config))
        except _UNUSABLE as error:
            raise KubeconfigError(
                f"{kubeconfig}: cannot be used: {error or type(error).__name__}."
                " Give a kubeconfig with a current context that kubectl can use"
            ) from error
        return cls(client, config.cluster.server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def kind(self, api_version: str, name: str) -> Kind:
        """What the server knows of a kind; one that is not known yet is looked up anew.

        Raises:
            UnknownKindError: the server has no such kind.
        """
        if (api_version, name) not in self._kinds:
            self.refresh()
        found = self._kinds.get((api_version, name))
        if found is None:
            raise UnknownKindError(
                f"the API server at {self.server} has no kind {name} of {api_version}."
                " Install its custom resource definition, or leave out what uses it"
            )
        return found

    def knows(self, api_version: str, name: str) -> bool:
        """Whether the server has a kind."""
        try:
            return bool(self.kind(api_version, name))
        except UnknownKindError:
            return False

    def groups(self) -> frozenset[str]:
        """Groups of the kinds that the server has, Kubernetes' own among them; the oldest one is ``""``."""
        self.refresh()
        return frozenset(version.rpartition("/")[0] for version, _ in self._kinds)

    def refresh(self) -> None:
        """Read the kinds anew: custom ones come and go."""
        groups = [item for root in ("/api", "/apis") for item in self._call("GET", root, accept=_DISCOVERY)["items"]]
        self._kinds = {(kind.api_version, kind.name): kind for group in groups for kind in _kinds(group)}

    def kinds(self) -> tuple[Kind, ...]:
        """Every kind that can be listed and deleted, each in the version that the server prefers."""
        if not self._kinds:
            self.refresh()
        preferred: dict[tuple[str, str], Kind] = {}
        for kind in self._kinds.values():
            group = kind.api_version.rpartition("/")[0]
            if {"list", "delete"} <= kind.verbs:
                preferred.setdefault((group, kind.name), kind)
        return tuple(preferred.values())

    def get(self, ref: Ref) -> Object | None:
        """One object; None where there is none, or no such kind."""
        if not self.knows(ref.api_version, ref.kind):
            return None
        try:
            return self._call("GET", self._path(ref), ref)
        except MissingError:
            return None

    def apply(self, item: Object, *, dry_run: bool = False) -> Object:
        """Server-side apply: afterwards the fields of `item` have its values, whoever had set them before.

        Fields that we applied earlier and that are no longer in `item` are given up. A field that no kind of this name
        has is refused.

        Args:
            item: The object.
            dry_run: Whether the server only says what it would do.

        Returns:
            The whole object as it is then.

        Raises:
            RefusedError: the server does not take it.
            UnknownKindError: the server does not have the kind.
            MissingError: its namespace is not there.
        """
        ref = Ref.of(item)
        params = {**_STRICT, "force": "true", **(_DRY if dry_run else {})}
        return self._call("PATCH", self._path(ref), ref, params=params, body=item, sends=_APPLY)

    def try_new(self, item: Object, namespace: str) -> None:
        """Let the server judge an object as a new one in `namespace`. Nothing is made.

        Raises:
            RefusedError: the server does not take it.
            ConflictError: it would, and there is one of that name already.
        """
        ref = Ref.of(item)
        there = {**item, "metadata": {**item["metadata"], "namespace": namespace}} if ref.namespace else item
        path = self.kind(ref.api_version, ref.kind).path(namespace)
        self._call("POST", path, ref, params={**_STRICT, **_DRY}, body=there)

    def delete(self, ref: Ref, *, foreground: bool = False, grace_seconds: int | None = None, uid: str = "") -> bool:
        """Ask for an object's deletion; it is gone once its finalizers and, if need be, its parts are.

        Args:
            ref: The object.
            foreground: Whether it stays until everything that it owns is gone.
            grace_seconds: Time for its processes to end. Default: what the object says.
            uid: Delete only the one of this UID, not another of the same name. Default: whichever there is.

        Returns:
            Whether there was one.

        Raises:
            ConflictError: there is one, of another UID.
        """
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options["propagationPolicy"] = "Foreground" if foreground else "Background"
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self._call("DELETE", self._path(ref), ref, body=options)
        except MissingError:
            return False
        return True

    def objects(
        self, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> list[Object]:
        """The objects of a kind, in all namespaces or in one; none where the server does not have the kind.

        Args:
            api_version: Group and version, such as `apps/v1`.
            kind: Name of the kind.
            namespace: One namespace. Default: all.
            labels: Label selector, such as `a=b,c`.
            fields: Field selector, such as `spec.nodeName=n1`.
        """
        if not self.knows(api_version, kind):
            return []
        return list(self._listed(self.kind(api_version, kind), namespace, labels, fields))

    def metadata(self, kind: Kind, *, namespace: str = "", labels: str = "") -> list[Object]:
        """Names, labels and managers of a kind's objects, without what is in them."""
        return list(self._listed(kind, namespace, labels, "", accept=_METADATA))

    def events(self, about: Object) -> list[Object]:
        """What was said about an object, oldest first."""
        meta = about["metadata"]
        fields = f"involvedObject.uid={meta['uid']}"
        # Events on cluster-wide objects lie in `default`, or in their speaker's namespace: all are asked.
        found = self.objects("v1", "Event", namespace=meta.get("namespace", ""), fields=fields)
        return sorted(found, key=said_at)

    def _path(self, ref: Ref) -> str:
        kind = self.kind(ref.api_version, ref.kind)
        return kind.path(ref.namespace or "default", ref.name)

    def _listed(self, kind: Kind, namespace: str, labels: str, fields: str, *, accept: str = _JSON) -> Iterator[Object]:
        params = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields}
        more = True
        while more:
            try:
                page = self._call("GET", kind.path(namespace), params=params, accept=accept)
            except MissingError:
                # The kind has gone since it was looked up, and its objects with it.
                return
            # The items of a list leave out what the list's own kind says.
            yield from ({**item, "apiVersion": kind.api_version, "kind": kind.name} for item in page["items"] or ())
            params["continue"] = page["metadata"].get("continue", "")
            more = bool(params["continue"])

    def _call(  # noqa: PLR0913  a request has this many parts
        self,
        method: str,
        path: str,
        about: Ref | None = None,
        *,
        params: Mapping[str, str] | None = None,
        body: Object | None = None,
        sends: str = _JSON,
        accept: str = _JSON,
    ) -> Object:
        asked = {key: value for key, value in (params or {}).items() if value}
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Accept": accept, **({} if body is None else {"Content-Type": sends})}
        answer = self._answer(
            lambda: self._client.request(method, path, params=asked, content=content, headers=headers)
        )
        if answer.is_success:
            found: Object = answer.json()
            return found
        nobody = Ref(api_version="", kind="API", name=path)
        raise failure(answer.status_code, _status(answer), nobody if about is None else about, self.server)

    def _answer(self, ask: Callable[[], httpx2.Response]) -> httpx2.Response:
        try:
            answer = ask()
            for _ in range(_TRIES):
                if answer.status_code != _LATER:
                    break
                time.sleep(_PAUSE)
                answer = ask()
        except httpx2.TransportError as error:
            why = str(error) or type(error).__name__
            raise UnreachableError(
                f"the API server at {self.server} does not answer: {why}. Start the environment, or give the"
                " kubeconfig of a cluster that runs"
            ) from error
        except (ConfigError, OSError) as error:
            raise KubeconfigError(f"the kubeconfig's way to a token does not work: {error}") from error
        return answer


def said_at(event: Object) -> str:
    """When an event was last said, as RFC 3339 text; the scheduler and older speakers write it in different places."""
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp", "")
    )


def _connection(config: SingleConfig) -> ConnectionParams:
    seconds = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    return ConnectionParams(timeout=seconds, trust_env=not _on_this_machine(config.cluster.server))


def _on_this_machine(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _status(answer: httpx2.Response) -> Mapping[str, Any]:
    """The Kubernetes Status in an answer; a proxy in between may say something else."""
    try:
        found = answer.json()
    except ValueError:
        return {"message": answer.text.strip()}
    return found if isinstance(found, Mapping) else {}


def _kinds(group: Object) -> Iterator[Kind]:
    """The kinds of a group, in its order of preference; sub-resources are left out."""
    name = group["metadata"].get("name", "")
    for version in group["versions"]:
        api_version = f"{name}/{version['version']}" if name else version["version"]
        for item in version.get("resources", ()):
            if "responseKind" in item:
                yield Kind(
                    api_version=api_version,
                    name=item["responseKind"]["kind"],
                    plural=item["resource"],
                    namespaced=item["scope"] == "Namespaced",
                    verbs=frozenset(item["verbs"]),
                )
