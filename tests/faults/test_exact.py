"""A run that is killed again and again, each life on another number of processes, ends with the bits of an undisturbed one."""

import random
from pathlib import Path

import pytest
from tests.workloads.stepping import Choice, killed
from tests.workloads.worlds import together

pytestmark = [pytest.mark.faults, pytest.mark.enable_socket, pytest.mark.timeout(900)]

STEPS = 12
EVERY = 3
NOBODY = -1


def lives(path: Path, worlds: list[int], seed: int) -> str:
    """The digest that a run ends with; every life but the last is cut short by a SIGKILL of some rank at some step."""
    chance = random.Random(seed)
    choice = Choice(exact=4)
    for world in worlds[:-1]:
        victim, after = chance.randrange(world), chance.randrange(2 * EVERY)
        assert together(world, killed, choice, path, STEPS, EVERY, victim, after, may_die=True) == [None] * world
    found = set(together(worlds[-1], killed, choice, path, STEPS, EVERY, NOBODY, 0))
    assert len(found) == 1
    digest: str = found.pop()
    return digest


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return lives(tmp_path_factory.mktemp("undisturbed") / "state", [1], seed=0)


def test_worlds_of_4_2_1_and_3_in_a_row_end_with_the_same_bits(tmp_path: Path, undisturbed: str) -> None:
    assert lives(tmp_path / "state", [4, 2, 1, 3], seed=20261123) == undisturbed


@pytest.mark.parametrize("seed", range(2))
def test_random_worlds_and_kills_end_with_the_same_bits(tmp_path: Path, undisturbed: str, seed: int) -> None:
    worlds = random.Random(seed).choices(range(1, 5), k=4)
    assert lives(tmp_path / "state", worlds, seed) == undisturbed


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_random_worlds_and_kills_end_with_the_same_bits(tmp_path: Path, undisturbed: str, seed: int) -> None:
    chance = random.Random(seed)
    assert lives(tmp_path / "state", chance.choices(range(1, 5), k=chance.randint(2, 8)), seed) == undisturbed
