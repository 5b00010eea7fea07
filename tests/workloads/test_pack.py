import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springtide_workloads.contract import ExitCode
from springtide_workloads.data.__main__ import main
from springtide_workloads.data.corpus import is_held_out, load
from springtide_workloads.data.documents import Document, Reading
from springtide_workloads.data.manifest import Manifest
from springtide_workloads.data.pack import Input, Packing, pack, verify
from springtide_workloads.data.sharded import ShardData
from springtide_workloads.data.shards import read_manifest
from springtide_workloads.data.tokenizers import Bytes
from springtide_workloads.errors import ConfigError, StorageError
from springtide_workloads.storage import Store

LAW = settings(deadline=None, max_examples=50)
"""A busy machine takes its time."""


@pytest.fixture
def books(tmp_path: Path) -> Path:
    place = tmp_path / "books"
    place.mkdir()
    for book in range(3):
        (place / f"{book}.txt").write_text("\n\n".join(f"paragraph {n} of book {book}" for n in range(200)))
    return place


def packing(books: Path, **changes: Any) -> Packing:
    inputs = (Input(name="all", weight=1.0, files=tuple(sorted(books.glob("*.txt")))),)
    settings: dict[str, Any] = {"inputs": inputs, "tokenizer": Bytes(), "shard_bytes": 2000}
    return Packing(**settings | changes)


def shard_bytes(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


def paragraphs(place: Path, manifest: Manifest, *, held_out: bool) -> list[str]:
    shards = [shard for shard in manifest.shards if shard.held_out == held_out]
    text = b"".join((place / shard.path).read_bytes() for shard in shards).decode()
    return [each for each in text.split("\n\n") if each]


def test_every_document_is_packed_once_on_the_side_that_its_digest_says(books: Path, tmp_path: Path) -> None:
    manifest = pack(Store((tmp_path / "set").as_uri()), packing(books))
    train, held = (paragraphs(tmp_path / "set", manifest, held_out=side) for side in (False, True))
    assert sorted(train + held) == sorted(f"paragraph {n} of book {book}" for n in range(200) for book in range(3))
    assert all(is_held_out(each.encode()) for each in held)
    assert not any(is_held_out(each.encode()) for each in train)
    assert len(manifest.shards) > 6
    assert all(shard.tokens < 2100 for shard in manifest.shards)


def test_the_split_is_that_of_the_plain_text_loader(books: Path, tmp_path: Path) -> None:
    manifest = pack(Store((tmp_path / "set").as_uri()), packing(books))
    plain = bytes(load(books.as_uri(), at_least=10).held_out).decode().split("\n\n")
    assert paragraphs(tmp_path / "set", manifest, held_out=True) == plain


class Stop(Exception):  # noqa: N818  ends a packing from within
    pass


class Failing:
    """A store whose writes end after so many, as a kill would end them."""

    def __init__(self, store: Store, writes: int) -> None:
        self.store = store
        self.left = writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def write(self, path: str, data: bytes) -> None:
        if not self.left:
            raise Stop(path)
        self.left -= 1
        self.store.write(path, data)


def test_a_packing_stopped_before_any_write_goes_on_to_the_same_shards(books: Path, tmp_path: Path) -> None:
    counting = Failing(Store((tmp_path / "whole").as_uri()), 1000)
    pack(counting, packing(books))  # type: ignore[arg-type]
    whole = shard_bytes(tmp_path / "whole")
    for writes in range(1000 - counting.left):
        place = tmp_path / f"stopped-{writes}"
        with pytest.raises(Stop):
            pack(Failing(Store(place.as_uri()), writes), packing(books))  # type: ignore[arg-type]
        assert not (place / "manifest.json").exists()
        pack(Store(place.as_uri()), packing(books))
        assert shard_bytes(place) == whole


def test_whole_shards_are_kept_and_damaged_ones_written_again(books: Path, tmp_path: Path) -> None:
    store = Store((tmp_path / "set").as_uri())
    with pytest.raises(Stop):
        pack(Failing(store, 12), packing(books))  # type: ignore[arg-type]
    files = sorted((tmp_path / "set").glob("shard-*.bin"))
    files[-1].write_bytes(b"torn")
    times = {path.name: path.stat().st_mtime_ns for path in files[:3]}
    pack(store, packing(books))
    verify(store)
    assert {path.name: path.stat().st_mtime_ns for path in files[:3]} == times


def test_another_data_set_is_not_packed_over(books: Path, tmp_path: Path) -> None:
    store = Store((tmp_path / "set").as_uri())
    with pytest.raises(Stop):
        pack(Failing(store, 4), packing(books))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="holds parts of other inputs or options"):
        pack(store, packing(books, shard_bytes=3000))
    pack(store, packing(books))
    (books / "1.txt").write_text("another book")
    with pytest.raises(ConfigError, match="holds a data set of other inputs or options"):
        pack(store, packing(books))


