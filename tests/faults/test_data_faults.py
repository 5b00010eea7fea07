"""Packing and caching under SIGKILL: nothing torn, nothing left behind, nothing fetched twice."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.workloads.data_sets import counting, written

from springtide_workloads.data.pack import Part, verify
from springtide_workloads.data.shards import digest
from springtide_workloads.storage import Store

pytestmark = pytest.mark.faults

READER = Path(__file__).with_name("shard_reader.py")
SECONDS = 120
SHARED_MEMORY = Path("/dev/shm")


@contextmanager
def running(*command: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def of_ours() -> set[str]:
    """Names in shared memory, less those of runs beside this one."""
    return {
        path.name for path in SHARED_MEMORY.iterdir() if not path.name.startswith(("psm_", "torch_", "sem.", "gloo"))
    }


def test_a_packing_killed_again_and_again_ends_in_the_shards_of_an_undisturbed_one(tmp_path: Path) -> None:
    books = tmp_path / "books"
    books.mkdir()
    for book in range(20):
        (books / f"{book:02}.txt").write_text("\n\n".join(f"line {n} of book {book}" * 40 for n in range(1000)))
    pack = ("-m", "springtide_workloads.data", "pack")
    options = (books / "*.txt", "--shard-mib", 1)
    before, begun = of_ours(), time.monotonic()
    with running(*pack, tmp_path / "whole", *options) as process:
        assert process.wait(SECONDS) == 0
    took = time.monotonic() - begun
    place, chance, kills = tmp_path / "killed", random.Random(5), 0
    while not (place / "manifest.json").exists():
        with running(*pack, place, *options) as process:
            try:
                process.wait(took * (chance.uniform(0.4, 0.8) + 0.1 * kills))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
        for note in sorted(place.glob("part-*.json")):
            for shard in Part.parse(note.read_bytes()).shards:
                assert digest((place / shard.path).read_bytes()) == shard.sha256
    assert kills >= 1
    verify(Store(place.as_uri()))
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in place.iterdir()) == names
    assert all((place / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names)
    assert of_ours() <= before


def data_set(place: Path, shards: int) -> Path:
    return written(place, *counting(windows={"all": [20_000] * shards}, held_out=(1,)))


def reads(place: Path) -> Counter[str]:
    return Counter(line.split()[1] for line in (place / "reads.log").read_text().splitlines())


def test_processes_of_a_node_fetch_each_shard_once(tmp_path: Path) -> None:
    data = data_set(tmp_path / "data", 6)
    command = (READER, data, tmp_path / "scratch", 1 << 30, 2, 0.2)
    with running(*command) as one, running(*command) as two, running(*command) as three:
        assert [each.wait(SECONDS) for each in (one, two, three)] == [0, 0, 0]
    assert set(reads(data).values()) == {1}
    assert len(reads(data)) == 7


def test_readers_that_fight_for_room_see_whole_shards_only(tmp_path: Path) -> None:
    data = data_set(tmp_path / "data", 6)
    room = 4 * (20_000 * 4 + 1) * 4
    command = (READER, data, tmp_path / "scratch", room, 5, 0.01)
    with running(*command) as one, running(*command) as two, running(*command) as three:
        assert [each.wait(SECONDS) for each in (one, two, three)] == [0, 0, 0]
    kept = sum(path.stat().st_size for path in (tmp_path / "scratch/shards").iterdir())
    assert kept <= room


def test_a_reader_killed_while_it_fetches_leaves_nothing_torn_and_nobody_waiting(tmp_path: Path) -> None:
    data = data_set(tmp_path / "data", 4)
    scratch, chance, before = tmp_path / "scratch", random.Random(7), of_ours()
    for _ in range(6):
        with running(READER, data, scratch, 1 << 30, 1, 0.3) as victim, running(READER, data, scratch, 1 << 30, 1, 0.3):
            time.sleep(chance.uniform(0.2, 1.2))
            victim.send_signal(signal.SIGKILL)
        for path in (scratch / "shards").glob("*.bin"):
            assert digest(path.read_bytes()) == path.stem
    with running(READER, data, scratch, 1 << 30, 1, 0) as last:
        assert last.wait(SECONDS) == 0
    assert not list((scratch / "shards").glob("*.part"))
    assert of_ours() <= before
