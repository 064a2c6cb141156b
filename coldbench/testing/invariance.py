"""Checks of what must not matter: an item's neighbours, padding, batches, order, gradients."""

from dataclasses import replace

import torch
from torch import Tensor

from coldbench.episode import EpisodeBatch
from coldbench.testing.assertions import assert_close
from coldbench.testing.subject import MethodUnderTest, asking, rows, tensors_of, with_support
from coldbench.testing.toy_data import EDGE_CASE_TEXTS, UNSEEN


def an_item_scores_the_same_alone_or_among_others(subject: MethodUnderTest) -> None:
    """An item's score does not depend on the others asked for, nor on its place among them."""
    batch = subject.batch()
    asked, together = batch.query.items, subject.predict(batch)
    turned = subject.predict(asking(batch, asked.flip(1)))
    assert_close(turned.flip(1), together, "turning the query round changed scores")
    for at in (0, 3):
        alone = subject.predict(asking(batch, asked[:, at : at + 1]))
        assert_close(alone, together[:, at : at + 1], "scoring an item alone changed its score")


def a_catalogue_at_once_or_in_pieces_is_the_same(subject: MethodUnderTest) -> None:
    """Ranking all items piece by piece gives what ranking them at once gives."""
    batch = subject.batch()
    every = torch.arange(len(EDGE_CASE_TEXTS), UNSEEN).expand(
        len(batch.users), -1
    )  # and no odd one
    at_once = subject.predict(asking(batch, every))
    parts = [subject.predict(asking(batch, part)) for part in every.split(7, 1)]
    assert_close(torch.cat(parts, 1), at_once, "asking for all items at once changed scores")


def an_item_asked_for_twice_scores_the_same_twice(subject: MethodUnderTest) -> None:
    """The same item at two places of one query gets one score."""
    batch = subject.batch()
    twice = torch.cat([batch.query.items, batch.query.items[:, :3]], 1)
    scores = subject.predict(asking(batch, twice))
    assert_close(scores[:, -3:], scores[:, :3], "the second time an item scored otherwise")
    assert_close(scores[:, :-3], subject.predict(batch), "asking for an item twice changed scores")


def padding_the_support_changes_nothing(subject: MethodUnderTest) -> None:
    """Masked entries before and after the real ones are as if they were not there."""
    batch = subject.batch(shots=4)
    padded = batch.support.map(_padded)
    given = with_support(batch, padded)
    assert_close(subject.predict(given), subject.predict(batch), "padding changed scores")


def what_the_mask_hides_is_not_read(subject: MethodUnderTest) -> None:
    """Whatever item and label stand in a masked entry."""
    batch = subject.batch()
    hidden = batch.support.mask.clone()
    hidden[:, ::2] = False
    blank = batch.support.map(lambda column: column * hidden)
    full = replace(batch.support, mask=hidden)
    with_rest = subject.predict(with_support(batch, full))
    assert_close(
        with_rest, subject.predict(with_support(batch, blank)), "hidden entries changed scores"
    )


def a_support_of_padding_alone_is_K_0(subject: MethodUnderTest) -> None:
    """A user whose every entry is masked gets what a user without a label gets."""
    batch = subject.batch()
    nothing = with_support(batch, batch.support.map(torch.zeros_like))
    none = subject.predict(subject.batch(shots=0))
    assert_close(subject.predict(nothing), none, "a support of padding is not K = 0: scores differ")


def batch_size_and_user_order_change_nothing(subject: MethodUnderTest) -> None:
    """A user gets the same scores met alone, in fives or among twelve, first or last."""
    batch = subject.batch(size=12)
    together = subject.predict(batch)
    backwards = rows(batch, torch.arange(11, -1, -1))
    assert_close(subject.predict(backwards).flip(0), together, "the order of users changed scores")
    parts = [subject.predict(rows(batch, part)) for part in torch.arange(12).split([1, 5, 5, 1])]
    assert_close(torch.cat(parts), together, "the batch size changed scores")


def the_order_of_the_support_changes_nothing(subject: MethodUnderTest) -> None:
    """Labels are a set: when they were given is said by their ages, not by their places."""
    batch = subject.batch()
    together = subject.predict(batch)
    for order in (torch.arange(7, -1, -1), torch.tensor([3, 0, 6, 1, 7, 4, 2, 5])):
        turned = batch.support.map(lambda column, order=order: column[:, order])  # type: ignore[misc]
        assert_close(subject.predict(with_support(batch, turned)), together, "it changed scores")


def gradients_on_or_off_scores_are_the_same(subject: MethodUnderTest) -> None:
    """`adapt` and `score` give the same where the caller has gradients on or off."""
    batch, off = subject.batch(), subject.predict(subject.batch())
    with torch.enable_grad():
        on = _score(subject, batch).detach()
    assert_close(on, off, "with gradients on scores changed")


def with_gradients_off_nothing_asks_for_them(subject: MethodUnderTest) -> None:
    """A state made without gradients carries none, so it can be kept, copied and sent."""
    batch = subject.batch()
    with torch.no_grad():
        state = subject.trained.adapt(batch.support)
        scores = subject.trained.score(state, batch.query.items)
    asking_for = [tuple(part.shape) for part in tensors_of(state) if part.requires_grad]
    assert not asking_for, f"the state asks for gradients: tensors of {asking_for}"
    assert not scores.requires_grad, "the scores ask for gradients"


def another_number_of_threads_changes_nothing(subject: MethodUnderTest) -> None:
    """On one core or two a user gets the same scores."""
    batch, threads = subject.batch(), torch.get_num_threads()
    scores = subject.predict(batch)
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert_close(subject.predict(batch), scores, "another number of threads changed scores")
    finally:
        torch.set_num_threads(threads)


def _score(subject: MethodUnderTest, batch: EpisodeBatch) -> Tensor:
    return subject.trained.score(subject.trained.adapt(batch.support), batch.query.items)


def _padded(column: Tensor) -> Tensor:
    """Three masked entries before the real ones and two after."""
    n = len(column)
    before, after = column.new_zeros(n, 3), column.new_zeros(n, 2)
    return torch.cat([before, column, after], 1)
