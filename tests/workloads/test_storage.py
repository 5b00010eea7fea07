import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from springtide_workloads.errors import StorageError
from springtide_workloads.storage import Store, _append_remote


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store((tmp_path / "new" / "folder").as_uri())


def test_what_is_written_is_read(store: Store) -> None:
    store.write("a/b", b"1")
    store.write("a/b", b"2")
    assert store.read("a/b") == b"2"


def test_what_is_not_there_reads_as_none(store: Store) -> None:
    assert store.read("a/b") is None
    assert store.folders("a/") == store.files("a") == []


def test_an_object_is_created_once(store: Store) -> None:
    assert store.create("a", b"first")
    assert not store.create("a", b"second")
    assert store.read("a") == b"first"


def test_folders_and_files_are_listed(store: Store) -> None:
    for path in ("x/b/1", "x/a/2", "x/3", "y/4"):
        store.write(path, b"")
    assert store.folders("x/") == ["x/a", "x/b"]
    assert store.files("x") == ["x/3", "x/a/2", "x/b/1"]


def test_deleting_leaves_no_empty_folder_and_minds_no_gap(store: Store, tmp_path: Path) -> None:
    store.write("x/a/1", b"")
    store.delete(["x/a/1", "x/a/never"])
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_an_object_is_moved(store: Store) -> None:
    store.write("a", b"1")
    store.move("a", "b")
    assert (store.read("a"), store.read("b")) == (None, b"1")


def test_lines_appended_at_the_same_time_are_all_there_and_whole(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.append("log", json.dumps({"n": n, "pad": "x" * 500})), range(100)))
    lines = [json.loads(line)["n"] for line in (store.read("log") or b"").splitlines()]
    assert sorted(lines) == list(range(100))


def test_object_stores_append_by_conditional_writes_and_lose_no_line() -> None:
    memory = MemoryStore()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: _append_remote(memory, "log", b"%d\n" % n), range(50)))
    assert sorted(map(int, bytes(obstore.get(memory, "log").bytes()).split())) == list(range(50))


def test_a_failure_says_what_was_tried_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"cannot open file:///.*/file/run: Not a directory"):
        Store((tmp_path / "file" / "run").as_uri())


def test_a_write_that_fails_is_a_storage_error(store: Store) -> None:
    store.write("a", b"a file, not a folder")
    with pytest.raises(StorageError, match="cannot write file:///"):
        store.write("a/b", b"")
