"""Steps in C and in torch's operations are autograd's of the plain loop, forwards and backwards,
whatever is asked of them."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

descent: Any = import_module("coldbench.methods._inner_loop")
heads: Any = import_module("coldbench.methods._head")
reference: Any = import_module("coldbench.methods._inner_loop_plain")
kernel: Any = import_module("coldbench.methods._kernel")
gradient_head: Any = import_module("coldbench.methods._gradient_head")
compiled: Any = import_module("coldbench.methods._compiled")
USERS, ROWS, WIDTH, ASKED = 5, 6, 9, 7
WAYS = ["C", "torch"]


def lot(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "torch":
        monkeypatch.setattr(compiled, "functions", lambda _: None)
    elif compiled.functions(torch.ones(1)) is None:
        pytest.skip("no C compiler here")
    return str(request.param)


class Problem:
    """Five users with six rows each, and everything that a gradient may be asked of."""

    def __init__(self, *, own_rates: bool, hidden: int = 4) -> None:
        self.x, self.asked = lot(USERS, ROWS, WIDTH), lot(USERS, ASKED, WIDTH, seed=1)
        self.labels, self.offset = lot(USERS, ROWS, seed=2).sigmoid(), lot(USERS, ROWS, seed=3)
        self.weight = torch.full((USERS, ROWS), 1 / ROWS, dtype=torch.float64)
        self.weight[0, 0] = 0  # padding
        shapes = {
            "w": (WIDTH, hidden),
            "b": (hidden,),
            "v": (hidden,),
            "c": (1,),
            "first": (USERS, hidden) if own_rates else (hidden,),
            "last": (USERS, 1) if own_rates else (hidden,),
            "bias": (USERS, 1) if own_rates else (1,),
        }
        self.leaves = {
            name: lot(*shape, seed=10 + n).requires_grad_()
            for n, (name, shape) in enumerate(shapes.items())
        }

    def fast(self, steps: int, pull: float, *, frozen: bool = False) -> Tensor:
        """(B, Q) logits by the span of the rows."""
        p = self.leaves
        rows = descent.SupportRows(
            self.x @ p["w"] + p["b"], 1 + self.x @ self.x.mT, self.offset, self.labels, self.weight
        )
        start = heads.Head(None, p["v"].expand(USERS, -1), p["c"].expand(USERS, 1))
        rates = descent.Rates(None if frozen else p["first"], p["last"], p["bias"])
        head = descent.descend(start, rows, [rates] * steps, pull=pull)
        table = (self.asked @ p["w"] + p["b"]).flatten(0, 1)
        places = torch.arange(USERS * ASKED).view(USERS, ASKED)
        return heads.logits(head, table, places, 1 + self.asked @ self.x.mT)

    def plain(self, steps: int, pull: float, *, frozen: bool = False) -> Tensor:
        """The same by the plain loop: a copy of every weight for each user, and autograd."""
        p, answers = self.leaves, []
        for user in range(USERS):
            w, b, v, c = (
                p[name][user] if len(p[name].shape) == 2 else p[name]
                for name in ("first", "first", "last", "bias")
            )
            theta = reference.descend(
                [p[name] for name in "wbvc"],
                self.x[user],
                self.labels[user],
                [None, None, v, c] if frozen else [w, b, v, c],
                steps,
                weight=self.weight[user],
                offset=self.offset[user],
                pull=pull,
            )
            answers.append(reference.predict(theta, self.asked[user]))
        return torch.stack(answers)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("hidden", [4, 16, 40])
@pytest.mark.parametrize("own_rates", [False, True])
@pytest.mark.parametrize(
    ("steps", "pull", "frozen"), [(1, 0.0, False), (3, 0.0, False), (3, 0.2, False), (3, 0.1, True)]
)
def test_scores_and_every_gradient_are_those_of_autograd(
    hidden: int, own_rates: bool, steps: int, pull: float, frozen: bool
) -> None:
    problem = Problem(own_rates=own_rates, hidden=hidden)
    leaves = [w for name, w in problem.leaves.items() if not (frozen and name == "first")]
    logits, wanted = (f(steps, pull, frozen=frozen) for f in (problem.fast, problem.plain))
    torch.testing.assert_close(logits, wanted, rtol=1e-9, atol=1e-11)
    cotangent = lot(USERS, ASKED, seed=4)
    by_hand = torch.autograd.grad(logits, leaves, cotangent)
    by_autograd = torch.autograd.grad(wanted, leaves, cotangent)
    for got, want in zip(by_hand, by_autograd, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-10)
        assert want.abs().max() > 1e-6, "a gradient of nothing would prove nothing"


@pytest.mark.usefixtures("way")
def test_a_user_on_the_way_goes_on_where_it_was() -> None:
    problem = Problem(own_rates=False)
    p = problem.leaves
    base, gram = problem.x @ p["w"] + p["b"], 1 + problem.x @ problem.x.mT
    rows = descent.SupportRows(base, gram, problem.offset, problem.labels, problem.weight)
    start = heads.Head(None, p["v"].expand(USERS, -1), p["c"].expand(USERS, 1))
    rates = descent.Rates(0.3, 0.3, 0.3)
    at_once = descent.descend(start, rows, [rates] * 4, pull=0.1)
    half = descent.descend(start, rows, [rates] * 2, pull=0.1)
    kept = half.first.clone()
    whole = descent.descend(half, rows, [rates] * 2, pull=0.1, anchor=start)
    assert torch.equal(half.first, kept), "going on wrote into where it came from"
    for got, want in zip(vars(whole).values(), vars(at_once).values(), strict=True):
        torch.testing.assert_close(got, want)
    leaves = [p[name] for name in "wbvc"]
    by_halves, by_whole = (
        torch.autograd.grad(
            h.first.square().sum() + h.last.sum() + h.bias.sum(), leaves, retain_graph=True
        )
        for h in (whole, at_once)
    )
    for got, want in zip(by_halves, by_whole, strict=True):
        torch.testing.assert_close(got, want)


def test_a_layer_that_thaws_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of a frozen first layer before and after one that moves it: both ways agree."""
    if compiled.functions(torch.ones(1)) is None:
        pytest.skip("no C compiler here")
    found = []
    for way in WAYS:
        if way == "torch":
            monkeypatch.setattr(compiled, "functions", lambda _: None)
        problem = Problem(own_rates=True)
        p = problem.leaves
        base, gram = problem.x @ p["w"] + p["b"], 1 + problem.x @ problem.x.mT
        rows = descent.SupportRows(base, gram, problem.offset, problem.labels, problem.weight)
        begin = lot(USERS, ROWS, 4, seed=30).requires_grad_()
        start = heads.Head(begin, p["v"].expand(USERS, -1), p["c"].expand(USERS, 1))
        moving = descent.Rates(p["first"], p["last"], p["bias"])
        frozen = descent.Rates(None, p["last"], 0.2)
        head = descent.descend(start, rows, [frozen, frozen, moving, frozen, moving], pull=0.3)
        loss = head.first.sin().sum() + head.last.sin().sum() + head.bias.sin().sum()
        leaves = [*(p[name] for name in ("w", "b", "v", "c", "first", "last", "bias")), begin]
        found.append([*vars(head).values(), *torch.autograd.grad(loss, leaves)])
    for in_c, in_torch in zip(*found, strict=True):
        torch.testing.assert_close(in_c, in_torch, rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures("way")
def test_a_score_that_is_no_number_stays_none() -> None:
    """Steps that leave the numbers are to be seen: no unit says 0 for it."""
    problem = Problem(own_rates=False)
    with torch.no_grad():
        problem.leaves["w"].fill_(float("nan"))
        assert problem.fast(2, 0.0).isnan().all()


@pytest.mark.usefixtures("way")
def test_an_item_that_is_not_there_is_refused() -> None:
    head = heads.Head(torch.zeros(1, 2, 16), torch.zeros(1, 16), torch.zeros(1, 1))
    for item in (-1, 3):
        with pytest.raises(IndexError):
            heads.logits(head, torch.zeros(3, 16), torch.tensor([[item]]), torch.zeros(1, 1, 2))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("users", "rows", "asked"), [(0, 3, 2), (2, 0, 2), (2, 3, 0)])