def test_damage_is_told_shard_by_shard(books: Path, tmp_path: Path) -> None:
    store = Store((tmp_path / "set").as_uri())
    pack(store, packing(books))
    (tmp_path / "set/shard-00001.bin").unlink()
    (tmp_path / "set/shard-00002.bin").write_bytes(b"torn")
    with pytest.raises(StorageError, match=r"(?s)shard-00001.bin is missing.*shard-00002.bin has the digest"):
        verify(store)


def test_tokens_beyond_the_vocabulary_are_told(books: Path, tmp_path: Path) -> None:
    store = Store((tmp_path / "set").as_uri())
    manifest = pack(store, packing(books))
    store.write("manifest.json", replace(manifest, vocab=100).to_json().encode())
    with pytest.raises(StorageError, match=r"shard-00000\.bin has the token 114 and vocab is 100"):
        verify(store)


def test_text_with_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n \n")
    with pytest.raises(ConfigError, match="nothing to train on came out of all"):
        pack(Store((tmp_path / "set").as_uri()), packing(tmp_path))


@LAW
@given(st.lists(st.text(st.sampled_from("ab \n"), max_size=5), max_size=8), st.sampled_from(["\n\n", "b", ""]))
def test_documents_are_the_pieces_between_separators(pieces: list[str], separator: str) -> None:
    text = (separator or "-").join(pieces)
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr("springtide_workloads.data.documents.BLOCK", 3)
        path = Path(place, "a.txt")
        path.write_text(text)
        found = list(Reading(separator=separator).documents(path))
    due = [each for each in (text.split(separator) if separator else [text]) if each.strip()]
    assert [each.text.decode() for each in found] == due
    assert [each.number for each in found] == list(range(len(due)))


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("springtide_workloads.data.__main__.signal.signal", lambda *_: None)

    def command(*args: object) -> tuple[int, str, str]:
        code = main([str(each) for each in args])
        return (code, *capsys.readouterr())

    return command


def test_a_packed_set_trains(run: Run, books: Path, tmp_path: Path) -> None:
    code, out, _ = run("pack", tmp_path / "set", books / "*.txt")
    assert code == ExitCode.DONE
    assert "uint8, 256 tokens known" in out
    data = ShardData(context=16, vocab=256).build((tmp_path / "set").as_uri(), tmp_path)
    inputs, targets = data.take(np.arange(4, dtype=np.uint64))
    assert bytes(inputs[0, 1:].tolist()) == bytes(targets[0, :-1].tolist())
    assert len(data.held_out()) > 1
    assert data.describe().endswith("tokens (bytes) in 1 shards")


