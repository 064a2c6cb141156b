"""TALLRec's recipe on a language model of 135 million weights: does it beat ten likes counted?

Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model with
Recommendation" (2023), arXiv:2305.00447, table 1, its rows and its measure as in tallrec.py. Beside
its recipe (instruct), the same model tuned by pairs (preference) and by virtual tokens that each
row's ten labels move (soft-prompt). The untuned model and the count of likes learn from no row.
"""

from typing import Any

import numpy as np
import polars as pl
import torch

from coldbench import registry
from coldbench.encoder import Items

from ._tallrec import HISTORY, train_valid_test
from ._tallrec_auc import SAMPLES, both, published
from ._tallrec_few import few_shot
from ._tallrec_simple import like_rate
from .row import Row

NAME = "tallrec-movie-lm"
OPTIONS: dict[str, dict[str, Any]] = {  # the model is their default; blocks: 0 is all, as TALLRec's
    "instruct": {"shots": HISTORY, "blocks": 0},
    "preference": {"shots": HISTORY, "blocks": 0},
    "soft-prompt": {"shots": HISTORY},
}
UNTUNED = ("instruct", "soft-prompt")  # preference untuned is instruct untuned
TAUGHT = [(row, 0) for row in UNTUNED] + [(row, n) for n in SAMPLES for row in OPTIONS]
SPLITS = len(TAUGHT)


def measure(split: int) -> pl.DataFrame:
    """row, samples (0: it has no training rows), user, label, score of the 1,000 test rows."""
    train, _, test = train_valid_test()
    items = Items(torch.zeros(len(test.films), 1), test.films)  # no vectors: texts alone are read
    name, samples = TAUGHT[split]
    rng = np.random.default_rng([0, samples])  # the first draw of tallrec.py
    drawn = train.part(rng.choice(len(train.places), samples or min(SAMPLES), replace=False))
    row, method = name if samples else f"{name}:untuned", registry.find("methods", name)
    learner = method(**OPTIONS[name] | ({} if samples else method.presets["untuned"]))
    scored = {row: few_shot(learner, drawn, test, items, 0)}
    if split == 0:
        scored["history like-rate"] = like_rate(test)
    asked = {"user": test.users, "label": test.likes[test.places]}
    return pl.concat(
        pl.DataFrame({"row": row, "samples": samples, **asked, "score": score.astype(float)})
        for row, score in scored.items()
    )


def rows(measured: pl.DataFrame) -> list[Row]:
    lines = published(NAME)
    parts = measured.partition_by("row", "samples", as_dict=True, maintain_order=True)
    untuned = parts["instruct:untuned", 0]["score"]
    for row, samples in sorted(parts, key=lambda part: part[1]):  # stable: as measured within
        part = parts[row, samples]
        note = "" if samples else "no training"
        if samples and part["score"].equals(untuned):
            note = "untuned: no step lowered the loss of the rows to choose by"
        empty = Row(NAME, str(row), "auc", chance=0.5, note=note)
        lines += both(empty, int(samples), part)
    return lines
