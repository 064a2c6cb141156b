"""The simple rows, held to their closed forms on worlds of a few users."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits
from torch import Tensor

from coldbench import registry
from coldbench.episode import Feedback
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.item_sums import prior
from coldbench.method import squash_to_unit
from coldbench.seeds import Seeds
from tests.training import World, agree, close, cold, predict, ratings, scores, toy, trained

als: Any = import_module("coldbench.methods._als")

PERSONAL = "ridge logistic knn fold-in ease stack factor-em choice-prior user-knn ials".split()
FLOOR = "random constant popularity user-mean user-median item-bias content-prior".split()
SPLIT, ITEMS = toy().split, toy().items
N_ITEMS, WIDTH = ITEMS.features.shape


@cache  # adapt and score change nothing, so tests share it
def fitted(name: str, **params: Any) -> Any:
    return trained(name, toy(), **params)


def some_users(users: int = 7, shots: int = 8, asked: int = 5) -> tuple[Feedback, Tensor]:
    """Users who may have rated an item twice."""
    rng = np.random.default_rng(3)
    seen = torch.from_numpy(rng.integers(0, N_ITEMS, (users, shots)))
    labels = torch.from_numpy(rng.integers(0, 5, seen.shape) / 4).float()
    support = Feedback(seen, labels, torch.zeros_like(labels), torch.ones_like(seen).bool())
    return support, torch.from_numpy(rng.integers(0, N_ITEMS, (users, asked)))


# every simple method, beside what the contract holds of all


@pytest.mark.parametrize("name", PERSONAL)
def test_without_labels_the_score_is_the_item_prior(name: str) -> None:
    support, asked = some_users(shots=0)
    prior = fitted("content-prior")
    close(scores(fitted(name), support, asked), scores(prior, support, asked))


@pytest.mark.parametrize("name", FLOOR + PERSONAL)
def test_ranks_says_whether_items_of_a_user_differ(name: str) -> None:
    method, (support, asked) = fitted(name), some_users()
    got = scores(method, support, asked)
    assert bool((got - got[:, :1]).abs().max() > 1e-6) == method.can_rank


def test_random_scores_are_uniform_and_without_ties() -> None:
    method = fitted("random")
    support, _ = some_users(users=200)
    got = scores(method, support, torch.arange(N_ITEMS).expand(200, -1)).flatten().sort().values
    assert len(got.unique()) > 0.999 * len(got)
    even = (torch.arange(len(got)) + 0.5) / len(got)
    assert (got - even).abs().max() < 1.36 / len(got) ** 0.5 * 1.2  # Kolmogorov and Smirnov


def test_random_users_draw_unrelated_numbers() -> None:
    support, _ = some_users(users=200)
    got = scores(fitted("random"), support, torch.arange(N_ITEMS).expand(200, -1))
    between = np.corrcoef(got.numpy())[np.triu_indices(200, 1)]
    assert abs(between.mean()) < 0.01


def test_popularity_ranks_by_count_and_ties_only_equal_counts() -> None:
    counts = torch.from_numpy(np.bincount(SPLIT.warm.log.items, minlength=N_ITEMS))
    support, _ = some_users(users=1)
    share = scores(fitted("popularity"), support, torch.arange(N_ITEMS)[None])[0]
    assert torch.equal((share[:, None] - share).sign(), (counts[:, None] - counts).sign())


def test_mean_and_median_are_those_of_the_real_labels() -> None:
    labels = torch.tensor([[0, 1, 0.25, 0.5, 9], [1, 0, 0, 9, 9], [0.75, 9, 9, 9, 9]])
    real = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]]).bool()
    support = Feedback(torch.arange(5).expand(3, -1), labels, torch.zeros_like(labels), real)
    asked = torch.zeros(3, 1, dtype=torch.int64)
    close(scores(fitted("user-mean"), support, asked)[:, 0], torch.tensor([1.75 / 4, 1 / 3, 0.75]))
    close(scores(fitted("user-median"), support, asked)[:, 0], torch.tensor([0.375, 0, 0.75]))


# closed forms


def test_ridge_is_scikit_learns_with_the_prior_as_offset() -> None:
    method, (support, asked) = fitted("ridge", tau=0.7), some_users()
    prior, e = method.learned["prior"], method.items.features.numpy()
    for user, got in enumerate(scores(method, support, asked)):
        seen, query = support.items[user], asked[user]
        left = (support.labels[user] - prior[seen]).numpy()
        peer = Ridge(alpha=0.7, fit_intercept=False).fit(e[seen], left)
        close(got, squash_to_unit(prior[query] + torch.from_numpy(peer.predict(e[query])).float()))


@pytest.mark.parametrize("s", [0.3, 1.0, 4.0])
def test_logistic_is_the_mode_that_an_optimiser_finds(s: float) -> None:
    method, (support, asked) = fitted("logistic", s=s), some_users()
    support.labels[0] = 1.0  # separable
    support.items[1] = 5  # one item, eight labels
    prior, e = method.learned["prior"].double().numpy(), method.items.features.double().numpy()
    for user, got in enumerate(scores(method, support, asked)):
        seen, labels = support.items[user].numpy(), support.labels[user].double().numpy()

        def loss(w: NDArray[Any], seen: Any = seen, labels: Any = labels) -> float:
            odds = prior[seen] + e[seen] @ w
            return float((np.logaddexp(0, odds) - labels * odds).sum() + w @ w / (2 * s * s))

        w = minimize(loss, np.zeros(WIDTH), tol=1e-10).x
        query = asked[user].numpy()
        want = 1 / (1 + np.exp(-(prior[query] + e[query] @ w)))
        close(got, torch.from_numpy(want).float(), 1e-4)


def test_knn_by_hand() -> None:
    method = fitted("knn", nearness=0.5, temperature=0.2)
    prior, e = method.learned["prior"], method.items.features
    got = scores(method, ratings([3, 4], [1.0, 0.0]), torch.tensor([[7]]))
    near3, near4 = torch.exp((e[7] @ e[3]) / 0.2), torch.exp((e[7] @ e[4]) / 0.2)
    votes = near3 * (1 - prior[3]) + near4 * (0 - prior[4])
    want = prior[7] + votes / (near3 + near4 + torch.exp(torch.tensor(0.5 / 0.2)))
    close(got[0, 0], squash_to_unit(want))


def test_fold_in_is_the_formula_with_the_covariance_of_warm_users() -> None:
    method = fitted("fold-in", factors=3, ridge=4.0, noise=0.5)
    support, asked = some_users()
    prior = method.learned["prior"]
    left = als.residuals(SPLIT.warm, prior)
    unit = als.spread(left)
    users, v = als.alternate(left / unit, 3, 4.0, 10, Seeds.of(0).init)
    sigma = np.cov(users.T, bias=True) * unit**2
    noise = 0.5 * unit**2
    for user, got in enumerate(scores(method, support, asked)):
        seen, query = support.items[user].numpy(), asked[user].numpy()
        r = (support.labels[user] - prior[seen]).double().numpy()
        precision = v[seen].T @ v[seen] / noise + np.linalg.inv(sigma)
        w = np.linalg.solve(precision, v[seen].T @ r / noise)
        want = squash_to_unit(prior[query].double() + torch.from_numpy(v[query] @ w))
        close(got, want.float(), 1e-4)


def test_alternating_least_squares_find_a_planted_taste() -> None:
    rng = np.random.default_rng(0)
    planted = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 20)) + rng.normal(size=(60, 1))
    shown = rng.random(planted.shape) < 0.7
    rows, columns = shown.nonzero()
    r = csr_matrix((planted[shown], (rows, columns)), planted.shape)
    users, items = als.alternate(r, 2, 0.01, 50, 0)
    assert np.median(np.abs(users @ items.T - planted)[~shown]) < 0.02  # of values around 1


def test_items_nobody_rated_have_no_factors_but_the_level() -> None:
    warm = SPLIT.warm.only(SPLIT.warm.log.items != 7)
    left = als.residuals(warm, fitted("fold-in").learned["prior"])
    _, items = als.alternate(left, 3, 4.0, 10, 0)
    assert items[7].tolist() == [1, 0, 0, 0]


def test_ease_is_the_numpy_formula() -> None:
    method = fitted("ease", strength=20.0, gain=2.0)
    warm, prior = SPLIT.warm, method.learned["prior"].double().numpy()
    x, rated = np.zeros((2, warm.log.n_users, N_ITEMS))
    x[warm.log.users, warm.log.items] = warm.labels - prior[warm.log.items]
    rated[warm.log.users, warm.log.items] = 1
    strength = 20 * (x**2).sum() / rated.sum()
    x = (x - x.sum(1, keepdims=True) / (rated.sum(1, keepdims=True) + 3)) * rated
    inverse = np.linalg.inv(x.T @ x + strength * np.eye(N_ITEMS))
    votes = np.eye(N_ITEMS) - inverse / np.diag(inverse)
    close(method.learned["votes"], torch.from_numpy(votes).float())

    got = scores(method, ratings([3, 4], [1.0, 0.0]), torch.tensor([[7]]))
    left = np.array([1 - prior[3], 0 - prior[4]])
    level = left.sum() / 5
    want = prior[7] + level + 2 * ((left - level) * votes[[3, 4], 7]).sum()
    close(got[0, 0], squash_to_unit(torch.tensor(want)).float())


def test_user_knn_is_a_loop_over_the_warm_users() -> None:
    method = fitted("user-knn", neighbours=5, significance=4.0, doubt=0.5, damping=2.0)
    warm = SPLIT.warm
    prior, (support, asked) = method.learned["prior"].double().numpy(), some_users()
    theirs = []
    for user in range(warm.log.n_users):
        rows = slice(*warm.log.offsets[user : user + 2])
        left = warm.labels[rows] - prior[warm.log.items[rows]]
        theirs.append(
            dict(zip(warm.log.items[rows], left - left.sum() / (len(left) + 3), strict=True))
        )
    for user, got in enumerate(scores(method, support, asked)):
        seen = support.items[user].tolist()
        left = support.labels[user].double().numpy() - prior[seen]
        level = left.sum() / (len(left) + 2)
        alike = []
        for other in theirs:
            both = [(a - level, other[i]) for i, a in zip(seen, left, strict=True) if i in other]
            x, y = np.array(both).reshape(-1, 2).T
            length = np.sqrt((x**2).sum() * (y**2).sum()) or 1.0
            alike.append((x * y).sum() / length * len(both) / (len(both) + 4))
        near = [v for v in np.argsort(alike)[::-1][:5] if alike[v] > 0]
        for item, score in zip(asked[user].tolist(), got.tolist(), strict=True):
            voters = [(alike[v], theirs[v][item]) for v in near if item in theirs[v]]
            vote = sum(w * r for w, r in voters) / (sum(w for w, _ in voters) + 0.5)
            want = squash_to_unit(torch.tensor(prior[item] + level + vote))
            assert abs(score - float(want)) < 1e-4


def test_ials_is_implicits_recalculated_user() -> None:
    implicit = pytest.importorskip("implicit.cpu.als")
    method = fitted("ials", factors=4, ridge=2.0, alpha=3.0, gain=0.5)
    support, _ = some_users()
    items = torch.arange(N_ITEMS).expand(len(support.items), -1)
    once = torch.zeros(items.shape).scatter(1, support.items, support.labels)
    mask = torch.zeros(items.shape, dtype=torch.bool).scatter(1, support.items, value=True)
    feedback = Feedback(items, once, torch.zeros(items.shape), mask)  # no item twice
    sure = csr_matrix(torch.where(once > 0.5, 1 + 3 * once, 0).numpy())
    with threadpool_limits(1, "blas"):  # it warns of more
        peer = implicit.AlternatingLeastSquares(factors=4, regularization=2.0, alpha=1.0)
        peer.item_factors = method.learned["factors"].numpy()
        want = peer.recalculate_user(np.arange(len(items)), sure)
    close(method.adapt(feedback), torch.from_numpy(want), 1e-4)


def test_ease_refuses_a_catalogue_its_matrix_would_not_fit() -> None:
    many = Catalogue(("a",) * 20_001, ("a",) * 20_001, ((),) * 20_001)
    with pytest.raises(UserError, match="20,001 items are more than"):
        trained("ease", (SPLIT, replace(ITEMS, catalogue=many)))


def test_stack_without_text_is_fold_in() -> None:
    factors: dict[str, Any] = {"factors": 3, "ridge": 4.0, "noise": 0.5}
    stack = registry.find("methods", "stack")(tau=float("inf"), **factors)  # no setting of a run
    stack.meta_train(SPLIT.warm, SPLIT.valid, ITEMS, Seeds.of(0))
    agree(stack, fitted("fold-in", **factors), cold(toy()), 1e-4)


@pytest.mark.parametrize("name", PERSONAL)
def test_choices_are_made_on_valid_users(name: str, world: World) -> None:
    """Valid users whose labels are noise call for the strongest shrinking there is, which ials
    chooses anyway where the others do not, and the other way round."""
    cut, items = (SPLIT, ITEMS) if name == "ials" else world
    batch, noise = cold((cut, items)), np.random.default_rng(5).permutation(cut.valid.users.labels)
    mixed = replace(cut.valid, users=replace(cut.valid.users, labels=noise))
    prior = predict(trained("content-prior", (cut, items)), batch)
    tame, bold = (
        (predict(trained(name, (replace(cut, valid=valid), items)), batch) - prior).abs().mean()
        for valid in (mixed, cut.valid)
    )
    assert tame < bold


def test_ridge_chooses_what_measures_best_by_hand() -> None:
    errors = {}
    for tau in (0.5, 1.0, 2.0, 5.0):
        wrong = [
            ((predict(fitted("ridge", tau=tau), b) - b.query.labels) ** 2).mean()
            for k in (0, 1, 4, 8, 12)
            for b in SPLIT.valid.batches(k)
        ]
        errors[tau] = float(torch.stack(wrong).mean())
    assert float(fitted("ridge").learned["tau"]) == min(errors, key=errors.__getitem__)


def test_the_prior_that_a_split_tells_is_what_item_bias_expects() -> None:
    expected = fitted("item-bias").learned["expected"]
    close(squash_to_unit(torch.from_numpy(prior(SPLIT.warm)).float()), expected, 1e-6)
    assert np.isnan(prior(replace(SPLIT.warm, negatives_per_positive=1))).all()
