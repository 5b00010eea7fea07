"""Where replicas are, as Kubernetes says it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.workloads.fake_api import HOST, LEAVING, LOADING, READY, TOKEN, Api, Keys, kubeconfig, slice_of
from tests.workloads.gateway_scenes import Server, gateway, held, until
from tests.workloads.processes import Launcher

from springtide_workloads.errors import ConfigError
from springtide_workloads.gateway.access import Access, by_kubeconfig, in_cluster
from springtide_workloads.gateway.slices import EndpointSlices, Slice, addresses

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(120)]


def known(*slices: object) -> tuple[str, ...]:
    return addresses(msgspec.convert(item, Slice) for item in slices)


def test_replicas_that_load_or_leave_take_no_requests() -> None:
    assert known(slice_of("a", ("10.0.0.1", READY), ("10.0.0.2", LEAVING), ("10.0.0.3", LOADING))) == ("10.0.0.1:8000",)


def test_what_is_not_said_counts_as_ready_but_a_pod_that_ends_is_never_asked() -> None:
    assert known(slice_of("a", ("10.0.0.1", {}))) == ("10.0.0.1:8000",)
    # published although it is not ready, as a Service can ask for
    assert known(slice_of("a", ("10.0.0.1", {"ready": True, "serving": True, "terminating": True}))) == ()
    assert known(slice_of("a", ("10.0.0.1", {"ready": True, "serving": False}))) == ()


def test_slices_without_endpoints_or_ports_lead_nowhere_and_two_of_one_pod_lead_there_once() -> None:
    empty = {"metadata": {"name": "b"}, "endpoints": None, "ports": None}
    twice = slice_of("a", ("10.0.0.1", READY)), slice_of("c", ("10.0.0.1", READY), ("fd00::1", READY))
    assert known(empty, *twice) == ("10.0.0.1:8000", "[fd00::1]:8000")


@asynccontextmanager
async def api(folder: Path, *slices: dict[str, object]) -> AsyncIterator[Api]:
    made = Api(Keys.made(folder), {str(item["metadata"]["name"]): item for item in slices})  # type: ignore[index]
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def by_token(made: Api, folder: Path) -> Access:
    (folder / "token").write_text(f"{TOKEN}\n")
    env = {"KUBERNETES_SERVICE_HOST": HOST, "KUBERNETES_SERVICE_PORT": str(made.port)}
    return in_cluster(env, folder)


async def _next(watch: AsyncIterator[tuple[str, ...]]) -> tuple[str, ...]:
    return await anext(watch)


def test_a_list_and_every_change_after_it_are_told(tmp_path: Path) -> None:
    async def play() -> None:
        async with api(tmp_path, slice_of("a", ("10.0.0.1", READY))) as made:
            access = by_token(made, tmp_path)
            watch = EndpointSlices(access, namespace="springtide", service="chat-servers").watch()
            assert await anext(watch) == ("10.0.0.1:8000",)
            following = asyncio.create_task(_next(watch))
            await made.watched()
            made.tell("MODIFIED", slice_of("a", ("10.0.0.1", LEAVING), ("10.0.0.2", READY)), pieces=7)
            assert await following == ("10.0.0.2:8000",)
            made.tell("ADDED", slice_of("b", ("10.0.0.3", READY)))
            made.tell("DELETED", slice_of("a"))
            assert await anext(watch) == ("10.0.0.2:8000", "10.0.0.3:8000")
            assert await anext(watch) == ("10.0.0.3:8000",)
            await watch.aclose()  # type: ignore[attr-defined]
            assert made.asked[0] == {"labelSelector": "kubernetes.io/service-name=chat-servers"}
            assert made.asked[1]["resourceVersion"] == "7"
            assert set(made.by) == {f"Bearer {TOKEN}"}

    asyncio.run(play())


@pytest.mark.parametrize("how", ["ended", "expired", "away"])
def test_a_watch_that_ends_is_begun_anew_with_what_is_there_now(tmp_path: Path, how: str) -> None:
    async def play() -> None:
        async with api(tmp_path, slice_of("a", ("10.0.0.1", READY))) as made:
            access = by_token(made, tmp_path)
            watch = EndpointSlices(access, namespace="springtide", service="chat-servers").watch()
            assert await anext(watch) == ("10.0.0.1:8000",)
            following = asyncio.create_task(_next(watch))
            await made.watched()
            made.slices["a"] = slice_of("a", ("10.0.0.9", READY))
            if how == "expired":
                made.tell("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
            elif how == "away":
                await made.stop()
                await asyncio.sleep(0.7)
                await made.start()
            else:
                made.end_watches()
            assert await following == ("10.0.0.9:8000",)
            await watch.aclose()  # type: ignore[attr-defined]

    asyncio.run(play())


def test_a_token_is_read_anew_for_each_request(tmp_path: Path) -> None:
    async def play() -> None:
        async with api(tmp_path) as made:
            access = by_token(made, tmp_path)
            (tmp_path / "token").write_text("an-old-one")
            watch = EndpointSlices(access, namespace="springtide", service="chat-servers").watch()
            first = asyncio.create_task(_next(watch))
            await asyncio.sleep(0.3)
            assert not first.done()
            (tmp_path / "token").write_text(TOKEN)
            assert await first == ()
            await watch.aclose()  # type: ignore[attr-defined]
            assert made.by[0] == "Bearer an-old-one"

    asyncio.run(play())


@pytest.mark.parametrize("inline", [True, False])
def test_a_gateway_on_this_machine_follows_the_cluster_by_a_kubeconfig(
    launch: Launcher, tmp_path: Path, *, inline: bool
) -> None:
    async def play() -> None:
        async with AsyncExitStack() as stack:
            made = await stack.enter_async_context(api(tmp_path))
            file = kubeconfig(made, tmp_path / "config", inline=inline)
            gate = await stack.enter_async_context(gateway(launch, args=("--kubeconfig", str(file))))
            asking = [asyncio.create_task(gate.ask(number=number)) for number in range(5)]
            await held(gate, 5)
            server = Server()
            await server.start()
            stack.push_async_callback(server.stop)
            await made.watched()
            made.tell("ADDED", slice_of("a", (HOST, READY), port=server.port))
            assert {status for status, _ in await asyncio.gather(*asking)} == {200}
            made.tell("MODIFIED", slice_of("a", (HOST, LEAVING), port=server.port))

            async def none_left() -> bool:
                return await gate.number("springtide_gateway_ready_replicas") == 0

            await until(none_left)
            assert set(made.by) == {"certificate"}

    asyncio.run(play())


def test_a_kubeconfig_that_says_too_little_is_told_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "config"
    for text in ("current-context: here\n", "{", "[]", ""):
        file.write_text(text)
        with pytest.raises(ConfigError, match="is no kubeconfig"):
            by_kubeconfig(file)
    with pytest.raises(ConfigError, match="No such file"):
        by_kubeconfig(tmp_path / "none")


def test_no_pod_has_no_access(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--kubeconfig FILE"):
        in_cluster({}, tmp_path)
