"""`coldbench recommend DIR RATINGS.csv`: the best items for whoever made these ratings.

The file has a header: item (an id or a title) or title, rating, and if there are any time (seconds
since 1970) and user.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldbench.errors import UserError, printable
from coldbench.files.delimited import Table, header_of, read
from coldbench.files.schema import Column
from coldbench.interactions import SECOND
from coldbench.recommend.recommender import Recommender

USUAL = {  # what columns are called, in small letters
    "item": ("item", "item_id", "itemid", "movieid", "id"),
    "title": ("title", "name"),
    "rating": ("rating", "stars"),
    "time": ("time", "timestamp"),
    "user": ("user", "user_id", "userid"),
}
REASONS = 3  # of an item, shown


@dataclass(frozen=True)
class Asking:
    """A user of the file: who, and (item, rating[, seconds]) in the file's order."""

    user: str  # "" where the file names none
    ratings: list[tuple[Any, ...]]


def recommend(
    rec: Recommender, path: Path, top: int, *, explain: bool = False
) -> list[dict[str, Any]]:
    """For each user of the file the best items, ready for JSON. Raises UserError for a file that
    cannot be read, and where an explanation is asked of a method that has none."""
    users = read_ratings(rec, path)
    try:
        lists = rec.recommend([asking.ratings for asking in users], top)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return [
        {
            "user": asking.user or None,
            "ratings": len(asking.ratings),
            "items": [best._asdict() for best in items]
            if not explain
            else _with_reasons(rec, asking, [best._asdict() for best in items]),
        }
        for asking, items in zip(users, lists, strict=True)
    ]


def show(answers: list[dict[str, Any]], card: dict[str, Any]) -> None:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table as Rows

    out = Console(markup=False, highlight=False)
    for answer in answers:
        who = f"user {answer['user']}" if answer["user"] is not None else "you"
        rated = f"{answer['ratings']:,} rating{'' if answer['ratings'] == 1 else 's'}"
        out.print(printable(f"{who}, {rated}: {card['method']} on {card['dataset']}"))
        table = Rows(box=None, pad_edge=False, header_style="bold")
        for column in ("", "score", "item", "title"):
            table.add_column(column, justify="left" if column == "title" else "right")
        for rank, item in enumerate(answer["items"], 1):
            named = printable(item["item"]), printable(item["title"])
            table.add_row(str(rank), f"{item['score']:.3f}", *named)
            for reason in item.get("why", {}).get("adds", [])[:REASONS]:
                line = f"  {reason['adds']:+.3f} {printable(reason['title'])}"
                table.add_row("", "", "", line, style="dim")
        out.print(table)


def read_ratings(rec: Recommender, path: Path) -> list[Asking]:
    """The users of a file, in the order in which they first appear. Raises UserError."""
    columns = _columns(rec, path)
    table = Table(tuple(columns.values()), _separator(path), quoted=True)
    rows = read(table, path).rename({column.name: what for what, column in columns.items()})
    users: dict[str, list[tuple[Any, ...]]] = {}
    items: dict[str, str] = {}  # as the file has them -> id
    for line, row in enumerate(rows.iter_rows(named=True), 2):
        named = row["item"] if "item" in row else row["title"]
        try:
            if named not in items:
                items[named] = _item(rec, named, by_title="item" not in row)
        except UserError as error:
            raise UserError(f"{path}:{line}: {error}") from None
        rating = row.get("rating", rec.scale[1])
        time = (row["time"] / SECOND,) if "time" in row else ()
        users.setdefault(row.get("user", ""), []).append((items[named], rating, *time))
    return [Asking(user, ratings) for user, ratings in users.items()]


def _item(rec: Recommender, named: str, *, by_title: bool) -> str:
    if by_title:
        return rec.find(named)
    item = rec.catalogue.item(named)
    if item == named:
        for at, title in enumerate(rec.catalogue.titles):
            if title.casefold() == named.casefold() and rec.catalogue.ids[at] != named:
                what = (
                    f"{named!r} is read as an id; the item {rec.catalogue.ids[at]!r} is called so"
                )
                print(printable(f"coldbench: {what}: use a column `title`"), file=sys.stderr)
    return item


def _columns(rec: Recommender, path: Path) -> dict[str, Column]:
    """What each column of the file is."""
    names = header_of(path, _separator(path))
    columns: dict[str, str] = {}
    for what, usual in USUAL.items():
        matching = [name for name in names if name.strip().casefold() in usual]
        if len(matching) > 1:
            raise UserError(
                f"{path}:1:1: {' and '.join(matching)} could both be the {what}: leave one"
            )
        columns |= {what: matching[0]} if matching else {}
    lacking = [] if {"item", "title"} & columns.keys() else ["item (or title)"]
    if "rating" not in columns and rec.card.get("explicit", True):
        lacking.append("rating")
    if lacking:
        raise UserError(
            f"{path}:1:1: no column {' and no column '.join(lacking)} among {', '.join(names)}; "
            "fix: a first line such as item,rating"
        )
    if "item" in columns:
        columns.pop("title", None)
    kinds = {
        "item": Column(columns.get("item", ""), "text"),
        "title": Column(columns.get("title", ""), "text"),
        "rating": Column(columns.get("rating", ""), "number", *rec.scale),
        "time": Column(columns.get("time", ""), "time"),
        "user": Column(columns.get("user", ""), "id"),
    }
    return {what: kinds[what] for what in columns}


def _separator(path: Path) -> str:
    return "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ","


def _with_reasons(
    rec: Recommender, asking: Asking, items: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    why = rec.explain(asking.ratings, [item["item"] for item in items])
    names = [row[0] for row in asking.ratings]
    titles = [rec.catalogue.titles[rec.catalogue.at[name]] for name in names]
    for at, item in enumerate(items):
        adds = why.contributions[0, at].tolist()
        parts = [
            {"item": name, "title": title, "adds": value}
            for name, title, value in zip(names, titles, adds, strict=True)
        ]
        parts.sort(key=lambda part: -abs(part["adds"]))
        item["why"] = {"base": float(why.base[0, at]), "unit": why.unit, "adds": parts}
    return items
