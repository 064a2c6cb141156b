"""What two chambers' disclosures share: an asset's line without names, and the table of assets."""

import html
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

import polars as pl

MARKUP = re.compile(r"<[^<>]*>")
WORDS = re.compile(r"[^\W\d_]{3,}")  # of a person's name, without initials


def one_line(asset: str, names: Iterable[str]) -> str:
    """What is said of an asset, without markup, and without the names of who trades in it."""
    line = " ".join(html.unescape(MARKUP.sub(" ", asset)).split())
    alternatives = "|".join(names)
    return (
        re.sub(rf"\b({alternatives})\b", "...", line, flags=re.IGNORECASE) if alternatives else line
    )


def assets_of(trades: Iterable[tuple[str, str, str]]) -> pl.DataFrame:
    """A row an asset: item, what is said of it most often, and as tag its type where one is told.

    trades: item, text and type of the asset.
    """
    texts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for item, name, kind in trades:
        texts[item][name] += 1
        types[item].update([kind] if kind else [])
    text = [name.most_common(1)[0][0] for name in texts.values()]
    tags = [[kind for kind, _ in types[item].most_common(1)] for item in texts]
    column = pl.Series(tags, dtype=pl.List(pl.String))
    return pl.DataFrame({"item": list(texts), "text": text, "tags": column})
