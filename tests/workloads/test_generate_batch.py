"""Continuous batching gives what the plain module gives, whoever else is computed at the same time."""

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.workloads.generating import TINY, FakeWork, asked, greedy, one_thread, tiny
from torch import nn

from springtide_workloads.models.gpt import GPTConfig
from springtide_workloads.serve.generate.batch import Batch
from springtide_workloads.serve.generate.build import batch_over
from springtide_workloads.serve.generate.options import Options
from springtide_workloads.serve.generate.request import Finish, Generate

__all__ = ["one_thread"]  # a fixture that works by being here

MODELS = {
    (layers, heads): tiny(layers, dataclasses.replace(TINY, layers=layers, heads=heads))
    for layers, heads in ((1, 1), (2, 2), (3, 4))
}


def batch(model: nn.Module, **options: Any) -> Batch:
    config = model.config
    assert isinstance(config, GPTConfig)
    return batch_over(model, config, torch.device("cpu"), Options(**{"slots": 4, "step_tokens": 16} | options))


def done(made: Batch, works: list[FakeWork]) -> list[FakeWork]:
    """Joins them in their order, as soon as there is room, and steps until nobody is left."""
    waiting = list(works)
    while waiting or made.members:
        while waiting and made.join(waiting[0]):
            waiting.pop(0)
        made.step()
    return works


def prompt_of(length: int, seed: int) -> list[int]:
    return torch.randint(0, 256, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


REQUESTS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 30), st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=9
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=st.sampled_from(sorted(MODELS)),
    requests=REQUESTS,
    slots=st.integers(1, 5),
    step_tokens=st.integers(1, 70),
    data=st.data(),
)
def test_greedy_tokens_are_those_of_the_plain_module_through_joins_and_leaves(
    shape: tuple[int, int], requests: list[tuple[int, int, int, int]], slots: int, step_tokens: int, data: st.DataObject
) -> None:
    """Each request is a prompt's length, its tokens, steps until it comes, and which prompt it begins like."""
    model = MODELS[shape]
    made = batch(model, slots=slots, step_tokens=step_tokens, pages=14)
    works = [(FakeWork(asked(prompt_of(length, like), more)), after) for length, more, after, like in requests]
    leavers = data.draw(st.sets(st.integers(0, len(works) - 1), max_size=2))
    waiting, steps = list(works), 0
    while waiting or made.members:
        while waiting and waiting[0][1] <= steps and made.join(waiting[0][0]):
            waiting.pop(0)
        made.step()
        steps += 1
        if steps == 8:
            for at in leavers:
                works[at][0].gone = True
    assert made.pages.used == 0
    assert made.room == slots
    for at, (work, _) in enumerate(works):
        assert work.ended == work.begun == 1
        assert work.ids == greedy(model, work.asked, work.ids)
        assert (work.finish is Finish.LENGTH and len(work.ids) == work.asked.max_tokens) or at in leavers


def test_a_long_prompt_does_not_stall_those_that_get_tokens() -> None:
    made = batch(MODELS[2, 2], step_tokens=8)
    short, long = FakeWork(asked([1], 30)), FakeWork(asked([2] * 60, 4))
    assert made.join(short)
    made.step()
    assert made.join(long)
    before = len(short.ids)
    for count in range(1, 9):
        made.step()
        assert len(short.ids) == before + count
    assert not long.ids
    done(made, [])
    assert len(long.ids) == 4


def test_a_prefix_that_was_read_before_is_not_read_again() -> None:
    made = batch(MODELS[2, 2])
    first = FakeWork(asked(prompt_of(50, 1), 4))
    done(made, [first])
    assert made.count.prompt_tokens == 50
    same = FakeWork(asked(prompt_of(50, 1), 4))
    done(made, [same])
    assert made.count.prompt_tokens == 52
    assert made.count.cached_tokens == same.pieces[0].cached == 48
    assert first.pieces[0].cached == 0
    assert same.ids == first.ids


def test_a_text_goes_on_from_its_own_answer_without_reading_it_again() -> None:
    made = batch(MODELS[2, 2])
    first = FakeWork(asked(prompt_of(30, 1), 20))
    done(made, [first])
    more = FakeWork(asked([*first.asked.prompt, *first.ids], 5))
    done(made, [more])
    assert more.pieces[0].cached == 48
    assert more.ids == greedy(MODELS[2, 2], more.asked, more.ids)


