"""Checks of what a method must live with: supports, queries, texts and logs of every kind."""

from dataclasses import replace

import torch

from coldbench.episode import Feedback
from coldbench.errors import Unavailable
from coldbench.seeds import Seeds
from coldbench.testing.assertions import assert_shape, assert_valid_scores
from coldbench.testing.subject import MethodUnderTest, asking, rows, with_support
from coldbench.testing.toy_data import EDGE_CASE_TEXTS, UNSEEN, ToyProblem


def scores_are_finite_and_in_0_to_1(subject: MethodUnderTest) -> None:
    """A score is an expected label: a number from 0 to 1, one for each item asked for."""
    batch = subject.batch()
    assert_valid_scores(subject.predict(batch), batch)


def every_preset_serves_users(subject: MethodUnderTest) -> None:
    """Trained with each of its presets, it scores for unlike users, for like ones and at K = 0."""
    given = subject.batch(), rows(subject.batch(), torch.zeros(12).long()), subject.batch(shots=0)
    lacking = []
    for name, params in subject.method.presets.items():
        method, cut = subject.new(**params), subject.plain.split
        try:
            method.meta_train(cut.warm, cut.valid, subject.plain.items, Seeds.of(0))
            for batch in given:
                assert_valid_scores(subject.predict(batch, method), batch)
        except Unavailable as error:
            lacking.append(f"the preset {name}: {error}")
        except Exception as error:  # whatever it was, the preset is named with it
            raise AssertionError(f"with the preset {name}: {error}") from error
    if lacking:  # the others were tried all the same
        raise Unavailable("; ".join(lacking))


def scores_are_float32(subject: MethodUnderTest) -> None:
    """Scores come as float32, whatever the method counts in."""
    batch = subject.batch()
    scores = subject.predict(batch)
    assert_shape(scores, batch)
    assert scores.dtype == torch.float32, f"{scores.dtype}, not float32"


def lives_with_K_0(subject: MethodUnderTest) -> None:
    """A user of whom nothing is known gets scores."""
    batch = subject.batch(shots=0)
    assert_valid_scores(subject.predict(batch), batch)


def lives_with_K_1(subject: MethodUnderTest) -> None:
    """A user of one label gets scores."""
    batch = subject.batch(shots=1)
    assert_valid_scores(subject.predict(batch), batch)


def lives_with_more_shots_than_training_saw(subject: MethodUnderTest) -> None:
    """40 labels a user, of as many items, where no warm or valid episode had more than 12."""
    batch, first = subject.batch(), len(EDGE_CASE_TEXTS)
    turn = 5 * torch.arange(len(batch.users))[:, None] + torch.arange(40)
    labels, days = (
        column[:, :8].repeat(1, 5)
        for column in (batch.support.labels, batch.support.days_before_query)
    )
    many = Feedback(first + turn % (UNSEEN - first), labels, days, torch.ones_like(turn).bool())
    assert_valid_scores(subject.predict(with_support(batch, many)), batch)


def lives_with_one_class(subject: MethodUnderTest) -> None:
    """A user who liked everything gets scores, and so does one who disliked everything."""
    batch = subject.batch()
    for label in (0.0, 1.0):
        same = replace(batch.support, labels=torch.full_like(batch.support.labels, label))
        assert_valid_scores(subject.predict(with_support(batch, same)), batch)


def lives_with_labels_between(subject: MethodUnderTest) -> None:
    """A label is any number from 0 to 1, not one of five stars."""
    batch = subject.batch()
    rng = torch.Generator().manual_seed(0)
    between = 0.01 + 0.2 * torch.rand(batch.support.labels.shape, generator=rng)
    for labels in (between, 1 - between):
        assert_valid_scores(
            subject.predict(with_support(batch, replace(batch.support, labels=labels))), batch
        )


def lives_with_duplicate_items(subject: MethodUnderTest) -> None:
    """The same item may stand in a support again and again."""
    batch = subject.batch()
    same = batch.support.items[:, :1].expand_as(batch.support.items).clone()
    assert_valid_scores(
        subject.predict(with_support(batch, replace(batch.support, items=same))), batch
    )


def lives_with_items_nobody_rated(subject: MethodUnderTest) -> None:
    """An item that no warm user rated may be given or asked for."""
    batch = subject.batch()
    items, asked = batch.support.items.clone(), batch.query.items.clone()
    items[:, 0] = asked[:, 0] = UNSEEN
    given = with_support(asking(batch, asked), replace(batch.support, items=items))
    assert_valid_scores(subject.predict(given), given)


def lives_with_an_empty_text(subject: MethodUnderTest) -> None:
    """An item without a word may be given or asked for."""
    _lives_with_text(subject, 0)


def lives_with_a_text_of_10_kB(subject: MethodUnderTest) -> None:
    """A text longer than any model reads may be given or asked for."""
    _lives_with_text(subject, 1)


def lives_with_emoji(subject: MethodUnderTest) -> None:
    """A text of pictures alone may be given or asked for."""
    _lives_with_text(subject, 2)


def lives_with_right_to_left_text(subject: MethodUnderTest) -> None:
    """A text of another script, read from right to left, may be given or asked for."""
    _lives_with_text(subject, 3)


def lives_with_control_characters_and_quotes(subject: MethodUnderTest) -> None:
    """A text of zero bytes, line breaks, quotes and semicolons is a text like any other."""
    _lives_with_text(subject, 4)
    _lives_with_text(subject, 5)


def lives_with_one_candidate(subject: MethodUnderTest) -> None:
    """A query may be one item."""
    batch = subject.batch()
    single = asking(batch, batch.query.items[:, :1])
    assert_valid_scores(subject.predict(single), single)


def lives_with_a_batch_of_nobody(subject: MethodUnderTest) -> None:
    """No user in, no score out: a shard may come out empty."""
    nobody = rows(subject.batch(), torch.arange(0))
    assert_valid_scores(subject.predict(nobody), nobody)


def lives_with_a_log_without_times(subject: MethodUnderTest) -> None:
    """Where nobody knows when a label was given its age is 0, in training and after it."""
    problem = subject.plain.timeless()
    _lives_in(subject, problem, shots=8)


def lives_with_a_positive_only_log(subject: MethodUnderTest) -> None:
    """Where users only ever like, it learns from what they left unseen; supports are all likes."""
    _lives_in(subject, subject.likes, shots=4)


def lives_with_no_valid_user(subject: MethodUnderTest) -> None:
    """A set too small to choose by is learnt from all the same."""
    _lives_in(subject, subject.plain.without_valid(), shots=8)


def lives_with_three_warm_users(subject: MethodUnderTest) -> None:
    """Three users to learn from are few, and enough to say something."""
    _lives_in(subject, subject.plain.with_few_warm(3), shots=8)


def _lives_in(subject: MethodUnderTest, problem: ToyProblem, shots: int) -> None:
    batch = next(problem.split.cold.batches(shots, 12))
    assert_valid_scores(subject.predict(batch, subject.train(problem)), batch)


def _lives_with_text(subject: MethodUnderTest, which: int) -> None:
    """The item of this odd text is the first of the support and the first of the query."""
    batch = subject.batch()
    items, asked = batch.support.items.clone(), batch.query.items.clone()
    items[:, 0] = asked[:, 0] = which
    given = with_support(asking(batch, asked), replace(batch.support, items=items))
    assert_valid_scores(subject.predict(given), given)
