"""Who is asked what: each asker against a plain loop, and pools that fit the protocol."""

import numpy as np
import pytest
import torch

from coldbench.elicit.askers import asker_of, counts, entropy0, variance
from coldbench.elicit.question_tree import DAMPING, LEAST, QuestionTree
from coldbench.episode import Feedback, Users
from coldbench.interactions import Interactions
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split, split

N_ITEMS = 30


def log_of(n_users: int = 60, least: int = 8) -> tuple[Interactions, np.ndarray]:
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(n_users), rng.integers(least, 24, n_users))
    chance = np.linspace(3, 1, N_ITEMS) / np.linspace(3, 1, N_ITEMS).sum()
    items = np.concatenate(
        [rng.choice(N_ITEMS, n, replace=False, p=chance) for n in np.bincount(users)]
    )
    taste = np.sign(items % 2 - 0.5) * np.sign(users % 2 - 0.5)
    ratings = np.clip(np.round(3 + 1.5 * taste + rng.normal(0, 1, len(users))), 1, 5)
    log = Interactions.from_rows(users, items, ratings, np.arange(len(users)) * 1000, N_ITEMS)
    return log, ((log.ratings - 1) / 4).astype(np.float32)


def warm() -> Users:
    log, labels = log_of()
    return Users(log, labels, np.arange(log.n_users))


def cut(name: str = "elicit", **changes: object) -> Split:
    log, labels = log_of()
    stated = {"shots": [0, 1, 2, 4], "query": 3} | changes
    return split(log, labels, Protocol.of(name, stated), Seeds.of(0))


def ratings_of(users: Users, item: int) -> np.ndarray:
    return users.labels[users.log.items == item].astype(float)


def test_popular_counts_ratings() -> None:
    assert counts(warm()).tolist() == [len(ratings_of(warm(), i)) for i in range(N_ITEMS)]


def test_variance_is_that_of_each_items_labels_drawn_to_the_mean_one() -> None:
    each = [ratings_of(warm(), item) for item in range(N_ITEMS)]
    pooled = sum(len(x) * x.var() for x in each) / sum(map(len, each))
    expected = [(len(x) * x.var() + 5 * pooled) / (len(x) + 5) for x in each]
    assert variance(warm()) == pytest.approx(expected)


def test_entropy0_counts_not_rated_as_an_answer_of_half_the_weight() -> None:
    n_users = warm().log.n_users
    for item, value in enumerate(entropy0(warm())):
        rated = ratings_of(warm(), item)
        stars = [(rated * 4 + 1 == star).sum() for star in range(1, 6)]
        shares = [(0.5, 1 - len(rated) / n_users), *((1.0, n / n_users) for n in stars)]
        bits = -sum(w * p * np.log2(p) for w, p in shares if p > 0) / 5.5
        assert value == pytest.approx(bits)


def explained(labels: np.ndarray) -> float:
    return float(labels.sum() ** 2 / (len(labels) + DAMPING)) if len(labels) else 0.0


def loop_gain(users: Users, who: np.ndarray, item: int) -> float:
    """What splitting `who` at an item explains, by loops over users and items."""
    table = np.full((users.log.n_users, N_ITEMS), np.nan)
    table[users.log.users, users.log.items] = users.labels
    left = table - np.nanmean(table, 0)
    raters = [user for user in who if not np.isnan(table[user, item])]
    like = [user for user in raters if table[user, item] > 0.5]
    dislike = [user for user in raters if table[user, item] <= 0.5]
    total = 0.0
    for other in range(N_ITEMS):
        sides = [x[~np.isnan(x)] for x in (left[side, other] for side in (like, dislike, raters))]
        total += explained(sides[0]) + explained(sides[1]) - explained(sides[2])
    return total


def test_a_trees_first_question_explains_most_by_a_loop() -> None:
    users = warm()
    worth = QuestionTree(users).worth(np.array([], int), np.array([]), np.arange(N_ITEMS))
    everyone = np.arange(users.log.n_users)
    expected = [loop_gain(users, everyone, item) for item in range(N_ITEMS)]
    assert worth == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_a_trees_second_question_is_for_those_who_answered_alike() -> None:
    users, pool = warm(), np.array([2, 5, 9])
    alike = [u for u, x in zip(users.log.users[users.log.items == 0], ratings_of(users, 0),
                               strict=True) if x > 0.5]  # fmt: skip
    assert len(alike) >= LEAST
    worth = QuestionTree(users).worth(np.array([0]), np.array([1.0]), pool)
    expected = [loop_gain(users, np.array(alike), item) for item in pool]
    assert worth == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_where_few_are_alike_a_tree_asks_what_most_rated() -> None:
    users, pool = warm(), np.arange(N_ITEMS)
    many = np.arange(12)
    worth = QuestionTree(users).worth(many, np.ones(12), pool)
    assert worth.tolist() == counts(users).tolist()


def test_the_users_the_query_and_the_last_of_the_pool_are_those_without_an_asker() -> None:
    plain, asked = cut("user-cold", order="random").cold, cut().cold
    assert asked.support[:, -4:].shape == plain.support.shape
    for k in (0, 1, 4):
        for bare, elicited in zip(plain.batches(k), asked.batches(k), strict=True):
            assert bare.users.equal(elicited.users)
            assert bare.support.items.equal(elicited.support.items)
            assert bare.query.items.equal(elicited.query.items)


def test_a_pool_holds_each_other_rating_of_its_user_once() -> None:
    log, _ = log_of()
    cold = cut().cold
    for row, user in enumerate(cold.users.ids[cold.user_index]):
        pool, query = cold.support[row], cold.query[row]
        items = cold.users.log.items[np.concatenate([pool[pool >= 0], query])]
        assert sorted(items) == sorted(log.items[log.users == user])


def test_a_pool_is_cut_at_its_size() -> None:
    cold = cut(pool=6).cold
    assert cold.support.shape[1] == 6 and ((cold.support >= 0).sum(1) >= 4).all()


@pytest.mark.parametrize("name", ["popular", "variance", "entropy0", "tree", "random"])
def test_an_asker_reads_no_label_that_was_not_given(name: str) -> None:
    part, none = cut(), torch.zeros(1, 0)
    asker = asker_of(name, part.warm, None)  # type: ignore[arg-type]
    support = Feedback(none.long(), none, none, none.bool())
    pool = torch.arange(5)[None]
    worth = asker.worth(support, pool, torch.ones(1, 5, dtype=torch.bool))
    assert worth.shape == (1, 5) and torch.isfinite(worth).all()
