"""The README.md of a refitted model."""

from typing import Any


def readme(card: dict[str, Any]) -> str:
    """card: of the new model; `refit` says what it was made of."""
    new, warm = card["refit"], card["split"]
    return f"""# {card["method"]} on {card["dataset"]}, version {new["version"]}

A method of cold-start recommendation, trained again by `coldbench refit`: {new["ratings"]:,}
ratings of {new["file"]} were added to the log of version {new["after"]}, with {new["users"]:,} new
users and {new["items"]:,} new items.

| | |
|---|---|
| trained on | {warm["warm users"]:,} users, {warm["warm interactions"]:,} ratings |
| kept out of training, for the gate | {warm["cold users"]:,} users |
| ratings | {card["low"]:g} to {card["best"]:g}; scores are expected labels in 0..1 |
| first version's cell | {card["spec"]["dataset"]} {card["protocol"]}, seed {card["seed"]} |
| licence of the first version's data | {card["licence"]} |

How it did beside version {new["after"]}, and whether it serves, stands in `history.jsonl` of the
served folder: `coldbench refit FOLDER --history`. No other figure was measured of it.
"""
