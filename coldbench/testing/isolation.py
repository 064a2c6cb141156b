"""Checks of what a method leaves behind, and of chance: traces, files, seeds, memory."""

import copy
import gc
import tracemalloc
from dataclasses import replace
from typing import Any

import torch

from coldbench.episode import Users
from coldbench.seeds import Seeds
from coldbench.testing.assertions import assert_close
from coldbench.testing.side_effects import bytes_alive
from coldbench.testing.subject import (
    ENCODER,
    FEATURES,
    MethodUnderTest,
    rows,
    tensors_of,
    with_support,
)

STATE_BUDGET = 4_000  # bytes over 200 users that may be Python's or torch's own: 20 a user


def adapting_to_others_leaves_no_trace(subject: MethodUnderTest) -> None:
    """Meeting other users in between changes no bit of a user's scores, nor what was learnt."""
    mine, others = subject.batch(shots=8, size=4), subject.batch(shots=4, size=12)
    method, before = subject.trained, {k: v.clone() for k, v in subject.trained.learned.items()}
    first = subject.predict(mine)
    attributes = dict(vars(method))
    for _ in range(3):
        subject.predict(others)
    assert torch.equal(subject.predict(mine), first), "scores changed bit for bit"
    assert before.keys() == method.learned.keys(), "adapting added to what was learnt"
    for name, tensor in before.items():
        assert torch.equal(method.learned[name], tensor), f"adapting changed {name}"
    for name, thing in vars(method).items():
        assert attributes.get(name) is thing, f"adapting set self.{name}"


def scoring_leaves_the_state_as_it_was(subject: MethodUnderTest) -> None:
    """A user's state may be kept and asked again: the second answer is the first, bit for bit."""
    batch, method = subject.batch(), subject.trained
    with torch.no_grad():
        state = method.adapt(batch.support)
        before = [part.clone() for part in tensors_of(state)]
        first = method.score(state, batch.query.items).clone()
        method.score(state, batch.query.items.flip(1))
        again = method.score(state, batch.query.items)
    for part, was in zip(tensors_of(state), before, strict=True):
        assert torch.equal(part, was), "scoring wrote into the state"
    assert torch.equal(again, first), "asked again, the same state says otherwise"


def the_support_is_left_as_it_was(subject: MethodUnderTest) -> None:
    """`adapt` and `score` write nothing into what they are given."""
    batch = subject.batch()
    given = [*_columns(batch.support), batch.query.items]
    before = [column.clone() for column in given]
    subject.predict(batch)
    for column, was in zip(given, before, strict=True):
        assert torch.equal(column, was), "adapting wrote into the support"


def the_users_it_learns_from_are_left_as_they_were(subject: MethodUnderTest) -> None:
    """Training writes nothing into the logs and labels of warm and valid users."""
    touched = [part for part in subject.observed_run.touched if part not in (FEATURES, ENCODER)]
    assert not touched, f"training wrote into {', '.join(touched)}"


def global_state_is_left_as_it_was(subject: MethodUnderTest) -> None:
    """Random states, default type, grad mode, threads, environment: as before the training."""
    harm = subject.observed_run.global_state
    assert not harm, f"it changed {harm}"


def items_and_encoder_are_left_as_they_were(subject: MethodUnderTest) -> None:
    """Features, the shared encoder's weights and its eval mode: as before the training."""
    touched = [part for part in subject.observed_run.touched if part in (FEATURES, ENCODER)]
    assert not touched, f"training changed the {', '.join(touched)}"


def writes_no_file_and_opens_no_connection(subject: MethodUnderTest) -> None:
    """Outside coldbench's own cache, while it learns, adapts and scores."""
    events = subject.observed_run.events
    assert not events, f"it did {events[:3]}"


def prints_nothing(subject: MethodUnderTest) -> None:
    """The command line prints; a method returns."""
    printed = subject.observed_run.printed
    assert not printed, f"it printed {printed[:80]!r}"