def test_nobody_nothing_seen_and_nothing_asked(users: int, rows: int, asked: int) -> None:
    base, gram = torch.zeros(users, rows, 16), torch.ones(users, rows, rows)
    seen = descent.SupportRows(base, gram, *torch.zeros(3, users, rows))
    start = heads.Head(None, torch.ones(users, 16), torch.ones(users, 1))
    head = descent.descend(start, seen, [descent.Rates(0.1, 0.1, 0.1)] * 2)
    items = torch.zeros(users, asked, dtype=torch.int64)
    scores = heads.logits(head, torch.zeros(1, 16), items, torch.zeros(users, asked, rows))
    torch.testing.assert_close(scores, torch.ones(users, asked))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("wrong", ["gram", "labels"])
def test_tensors_that_do_not_go_together_are_refused(wrong: str) -> None:
    given = {"base": torch.zeros(2, 3, 16), "gram": torch.ones(2, 3, 3)}
    given |= dict.fromkeys(("offset", "labels", "weight"), torch.zeros(2, 3))
    given[wrong] = given[wrong][:, :2]
    start = heads.Head(None, torch.ones(2, 16), torch.ones(2, 1))
    with pytest.raises((ValueError, RuntimeError)):
        descent.descend(start, descent.SupportRows(**given), [descent.Rates(0.1, 0.1, 0.1)] * 2)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("small", [0, 4_000])
@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (0, 5), (3, 0)])
def test_products_of_items_are_those_of_their_features(
    rows: int, columns: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "SMALL", small)
    features = lot(7, WIDTH)
    left, right = torch.randint(7, (USERS, rows)), torch.randint(7, (USERS, columns))
    found = gradient_head.gram(features, left, right)
    torch.testing.assert_close(found, features[left] @ features[right].mT + 1)


@pytest.mark.parametrize("way", ["C"], indirect=True)
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("wrong", [-1, 7])
def test_the_products_of_an_item_that_is_not_there_are_refused(wrong: int) -> None:
    here, not_here = torch.tensor([[0]]), torch.tensor([[wrong]])
    for left, right in ((here, not_here), (not_here, here)):
        with pytest.raises(IndexError):
            gradient_head.gram(lot(7, WIDTH), left, right)
