"""The checks of `coldbench.testing`: each a promise of every method, as a function that asserts it.

The name of a check is its function's, in words. `subject` is what `testing.Subject` makes of it.
"""

import gc
import json
import os
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from inspect import get_annotations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coldbench.download import home
from coldbench.episode import EpisodeBatch, Feedback
from coldbench.errors import UserError
from coldbench.method import from_params, state_bytes
from coldbench.testing import Subject

CHECKS: dict[str, Callable[[Subject], None]] = {}
NEEDS = {  # check -> the facts without which a method is exempt from it
    "learns a planted taste better than popularity": {"ranks": "it cannot rank"},
    "is better with K": {"adapts": "it does not adapt", "ranks": "it cannot rank"},
}
CLOSE = 1e-5  # scores that may differ by the order of a sum
KEPT = 20_000  # bytes over 500 users that may be Python's or torch's own


def check(promise: Callable[[Subject], None]) -> Callable[[Subject], None]:
    CHECKS[promise.__name__.replace("_", " ")] = promise
    return promise


@check
def constructs_without_side_effects(subject: Subject) -> None:
    before = _world_state()
    with _watched() as seen:
        first, second = subject.method(), subject.method()
    assert first.params() == second.params(), "two fresh ones differ"
    assert _world_state() == before, "constructing it changed global state"
    assert not seen, f"constructing it did {seen[:3]}"


@check
def parameters_survive_JSON(subject: Subject) -> None:
    for cls in subject.method.__mro__:
        bare = get_annotations(cls) and "__dataclass_fields__" not in vars(cls)
        assert not bare, f"{cls.__name__} lacks @dataclass: nobody can set its parameters"
    words = json.dumps(subject.method().params())
    back = json.dumps(from_params(subject.method, "it", json.loads(words)).params())
    assert back == words, f"{words} came back as {back}"


@check
def an_unknown_parameter_is_a_named_error(subject: Subject) -> None:
    given: dict[str, Any] = {"no_such_parameter": 1}
    for make in (
        partial(subject.method, **given),
        partial(from_params, subject.method, "it", given),
    ):
        try:
            make()
        except (TypeError, UserError) as error:
            assert "no_such_parameter" in str(error), f"the message names nothing: {error}"
        else:
            raise AssertionError("it was taken without a word")


@check
def adapting_before_training_is_a_clear_error(subject: Subject) -> None:
    method, batch = subject.new(), subject.batch()
    try:
        method.score(method.adapt(batch.support), batch.query.items)
    except UserError as error:
        assert "meta_train" in str(error), f"the message does not say what to do: {error}"
        return
    raise AssertionError("it scored without having learnt")


@check
def scores_are_finite_and_in_0_to_1(subject: Subject) -> None:
    batch = subject.batch()
    _sound(subject.predict(batch), batch)


@check
def lives_with_K_0(subject: Subject) -> None:
    batch = subject.batch(shots=0)
    _sound(subject.predict(batch), batch)


@check
def lives_with_K_1(subject: Subject) -> None:
    batch = subject.batch(shots=1)
    _sound(subject.predict(batch), batch)


@check
def lives_with_one_class(subject: Subject) -> None:
    batch = subject.batch()
    for label in (0.0, 1.0):
        same = batch.support.map(lambda column: column.clone())
        same.labels.fill_(label)
        _sound(subject.predict(_with(batch, same)), batch)


@check
def lives_with_duplicate_items(subject: Subject) -> None:
    batch = subject.batch()
    same = batch.support.map(lambda column: column.clone())
    same.items[:] = same.items[:, :1]
    _sound(subject.predict(_with(batch, same)), batch)


@check
def lives_with_items_nobody_rated(subject: Subject) -> None:
    batch = subject.batch()
    unseen = len(subject.plain.items) - 1
    support = batch.support.map(lambda column: column.clone())
    support.items[:, 0] = unseen
    query = batch.query.map(lambda column: column.clone())
    query.items[:, 0] = unseen
    _sound(subject.predict(EpisodeBatch(batch.users, support, query)), batch)