def test_one_that_left_frees_its_slot_and_pages_within_a_step() -> None:
    made = batch(MODELS[2, 2], slots=1, pages=6)
    leaver, waiter = FakeWork(asked([1] * 40, 20)), FakeWork(asked([2], 2))
    assert made.join(leaver)
    made.step()
    assert not made.join(waiter)
    leaver.gone = True
    made.step()
    assert leaver.ended == 1
    assert made.pages.used == 0
    assert made.join(waiter)


def test_requests_wait_while_there_are_too_few_pages_and_none_is_stuck() -> None:
    made = batch(MODELS[2, 2], pages=6)
    works = done(made, [FakeWork(asked(prompt_of(20, seed), 30)) for seed in range(5)])
    assert all(len(work.ids) == 30 for work in works)
    assert made.pages.used == 0


def test_wasted_slot_steps_are_counted_exactly() -> None:
    made = batch(MODELS[2, 2], slots=2, step_tokens=100)
    done(made, [FakeWork(asked([1], 3)), FakeWork(asked([2], 5))])
    assert (made.count.steps, made.count.slot_steps, made.count.used, made.count.wasted) == (5, 10, 8, 2)
    assert made.count.tokens == 8


SAMPLED = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([0.5, 1.0, 1.7]),
        "top_p": st.sampled_from([0.3, 0.9, 1.0]),
        "top_k": st.sampled_from([0, 3, 40]),
    }
)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(ways=st.lists(SAMPLED, min_size=2, max_size=6), seed=st.integers(0, 2**63 - 1))
def test_equal_seeds_give_equal_answers_whoever_is_in_the_batch(ways: list[dict[str, Any]], seed: int) -> None:
    requests = [asked(prompt_of(5 + 7 * at, at), 12, seed=seed + at, **way) for at, way in enumerate(ways)]

    def run(made: Batch, some: list[Generate]) -> list[list[int]]:
        works = [FakeWork(each) for each in some]
        waiting = list(works)
        while waiting or made.members:
            while waiting and made.join(waiting[0], seed=(waiting[0].asked.seed or 0) % 2**63):
                waiting.pop(0)
            made.step()
        return [work.ids for work in works]

    alone = [run(batch(MODELS[2, 2]), [each])[0] for each in requests]
    assert run(batch(MODELS[2, 2]), requests) == alone
    assert run(batch(MODELS[2, 2], slots=2, step_tokens=5), requests[::-1]) == alone[::-1]


def test_a_resumed_text_draws_what_it_would_have_drawn() -> None:
    made = batch(MODELS[2, 2])
    request = asked(prompt_of(9, 3), 20, temperature=1.0, seed=11)
    whole = FakeWork(request)
    assert made.join(whole, seed=11)
    done(made, [])
    begun = whole.ids[:7]
    rest = FakeWork(dataclasses.replace(request, prompt=(*request.prompt, *begun), max_tokens=13, skip=7))
    assert made.join(rest, seed=11)
    done(made, [])
    assert begun + rest.ids == whole.ids


def test_log_probabilities_are_those_of_the_model_and_told_to_whoever_asks() -> None:
    model, made = MODELS[2, 2], batch(MODELS[2, 2])
    told, silent = FakeWork(asked([5, 6], 3, logprobs=2)), FakeWork(asked([7], 3))
    done(made, [told, silent])
    with torch.inference_mode():
        wanted = torch.log_softmax(model(torch.tensor([[5, 6]]))[0, -1].double(), -1)
    first = told.logprobs[0]
    assert first.chosen == pytest.approx(float(wanted.max()), abs=1e-4)
    assert [token for token, _ in first.top] == wanted.topk(2).indices.tolist()
    assert len(told.logprobs) == 3
    assert not silent.logprobs


def test_a_step_that_breaks_fails_those_in_it_and_no_one_after_them() -> None:
    made = batch(MODELS[2, 2])
    hit, later = FakeWork(asked([1], 3)), FakeWork(asked([2], 3))
    assert made.join(hit)
    made.fail(RuntimeError("broken"))
    assert isinstance(hit.error, RuntimeError)
    assert made.pages.used == 0
    done(made, [later])
    assert later.ids == greedy(MODELS[2, 2], later.asked, later.ids)
