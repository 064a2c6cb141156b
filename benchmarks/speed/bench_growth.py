"""How the cost of meeting users grows: with users (to 100,000), labels K, features D, and rank.

`pytest benchmarks/speed/bench_growth.py -o python_files='bench_*.py' -s` writes runs/growth.csv and
draws runs/growth.png. Seconds of `adapt` in the loop's own batches of 256 users, the best of three;
beside each line its power: what a doubling multiplies, as 2 to that power, at the upper end. Linear
is 1. Nothing here is a test of a time: the powers are printed.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import log
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from coldbench import registry
from coldbench.encoder import Encoder, Items
from coldbench.episode import Feedback
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import split

BATCH, N_ITEMS, K, D = 256, 1682, 16, 384  # the shape of ml-100k, where nothing else is said
USERS = (1, 10, 100, 1_000, 10_000, 100_000)
SHOTS, WIDTHS, RANKS = (1, 2, 4, 8, 16, 32, 64), (48, 96, 192, 384, 768), (1, 2, 4, 8, 16, 32)
MANY_BATCHES = 30  # long enough to need no second look
FAST = ("ridge", "logistic", "fold-in", "protonet", "maml", "anil", "metasgd")
BRIEF = {"meta_steps": 0}  # learning costs its own time, and is not what is measured here


@dataclass(frozen=True)
class Point:
    method: str
    grows: str  # "users", "K", "D", "rank"
    size: int
    seconds: float
    users: int  # met in that time


@cache
def catalogue(width: int) -> Items:
    rng = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(N_ITEMS, width, generator=rng))
    names = tuple(map(str, range(N_ITEMS)))
    return Items(features, Catalogue(names, names, ((),) * N_ITEMS))


@cache
def trained(name: str, width: int = D, **params: Any) -> Any:
    dataset = registry.find("datasets", "synthetic")(n_users=120, n_items=N_ITEMS, per_user=40)
    log, _ = dataset.load()
    protocol = Protocol.of("user-cold", {"shots": [0, 4], "query": 10})
    cut = split(log, dataset.labels(log.ratings, "rating"), protocol, Seeds.of(0))
    cls = registry.find("methods", name)
    method = cls(**params | (BRIEF if hasattr(cls, "meta_steps") else {}))
    method.meta_train(cut.warm, cut.valid.first(8), catalogue(width), Seeds.of(0))
    return method


def support(users: int, shots: int = K) -> list[Feedback]:
    """A batch at a time."""
    rng = torch.Generator().manual_seed(1)
    batches = []
    for at in range(0, users, BATCH):
        shape = min(BATCH, users - at), shots
        labels = torch.rand(shape, generator=rng).round()
        items = torch.randint(N_ITEMS, shape, generator=rng)
        batches.append(Feedback(items, labels, torch.zeros(shape), torch.ones(shape).bool()))
    return batches


def seconds(method: Any, batches: list[Feedback]) -> float:
    """The best of three, after one that is not counted; of many users, the only one."""

    def once() -> float:
        begin = perf_counter()
        with torch.no_grad():
            for batch in batches:
                method.adapt(batch)
        return perf_counter() - begin

    if len(batches) > MANY_BATCHES:
        return once()
    return min([once() for _ in range(4)][1:])


def fast_rows() -> Iterator[Point]:
    for name in FAST:
        for users in USERS:
            yield Point(name, "users", users, seconds(trained(name), support(users)), users)
        for shots in SHOTS:
            batches = support(BATCH, shots)
            yield Point(name, "K", shots, seconds(trained(name), batches), BATCH)
        for width in WIDTHS:
            taken = seconds(trained(name, width), support(BATCH))
            yield Point(name, "D", width, taken, BATCH)
    for rank in RANKS:
        method = trained("fold-in", factors=rank)
        yield Point("fold-in", "rank", rank, seconds(method, support(BATCH)), BATCH)


def lora_rows() -> Iterator[Point]:
    dataset = registry.find("datasets", "ml-100k")()
    try:
        log, films = dataset.load()
        items = Encoder().items(films)
    except UserError:
        return  # neither films nor model here: the other rows stand
    labels = dataset.labels(log.ratings, "rating")
    protocol = Protocol.of("user-cold", {"shots": [0, 16], "query": 10})
    cut = split(log, labels, protocol, Seeds.of(0))

    @cache
    def of_rank(rank: int) -> Any:
        method = registry.find("methods", "lora")(rank=rank, meta_steps=0)
        method.meta_train(cut.warm, cut.valid.first(1), items, Seeds.of(0))
        return method

    def row(grows: str, size: int, *, users: int = 8, shots: int = 8, rank: int = 8) -> Point:
        taken = seconds(of_rank(rank), support(users, shots))
        return Point("lora", grows, size, taken, users)

    yield from (row("users", n, users=n) for n in (1, 4, 16, 64))
    yield from (row("K", k, shots=k) for k in (1, 4, 16))
    yield from (row("rank", r, rank=r) for r in RANKS)


def power(points: list[Point]) -> float:
    """Of the last step of a line."""
    before, last = points[-2:]
    return log(last.seconds / before.seconds) / log(last.size / before.size)


def lines(points: list[Point]) -> dict[tuple[str, str], list[Point]]:
    by_line: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        by_line.setdefault((point.grows, point.method), []).append(point)
    return by_line


def draw(points: list[Point], path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    titles = {
        "users": f"users, K = {K}",
        "K": f"labels K, {BATCH} users (lora 8)",
        "D": f"features D, {BATCH} users",
        "rank": f"factors or rank, {BATCH} users (lora 8)",
    }
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    names = list(dict.fromkeys(point.method for point in points))
    shown = {}
    for axes, (what, title) in zip(figure.subplots(1, 4), titles.items(), strict=True):
        for (kind, name), line in lines(points).items():
            if kind != what:
                continue
            x, y = [p.size for p in line], [1e3 * p.seconds for p in line]
            colour = f"C{names.index(name)}"
            (shown[name],) = axes.loglog(x, y, "o-", color=colour, ms=3, lw=1.2)
            style = {"fontsize": 7, "color": colour, "va": "center"}
            axes.annotate(f" {power(line):.1f}", (x[-1], y[-1]), **style)
        axes.set(title=title)
        if what != "users":
            axes.set_xticks(sorted({p.size for p in points if p.grows == what}))
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("ms to adapt to them all")
    words = "a number at a line's end: its power there, 1 is linear"
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=len(shown), title=words)
    figure.savefig(path, dpi=150)


def test_growth() -> None:
    points, runs = [*fast_rows(), *lora_rows()], Path("runs")
    runs.mkdir(exist_ok=True)
    with (runs / "growth.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["method", "grows", "size", "seconds", "users"])
        writer.writerows(vars(point).values() for point in points)
    draw(points, runs / "growth.png")
    for (what, name), line in lines(points).items():
        rate = line[-1].users / line[-1].seconds
        print(
            f"{name:10} with {what:6} power {power(line):5.2f}   {rate:>12,.1f} users/s at the end"
        )
    print(runs / "growth.png")