@check
def lives_with_odd_texts(subject: Subject) -> None:
    batch = subject.batch()
    odd = torch.arange(batch.query.items.shape[1]).expand_as(batch.query.items)
    query = Feedback(odd, batch.query.labels, batch.query.ages, batch.query.mask)
    support = batch.support.map(lambda column: column.clone())
    support.items[:] = torch.arange(support.items.shape[1])
    _sound(subject.predict(EpisodeBatch(batch.users, support, query)), batch)


@check
def lives_with_one_candidate(subject: Subject) -> None:
    batch = subject.batch()
    one = EpisodeBatch(batch.users, batch.support, batch.query.map(lambda column: column[:, :1]))
    _sound(subject.predict(one), one)


@check
def an_item_scores_the_same_alone_or_among_others(subject: Subject) -> None:
    batch = subject.batch()
    together = subject.predict(batch)
    backwards = batch.query.map(lambda column: column.flip(1))
    turned = subject.predict(EpisodeBatch(batch.users, batch.support, backwards))
    _close(turned.flip(1), together, "turning the query round changed scores")
    for at in (0, 3):
        part = batch.query.map(lambda column, at=at: column[:, at : at + 1])  # type: ignore[misc]
        alone = subject.predict(EpisodeBatch(batch.users, batch.support, part))
        _close(alone, together[:, at : at + 1], "scoring an item alone changed its score")


@check
def padding_the_support_changes_nothing(subject: Subject) -> None:
    batch = subject.batch(shots=4)
    padded = Feedback(
        *(_padded(getattr(batch.support, name)) for name in ("items", "labels", "ages", "mask"))
    )
    _close(subject.predict(_with(batch, padded)), subject.predict(batch), "padding changed scores")


@check
def batch_size_and_user_order_change_nothing(subject: Subject) -> None:
    batch = subject.batch(size=12)
    together = subject.predict(batch)
    backwards = _rows(batch, torch.arange(11, -1, -1))
    _close(subject.predict(backwards).flip(0), together, "the order of users changed scores")
    parts = [subject.predict(_rows(batch, part)) for part in torch.arange(12).split(5)]
    _close(torch.cat(parts), together, "the batch size changed scores")


@check
def adapting_to_others_leaves_no_trace(subject: Subject) -> None:
    mine, others = subject.batch(shots=8, size=4), subject.batch(shots=4, size=12)
    method, before = subject.ready, {k: v.clone() for k, v in subject.ready.learned.items()}
    first = subject.predict(mine)
    own = dict(vars(method))
    for _ in range(3):
        subject.predict(others)
    assert torch.equal(subject.predict(mine), first), "scores changed bit for bit"
    assert before.keys() == method.learned.keys(), "adapting added to what was learnt"
    for name, tensor in before.items():
        assert torch.equal(method.learned[name], tensor), f"adapting changed {name}"
    for name, thing in vars(method).items():
        assert own.get(name) is thing, f"adapting set self.{name}"


@check
def the_support_is_left_as_it_was(subject: Subject) -> None:
    batch = subject.batch()
    before = [column.clone() for column in _columns(batch.support)]
    subject.predict(batch)
    for column, was in zip(_columns(batch.support), before, strict=True):
        assert torch.equal(column, was), "adapting wrote into the support"


@check
def global_state_is_left_as_it_was(subject: Subject) -> None:
    before, features = _world_state(), subject.plain.items.features.clone()
    text = [subject.plain.items.catalogue.text[20]]
    vector = subject.plain.items.encoder.embed(text)
    method = subject.trained(subject.plain, seed=1)
    subject.predict(subject.batch(), method)
    assert _world_state() == before, "random state, default type or grad mode changed"
    assert torch.equal(subject.plain.items.features, features), "the item features changed"
    assert torch.equal(subject.plain.items.encoder.embed(text), vector), "the encoder changed"


