"""A save that is killed, starved or lied to: afterwards there is exactly the old checkpoint or exactly the new one."""

import errno
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.faults.boundaries import checkpoints, found, saved_and_killed, state_of
from tests.workloads.worlds import together

from springtide_workloads.contract import Layout
from springtide_workloads.errors import StorageError
from springtide_workloads.storage import Store
from springtide_workloads.train.checkpoints.catalog import Catalog
from springtide_workloads.train.checkpoints.manifest import Manifest
from springtide_workloads.train.ranks import Ranks

pytestmark = pytest.mark.faults


def named(place: Path) -> tuple[set[str], set[str]]:
    """What manifests name, and what lies there."""
    store = Store(place.as_uri())
    manifests = [each for each in Catalog(store=store).manifests() if isinstance(each, Manifest)]
    needed = {path for each in manifests for path in (each.path, *(file.path for file in each.files))}
    return needed, set(store.files(Layout.CHECKPOINTS))


RETIREMENT = 7
"""Boundaries that a save over an existing checkpoint has and the very first one has not."""


@pytest.mark.parametrize("victim", [0, 1])
def test_two_ranks_killed_at_any_boundary_leave_the_old_or_the_new_checkpoint(tmp_path: Path, victim: int) -> None:
    """Each world finds what the kills before it left, checks every number of it, and is killed one boundary later."""
    url = tmp_path.as_uri()
    boundaries = together(2, saved_and_killed, url, victim, -1)[victim][1] + (RETIREMENT if victim == 0 else 0)
    found_by = [together(2, saved_and_killed, url, victim, at, may_die=True)[1 - victim][0] for at in range(boundaries)]
    gained = [after - before for before, after in pairwise([1, *found_by])]
    assert found_by[0] == 1
    assert set(gained) <= {0, 1}
    [(last, _), _] = together(2, saved_and_killed, url, victim, -1)
    assert last in {found_by[-1], found_by[-1] + 1}
    assert last > 1 or victim == 1
    needed, there = named(tmp_path)
    assert there == needed


def fills_the_disk(ranks: Ranks, url: str) -> tuple[str, int | None]:
    made = checkpoints(ranks, url)
    made.save(state_of(1))
    made.close()
    write = os.write

    def full(descriptor: int, data: Any) -> int:
        if len(data) > 100 and ranks.rank == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    os.write = full
    made.save(state_of(2))
    try:
        made.close()
    except StorageError as error:
        os.write = write
        return str(error), found(ranks, url)
    raise AssertionError("the disk was not full")


def test_a_full_disk_is_an_error_with_rank_and_phase_and_the_old_checkpoint_stays(tmp_path: Path) -> None:
    for text, step in together(2, fills_the_disk, tmp_path.as_uri()):
        assert text.startswith("rank 1 failed in phase 'write' of saving step 2: cannot write file:///")
        assert text.endswith("No space left on device")
        assert step == 1
    left = [path.name for path in (tmp_path / Layout.step(2)).iterdir()]
    assert all(name.startswith("rank-00000-of-00002") for name in left)


def two_saved(ranks: Ranks, url: str) -> None:
    for step in (1, 2):
        made = checkpoints(ranks, url)
        made._shelf.keep = 2
        made.save(state_of(step))
        made.close()


def test_one_flipped_bit_anywhere_leads_to_the_checkpoint_before(tmp_path: Path) -> None:
    together(2, two_saved, tmp_path.as_uri())
    files = [path for path in sorted((tmp_path / Layout.step(2)).iterdir()) if path.is_file()]
    assert len(files) == 3
    flips = [(path, at) for path in files for at in range(0, path.stat().st_size, path.stat().st_size // 7)]
    assert together(1, found_after_flips, tmp_path.as_uri(), flips) == [{1}]


def found_after_flips(ranks: Ranks, url: str, flips: list[tuple[Path, int]]) -> set[int | None]:
    """What is found with each of the bits flipped; afterwards all is as before."""
    steps = set()
    for path, at in flips:
        good = path.read_bytes()
        manifest = path.with_name(Layout.MANIFEST)
        published = manifest.read_bytes()
        path.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1 :])
        steps.add(found(ranks, url))
        manifest.write_bytes(published)
        path.write_bytes(good)
    assert found(ranks, url) == 2
    return steps