def memory_stays_flat_over_500_users(subject: MethodUnderTest) -> None:
    """Neither tensors nor anything else is kept of users who were met."""
    batch, rng = rows(subject.batch(), torch.arange(100) % 12), torch.Generator().manual_seed(0)

    def meet(hundreds: int) -> None:
        for _ in range(hundreds):
            labels = torch.rand(batch.support.labels.shape, generator=rng)  # always others
            subject.predict(with_support(batch, replace(batch.support, labels=labels)))

    def after(hundreds: int) -> int:
        meet(hundreds)
        return bytes_alive()

    meet(2)  # what is made once is made now; to trace it takes longest
    gc.freeze()  # what was alive before is nobody's: looking for it takes time too
    tracemalloc.start()
    try:
        before = after(1)
        grown = after(2) - before
        if grown >= STATE_BUDGET:  # what fills up slowly and is then full is no user's
            grown = min(grown, after(2) - before - grown)
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    assert grown < STATE_BUDGET, f"{grown:,} bytes were kept of 200 users"


def ctrl_c_ends_its_training(subject: MethodUnderTest) -> None:
    """An interruption while it learns comes through; it is not taken for an error to get over."""
    method, cut = subject.new(), subject.plain.split
    whole = cut.warm
    warm = _Interrupting(whole.log, whole.labels, whole.ids, whole.negatives_per_positive)
    asked.clear()
    try:
        method.meta_train(warm, cut.valid, subject.plain.items, Seeds.of(0))
    except KeyboardInterrupt:
        return
    assert not asked, "it was interrupted and went on"


def same_seed_same_bits(subject: MethodUnderTest) -> None:
    """Trained again from the same seeds it scores the same, bit for bit."""
    batch = subject.batch()
    first = subject.predict(batch)
    torch.manual_seed(7)  # a method that goes by the global generator is found out
    again = subject.train(subject.plain)
    assert torch.equal(subject.predict(batch, again), first), "scores differ"


def another_seed_other_numbers(subject: MethodUnderTest) -> None:
    """Another seed changes something; or `stochastic = False` is declared, and nothing changes."""
    batch = subject.batch()
    other = subject.observed_run.method
    same = torch.equal(subject.predict(batch, other), subject.predict(batch))
    if subject.method.stochastic:
        assert not same, "another seed changed nothing: declare stochastic = False"
    else:
        assert same, "it says stochastic = False, yet another seed changed its scores"


def only_its_own_seeds_matter(subject: MethodUnderTest) -> None:
    """Chance comes from seeds.init and seeds.order alone; those of the split and of the draw are
    not a method's, or what varies a run could not be told apart."""
    batch, initial = subject.batch(), Seeds.of(0)
    seeds = replace(initial, split=initial.split + 1, draw=initial.draw + 1)
    other = subject.train(subject.plain, seeds=seeds)
    same = torch.equal(subject.predict(batch, other), subject.predict(batch))
    assert same, "the seed of the split or of the draw changed its scores"


def trained_a_second_time_it_is_as_new(subject: MethodUnderTest) -> None:
    """What it learnt before is forgotten when it is trained again."""
    batch, cut = subject.batch(), subject.plain.split
    again = copy.copy(subject.observed_run.method)
    again.meta_train(cut.warm, cut.valid, subject.plain.items, Seeds.of(0))
    second, fresh = subject.predict(batch, again), subject.predict(batch)
    assert_close(second, fresh, "its first training changed what the second led to")


asked: list[str] = []


class _Interrupting(Users):
    """Users at whom somebody presses Ctrl-C."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("log", "labels"):
            asked.append(name)
            raise KeyboardInterrupt
        return super().__getattribute__(name)


def _columns(feedback: Any) -> tuple[torch.Tensor, ...]:
    return feedback.items, feedback.labels, feedback.days_before_query, feedback.mask