@check
def same_seed_same_bits(subject: Subject) -> None:
    batch = subject.batch()
    torch.manual_seed(7)  # a method that draws from the global generator is found out
    again = subject.trained(subject.plain)
    assert torch.equal(subject.predict(batch, again), subject.predict(batch)), "scores differ"


@check
def another_seed_other_numbers(subject: Subject) -> None:
    batch = subject.batch()
    other = subject.trained(subject.plain, seed=1)
    same = torch.equal(subject.predict(batch, other), subject.predict(batch))
    if subject.method.random:
        assert not same, "another seed changed nothing: declare random = False"
    else:
        assert same, "it says random = False, yet another seed changed its scores"


@check
def saved_and_loaded_it_scores_the_same(subject: Subject) -> None:
    batch = subject.batch()
    folder = subject.folder / "saved"
    subject.ready.save(folder)
    again = from_params(
        subject.method, "it", json.loads((folder / "params.json").read_text(encoding="utf-8"))
    )
    again.load(folder, subject.plain.items)
    assert torch.equal(subject.predict(batch, again), subject.predict(batch)), "scores differ"


@check
def memory_stays_flat_over_500_users(subject: Subject) -> None:
    batch, rng = _rows(subject.batch(), torch.arange(100) % 12), torch.Generator().manual_seed(0)

    def meet(hundreds: int) -> int:
        for _ in range(hundreds):
            labels = torch.rand(batch.support.labels.shape, generator=rng)  # always others
            subject.predict(_with(batch, replace(batch.support, labels=labels)))
        return _bytes_alive()

    tracemalloc.start()
    try:
        before = meet(2)  # what is made once is made now
        grown = meet(5) - before
    finally:
        tracemalloc.stop()
    assert grown < KEPT, f"{grown:,} bytes were kept over 500 users"


@check
def a_state_is_made_of_tensors_one_row_a_user(subject: Subject) -> None:
    with torch.no_grad():
        sizes = [state_bytes(subject.ready.adapt(subject.batch(size=n).support)) for n in (3, 6)]
    if sizes[0]:
        assert abs(sizes[1] / sizes[0] - 2) < 0.5, f"3 users take {sizes[0]} B, 6 take {sizes[1]} B"
    else:
        assert not subject.method.adapts, "it adapts, yet its state holds no tensor"


@check
def writes_no_file_and_opens_no_connection(subject: Subject) -> None:
    subject.plain.items.encoder.embed(["warm"])
    with _watched() as seen:
        method = subject.trained(subject.plain, seed=2)
        subject.predict(subject.batch(), method)
    assert not seen, f"it did {seen[:3]}"


@check
def predictions_move_if_it_adapts(subject: Subject) -> None:
    method, cold = subject.learnt, subject.planted.split.cold
    moved = [
        (subject.predict(many, method) - subject.predict(none, method)).abs().mean()
        for none, many in zip(cold.batches(0), cold.batches(cold.max_shots), strict=True)
    ]
    change = float(torch.stack(moved).mean())
    if subject.method.adapts:
        assert change > 1e-3, f"the support moves predictions by {change:.1e} on average"
    else:
        assert change == 0, f"it says adapts = False, yet predictions move by {change:.1e}"


@check
def learns_a_planted_taste_better_than_popularity(subject: Subject) -> None:
    from coldbench import registry

    world = subject.planted
    popularity = Subject(registry.find("methods", "popularity"), subject.folder)
    baseline = popularity.auc(popularity.trained(world), world, 12).mean()
    reached = subject.auc(subject.learnt, world, 12).mean()
    assert reached > baseline + 0.05, f"AUC {reached:.3f}, popularity has {baseline:.3f}"


@check
def is_better_with_K(subject: Subject) -> None:
    world = subject.planted
    none, many = (subject.auc(subject.learnt, world, k).mean() for k in (0, 12))
    assert many > none + 0.01, f"AUC is {none:.3f} at K = 0 and {many:.3f} at K = 12"


