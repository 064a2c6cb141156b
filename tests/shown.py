"""What a reader of a report meets: how a number is printed, and a page's tags, rows and words."""

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from coldbench.results.rounding import plain

METRICS = "ndcg@10 ndcg@5 auc auc-pooled accuracy f1 mrr mae log-loss ece".split()


def printed(row: dict[str, Any], value: str = "value") -> str:
    """`.789 [.775, .803]` as every text format must show it."""
    interval = "" if row["low"] is None else f" [{plain(row['low'])}, {plain(row['high'])}]"
    return plain(row[value]) + interval


def printed_difference(row: dict[str, Any]) -> tuple[str, str]:
    """`+.012 [.003, .021] p .004`, and the mark of one that is significant."""
    p = "< .001" if row["p_holm"] < 0.001 else plain(row["p_holm"])
    mark = "" if row["p_holm"] >= 0.05 else "▲" if row["mean"] > 0 else "▼"
    return f"{'+' if row['mean'] > 0 else ''}{printed(row, 'mean')} p {p}", mark


@dataclass(frozen=True)
class Row:
    """A row of a table, by the section it stands in."""

    section: str
    method: str
    cells: list[str]


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[Row] = []
        self.words: list[str] = []
        self.section = self.inside = ""
        self.in_row = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes, self.inside = dict(attrs), tag
        self.tags.append((tag, attributes))
        if tag == "section":
            self.section = attributes.get("id") or ""
        elif tag == "tr":
            self.in_row = True
            self.rows.append(Row(self.section, attributes.get("data-method") or "", []))
        elif tag in ("td", "th") and self.in_row:
            self.rows[-1].cells.append("")

    def handle_data(self, data: str) -> None:
        if self.inside in ("style", "script"):
            return
        self.words.append(data)
        if self.in_row and (cells := self.rows[-1].cells):
            cells[-1] += (" " if self.inside == "small" else "") + data.strip()

    def handle_endtag(self, tag: str) -> None:
        self.in_row = self.in_row and tag != "tr"
        self.inside = ""