def test_strata_are_packed_with_their_weights(run: Run, books: Path, tmp_path: Path) -> None:
    code, out, _ = run(
        "pack", tmp_path / "set", "--stratum", f"old=3:{books}/[01].txt", "--stratum", f"new=1:{books}/2.txt"
    )
    assert code == ExitCode.DONE
    assert [line.split()[:2] for line in out.splitlines()[1:3]] == [["old", "75.0"], ["new", "25.0"]]
    manifest = read_manifest(Store((tmp_path / "set").as_uri()))
    assert [(each.name, each.weight) for each in manifest.strata] == [("old", 3), ("new", 1)]
    assert run("show", tmp_path / "set")[:2] == run("verify", tmp_path / "set")[:2] == (code, out)


def test_all_mistakes_of_a_command_are_told_at_once(run: Run, tmp_path: Path) -> None:
    code, _, told = run(
        "pack", tmp_path, "--stratum", "web", "--stratum", "a=0:none/*", "--stratum", "a=1:none/*",
        "--shard-mib", "0", "--held-out-one-in", "0", "--tokenizer", tmp_path / "no.json",
    )  # fmt: skip
    assert code == ExitCode.CONFIG
    for part in (
        "'web': it must be name=weight:glob",
        "'a' is named twice",
        "weight of stratum 'a' is 0",
        "'none/*' matches no file",
        "--shard-mib is 0",
        "--held-out-one-in is 0",
        "--tokenizer",
    ):
        assert part in told, told
    assert told.count("matches no file") == 1


@pytest.mark.parametrize("args", [(), ("a.txt", "--stratum", "a=1:b")])
def test_files_and_strata_exclude_each_other(run: Run, tmp_path: Path, args: Sequence[str]) -> None:
    code, _, told = run("pack", tmp_path, *args)
    assert code == ExitCode.CONFIG
    assert "either files, or --stratum" in told


def test_a_wrong_url_is_refused(run: Run) -> None:
    code, _, told = run("show", "ftp://somewhere")
    assert code == ExitCode.CONFIG
    assert "'ftp://somewhere'" in told


def test_ctrl_c_says_how_to_go_on(run: Run, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("springtide_workloads.data.pack.digest", interrupted)
    code, _, told = run("pack", tmp_path / "set", books / "*.txt")
    assert code == ExitCode.INTERRUPTED
    assert "the same command goes on" in told


@pytest.fixture
def parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for pyarrow: a file of JSON lines as a Parquet file of one column."""

    class File:
        def __init__(self, path: Path) -> None:
            self.rows = [json.loads(line) for line in path.read_text().splitlines()]
            self.metadata = SimpleNamespace(num_rows=len(self.rows))

        def iter_batches(self, *, batch_size: int, columns: list[str]) -> Any:
            for first in range(0, len(self.rows), batch_size):
                values = [row[columns[0]] for row in self.rows[first : first + batch_size]]
                yield SimpleNamespace(column=lambda _, values=values: SimpleNamespace(to_pylist=lambda: values))

    def schema(path: Path) -> Any:
        return SimpleNamespace(names=list(File(path).rows[0]))

    package, module = ModuleType("pyarrow"), ModuleType("pyarrow.parquet")
    package.parquet = module  # type: ignore[attr-defined]
    module.ParquetFile, module.read_schema = File, schema  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", package)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)


@pytest.mark.usefixtures("parquet")
def test_rows_of_a_parquet_column_are_documents(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("\n".join(json.dumps({"body": text}) for text in ("one", None, " ", "two")))
    found = list(Reading(column="body").documents(path))
    assert found == [Document(0, b"one", 0.25), Document(1, b"two", 1.0)]


@pytest.mark.usefixtures("parquet")
def test_a_missing_column_is_answered_with_those_there_are(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text(json.dumps({"body": "x", "id": 1}))
    code, _, told = run("pack", tmp_path / "set", path)
    assert code == ExitCode.CONFIG
    assert "no column 'text': give --column one of body, id" in told


def test_parquet_without_its_package_names_the_extra(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"")
    code, _, told = run("pack", tmp_path / "set", tmp_path / "a.parquet")
    assert code == ExitCode.CONFIG
    assert "springtide-workloads[data]" in told