@check
def with_shuffled_labels_it_is_at_chance(subject: Subject) -> None:
    world = subject.planted.shuffled()
    method = subject.trained(world, short=False)
    for shots in (0, 12):
        values = subject.auc(method, world, shots)
        off, noise = float(values.mean()) - 0.5, float(values.std()) / len(values) ** 0.5
        # items are shared by users, so a lucky item counts many times: the bound is wide
        found = f"AUC {0.5 + off:.3f} at K = {shots} with labels that say nothing"
        assert abs(off) < max(4 * noise, 0.1), found


def _sound(scores: Tensor, batch: EpisodeBatch) -> None:
    expected = tuple(batch.query.items.shape)
    assert tuple(scores.shape) == expected, f"shape {tuple(scores.shape)}, not {expected}"
    assert scores.dtype == torch.float32, f"{scores.dtype}, not float32"
    assert bool(torch.isfinite(scores).all()), "a score is not finite"
    low, high = float(scores.min()), float(scores.max())
    assert low >= 0 and high <= 1, f"scores from {low} to {high}"


def _close(found: Tensor, expected: Tensor, what: str) -> None:
    off = float((found - expected).abs().max())
    assert off <= CLOSE, f"{what} by {off:.1e}"


def _with(batch: EpisodeBatch, support: Feedback) -> EpisodeBatch:
    return EpisodeBatch(batch.users, support, batch.query)


def _rows(batch: EpisodeBatch, which: Tensor) -> EpisodeBatch:
    support = batch.support.map(lambda column: column[which])
    return EpisodeBatch(batch.users[which], support, batch.query.map(lambda column: column[which]))


def _padded(column: Tensor) -> Tensor:
    """Three masked entries before the real ones and two after."""
    n = len(column)
    before, after = column.new_zeros(n, 3), column.new_zeros(n, 2)
    return torch.cat([before, column, after], 1)


def _columns(feedback: Feedback) -> tuple[Tensor, ...]:
    return feedback.items, feedback.labels, feedback.ages, feedback.mask


def _world_state() -> tuple[Any, ...]:
    return (
        torch.random.get_rng_state().numpy().tobytes(),
        repr(np.random.get_state()),
        random.getstate(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    )


def _bytes_alive() -> int:
    """Of tensors, and of all that Python and numpy have allocated since tracemalloc began."""
    gc.collect()
    alive = [x for x in gc.get_objects() if type(x) in (Tensor, torch.nn.Parameter)]
    tensors = sum(x.numel() * x.element_size() for x in alive)
    del alive
    return tensors + tracemalloc.get_traced_memory()[0]


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
DEEDS = frozenset(
    "socket.connect socket.sendto socket.getaddrinfo subprocess.Popen os.system os.posix_spawn "
    "os.fork sqlite3.connect".split()
)
HARMLESS = {"dev", "proc", "__pycache__"}  # parts of the path of a file that is none of ours
_seen: list[list[str]] = []  # one list for each `with _watched()` that is open


def _listen(event: str, args: tuple[Any, ...]) -> None:
    if not _seen:
        return
    if event == "open" and not isinstance(args[0], int) and args[2] & WRITES:
        path = Path(os.fsdecode(args[0]))
        if not path.is_relative_to(home()) and not HARMLESS & set(path.parts):
            _seen[-1].append(f"open({str(path)!r})")
    elif event in DEEDS:
        _seen[-1].append(f"{event}{args[:2]!r}")


@contextmanager
def _watched() -> Iterator[list[str]]:
    """What is written, called or connected to inside the block (Python's audit events)."""
    if not getattr(sys, "_coldbench_listens", False):
        sys.addaudithook(_listen)  # it cannot be removed, so it is added once
        sys._coldbench_listens = True  # type: ignore[attr-defined]
    _seen.append([])
    try:
        yield _seen[-1]
    finally:
        _seen.pop()
