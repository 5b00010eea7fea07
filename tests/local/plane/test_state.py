"""The state file: what was written is read, and whatever else stands there is no state at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.local.plane.process import Started
from springtide.local.plane.state import State, read, write

NAMES = st.text(min_size=1, max_size=8)
STARTED = st.builds(
    Started, pid=st.integers(1, 2**22), began=st.floats(0, 2**33), digest=st.text("0123456789abcdef", max_size=8)
)
STATES = st.builds(
    State, ports=st.dictionaries(NAMES, st.integers(1, 65535)), processes=st.dictionaries(NAMES, STARTED)
)
ONE = Started(pid=7, began=1.5, digest="d")
JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["version", "ports", "processes", "pid", "began", "digest"]), inner)
    ),
    max_leaves=8,
)


@pytest.fixture(name="file", scope="module")
def state_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state") / "deep" / "state.json"


@given(state=STATES)
def test_what_was_written_is_read_in_the_order_it_was_started(file: Path, state: State) -> None:
    write(file, state)
    assert read(file) == state
    assert list(read(file).processes) == list(state.processes)


@given(said=JSON)
def test_no_content_is_an_error(file: Path, said: object) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(said))
    assert isinstance(read(file), State)


@given(said=st.binary(max_size=30))
def test_damage_is_no_state(file: Path, said: bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(said)
    assert read(file) == State()


@given(state=STATES, cut=st.floats(0, 0.99))
def test_half_a_file_is_no_state(file: Path, state: State, cut: float) -> None:
    write(file, state)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * cut)])
    assert read(file) == State()


def test_a_file_that_is_not_there_is_no_state(tmp_path: Path) -> None:
    assert read(tmp_path / "state.json") == State()


def test_another_version_is_no_state(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write(file, State(ports={"etcd": 1}))
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": 99}))
    assert read(file) == State()


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state.json"
    write(file, State(ports={"etcd": 1}))

    def full(path: Path, text: str, **_: str) -> int:
        path.write_bytes(text[:9].encode())
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            write(file, State(ports={"etcd": 2}))
    assert read(file) == State(ports={"etcd": 1})


def test_a_process_that_is_started_again_keeps_its_place_in_the_order() -> None:
    first = State(processes={"etcd": ONE, "kwok": ONE})
    again = Started(pid=8, began=2, digest="d")
    assert list(first.having("etcd", again).processes.items()) == [("etcd", again), ("kwok", ONE)]
    assert list(first.lacking("etcd").processes) == ["kwok"]
