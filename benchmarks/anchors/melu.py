"""MeLU's four cells on ml-100k: users and films are each known or new.

Lee et al., "MeLU: Meta-Learned User Preference Estimator for Cold-Start Recommendation" (2019),
arXiv:1908.00413: a fifth of the users is new, at random; films of 1996 and later are. In each cell
those with 13 to 100 ratings there are asked for 10 random ones and given the others. All methods
learn once, from known users and known films, without the queries of the first cell; an eighth of
the known users is kept to choose by. The paper's own numbers are of ml-1m, which a user must bring.
"""

import re
from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from coldbench.episode import Episodes
from coldbench.interactions import Catalogue
from coldbench.metrics.predictions import rank_predictions
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

from ._ml_100k import LIKE_AT, QUERY, SPAN, by_lot, episodes, ml_100k, of_size, place
from ._ours import METHODS, NOTES, items, lay, learnt, scores, values
from .row import Row

NAME = "melu-ml-100k"
SPLITS = 10
ROWS = [row for row in METHODS if row != "popularity"]  # it predicts no rating
METRICS = {"mae": "MAE", "ndcg@1": "NDCG@1, gain 2^r - 1", "ndcg@3": "NDCG@3, gain 2^r - 1"}
CELLS = {  # cell -> whether users are new, whether films are
    "warm": (False, False),
    "user cold": (True, False),
    "item cold": (False, True),
    "both cold": (True, True),
}
NEW_USERS, VALID_USERS = 0.2, 0.1  # shares of all users
NEW_FROM = 1996  # year of a film
BEFORE = {  # cell -> MAE and NDCG@3 of the best simple row when first measured, by other code
    "warm": (0.731, 0.745),
    "user cold": (0.730, 0.752),
    "item cold": (0.868, 0.616),
    "both cold": (0.880, 0.607),
}
MEAN_BEFORE = {"warm": 0.788, "user cold": 0.788, "item cold": 0.881, "both cold": 0.890}
ML_1M = {  # cell -> MAE on ml-1m: MeLU as MELU_pytorch quotes the paper, and the support's median
    "warm": (0.75, 0.782),
    "user cold": (0.79, 0.781),
    "item cold": (0.92, 0.872),
    "both cold": (0.92, 0.868),
}


def years(films: Catalogue) -> NDArray[np.int64]:
    """(n_items,) when each film came out; 0 where its title does not say."""
    matches = [re.search(r"\((\d{4})\)(: |$)", text) for text in films.text]
    return np.array([int(year[1]) if year else 0 for year in matches])


def cut(split: int) -> tuple[Split, dict[str, Episodes]]:
    """Who is learnt from and chosen by, and who is judged in each cell; `cold` is the first."""
    rng = np.random.default_rng(split)
    everyone, films = ml_100k()
    everyone = by_lot(everyone, rng)
    log, came = everyone.log, years(films)
    lot = rng.permutation(log.n_users)[log.users]
    n_new, n_valid = int(NEW_USERS * log.n_users), int(VALID_USERS * log.n_users)
    new, valid = lot < n_new, (lot >= n_new) & (lot < n_new + n_valid)
    who = {False: ~new & ~valid, True: new}
    what = {False: ((came > 0) & (came < NEW_FROM))[log.items], True: (came >= NEW_FROM)[log.items]}
    rows = {cell: of_size(everyone, who[u] & what[i]) for cell, (u, i) in CELLS.items()}
    asked = rows["warm"] & (place(everyone, rows["warm"]) < QUERY)
    cells = {cell: episodes(everyone.only(chosen)) for cell, chosen in rows.items()}
    learn = everyone.only(who[False] & what[False] & ~asked)
    choose = episodes(everyone.only(of_size(everyone, valid & what[False])))
    return Split(learn, choose, cells["warm"], np.arange(log.n_items), too_short=0), cells


def measure(split: int) -> pl.DataFrame:
    """row, cell, metric, user, value, chance."""
    data_split, cells = cut(split)
    parts = []
    for row, method in learnt(ROWS, data_split, items(), Seeds.of(split)):
        for cell, cold in cells.items():
            labels = torch.from_numpy(cold.users.labels[cold.query])
            mask = torch.ones_like(labels, dtype=torch.bool)
            predictions = rank_predictions(
                scores(method, cold), labels, mask, like_at=LIKE_AT, span=SPAN
            )
            per_user = values(predictions, cold, tuple(METRICS))
            parts.append(per_user.select(pl.lit(row).alias("row"), pl.lit(cell).alias("cell"), "*"))
    return pl.concat(parts)


def rows(measured: pl.DataFrame) -> list[Row]:
    return [row for cell in CELLS for row in _cell(cell, measured.filter(cell=cell))]


def _cell(cell: str, measured: pl.DataFrame) -> Iterator[Row]:
    (mae, ndcg), (quoted, median) = BEFORE[cell], ML_1M[cell]
    notes = NOTES | {
        "user-mean": f"before, shrunk: MAE {MEAN_BEFORE[cell]:.3f}",
        "stack": f"before, the best simple row: MAE {mae:.3f}, NDCG@3 {ndcg:.3f}",
        "user-median": f"on ml-1m, measured before: MAE {median:.3f}",
        "melu, paper": f"{NOTES['melu, paper']}; on ml-1m, published: MAE {quoted:.2f}",
    }
    for name in ROWS:
        for metric, words in METRICS.items():
            row = Row(f"{NAME}, {cell}", name, words, note=notes.get(name, ""))
            yield lay(row, measured, metric)
