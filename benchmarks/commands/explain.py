"""`coldbench explain RUN CELL`: why an item scores as it does for a user, label by label.

The cell's method is trained again, which gives the same numbers, and its score is compared with
the one that the cell stored.
"""

from typing import Any

import numpy as np
import torch

from coldbench import registry
from coldbench.cell import Cell
from coldbench.episode import EpisodeBatch, Episodes
from coldbench.errors import UserError
from coldbench.explanation import Explanation, no_explanation
from coldbench.interactions import Catalogue
from coldbench.method import Method, from_params

from .bench import FEW, Bench

CLOSE = 1e-5  # a stored score that is no further off was explained; on another device 1e-3


def explain(cell: Cell, user: int, item: int, shots: int | None = None) -> dict[str, Any]:
    """The explanation as words and numbers, ready for JSON; `agrees` is False where the cell stored
    another score. Raises UserError where there is nothing to explain."""
    spec = cell.spec
    most = spec.protocol_fields["shots"][-1]
    shots = most if shots is None else shots
    if not 0 <= shots <= most:
        raise UserError(f"--shots lies in 0..{most} in {spec.title}, not {shots}")
    stored = cell.scores().filter(shots=shots, user=user, item=item)["score"].to_list()
    evaluated = cell.scores()["user"].unique(maintain_order=True).to_list()
    if user not in evaluated:
        shown = ", ".join(map(str, evaluated[:FEW]))
        more = ", ..." if len(evaluated) > FEW else ""
        raise UserError(
            f"user {user} was not evaluated in {spec.title}; these {len(evaluated):,} were: "
            f"{shown}{more}"
        )
    method = from_params(registry.find("methods", spec.method), spec.method, spec.params)
    if type(method).explain is Method.explain:  # said before an hour of training
        raise no_explanation(spec.name)
    bench = Bench.of(spec)
    if not 0 <= item < len(bench.catalogue):
        raise UserError(
            f"no item {item}: those of {spec.dataset} are 0 to {len(bench.catalogue) - 1:,}"
        )
    bench.train(method)
    user_episode = _of(bench.split.cold, user)
    batch = next(user_episode.batches(shots)).to(bench.device)
    ratings = user_episode.users.log.ratings[
        user_episode.support[0, user_episode.max_shots - shots :]
    ]  # (K,)
    with torch.no_grad():
        asked = torch.tensor([[item]], device=bench.device)
        why = method.explain(batch.support, asked)
        score = float(method.score(method.adapt(batch.support), asked))
    same = CLOSE if bench.device.type == spec.device else 1e-3
    agrees = abs(float(why.score) - score) <= CLOSE
    agrees &= not stored or abs(stored[0] - score) <= same
    return {
        "cell": spec.fingerprint, "title": spec.title, "user": user, "item": item,
        "text": bench.catalogue.text[item], "shots": shots, "unit": why.unit,
        "base": float(why.base), "parts": _parts(why, batch, ratings, bench.catalogue),
        "sum": float(why.base + why.contributions.sum(2)), "score": score,
        "stored": stored[0] if stored else None, "agrees": agrees,
    }  # fmt: skip


def show(why: dict[str, Any]) -> None:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("adds", "rated", "label", "days before", "item of the support"):
        last = column.startswith("item")
        table.add_column(column, justify="left" if last else "right", no_wrap=not last)
    aged = any(part["age"] for part in why["parts"])
    table.add_row(f"{why['base']:+.4f}", "", "", "", "before any label (K = 0)", style="dim")
    for part in why["parts"]:
        age = f"{part['age']:,.1f}" if aged else ""
        rated, label = f"{part['rating']:g}", f"{part['label']:.2f}"
        table.add_row(f"{part['adds']:+.4f}", rated, label, age, _line(part))
    unit = {"label": "expected label", "log-odds": "log-odds of a like"}[why["unit"]]
    table.add_row(f"{why['sum']:+.4f}", "", "", "", f"sum: the {unit}", style="bold")
    out = Console(markup=False, highlight=False)
    head = f"{why['title']}: user {why['user']}, K = {why['shots']}, {_line(why)}"
    out.print(head, soft_wrap=True)
    out.print(table)
    how = "pressed into 0..1" if why["unit"] == "label" else "through a sigmoid"
    out.print(f"score {why['score']:.6f}, the sum {how}; {_agreement(why)}", soft_wrap=True)


def _agreement(why: dict[str, Any]) -> str:
    if why["stored"] is None:
        return "the cell stored none: it did not ask for this item, or not at this K"
    if why["agrees"]:
        return f"the cell stored {why['stored']:.6f}: the same"
    return (
        f"the cell stored {why['stored']:.6f}, WHICH THIS DOES NOT EXPLAIN: data, code or "
        "libraries have changed since; run the cell again"
    )


def _line(item: dict[str, Any]) -> str:
    text = item["text"] if len(item["text"]) <= 36 else f"{item['text'][:35]}…"
    return f"{text} ({item['item']})"


def _parts(
    why: Explanation, batch: EpisodeBatch, ratings: np.ndarray, catalogue: Catalogue
) -> list[dict[str, Any]]:
    """What each real item of the support adds, the most first."""
    support = batch.support
    rows = [
        {
            "item": int(item), "text": catalogue.text[int(item)], "rating": float(rating),
            "label": float(label), "age": float(age), "adds": float(adds),
        }
        for item, label, age, real, rating, adds in zip(
            support.items[0], support.labels[0], support.days_before_query[0], support.mask[0],
            ratings, why.contributions[0, 0], strict=True,
        )
        if real
    ]  # fmt: skip
    return sorted(rows, key=lambda part: -part["adds"])


def _of(cold: Episodes, user: int) -> Episodes:
    """The one user's episode."""
    rows = np.flatnonzero(cold.users.ids[cold.user_index] == user)
    return cold.take(rows)
