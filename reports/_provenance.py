"""Where the numbers come from: enough to run them again."""

import json
from typing import Any

from coldbench.cell import Spec
from coldbench.results.results import Results


def origin(results: Results) -> list[tuple[str, str]]:
    """(what, which) of a run, in reading order."""
    specs = [cell.spec for cell in results.cells]
    facts = [cell.facts for cell in results.cells]
    values_of = {
        "coldbench commit": {f["commit"] for f in facts if f.get("commit")},
        "hardware": {f["hardware"] for f in facts if f.get("hardware")},
        "device": {f"{s.device}, {s.threads} threads" for s in specs},
        "versions": {", ".join(f"{k} {v}" for k, v in sorted(s.versions.items())) for s in specs},
        "seeds": {", ".join(str(seed) for seed in sorted({s.seed for s in specs}))},
        "data": {f"{s.dataset} {s.data}" for s in specs},
        "licence": {f"{s.dataset}: {f['licence']}" for s, f in _both(results) if f.get("licence")},
        "citation": {
            f"{s.dataset}: {f['citation']}" for s, f in _both(results) if f.get("citation")
        },
        "encoder": {f"{_words(s.encoder)} ({s.encoder_hash})" for s in specs},
        "protocol": {
            f"{s.dataset} {s.protocol} {_words(s.protocol_fields)}"
            for s in specs
        },
        "judged": {f"{s.dataset} {s.protocol}: {_counts(f['split'])}"
                   for s, f in _both(results) if f.get("split") and s.seed == specs[0].seed},
        "grid": {
            f"{len({s.method for s in specs})} methods, {len(specs)} cells; plan.json and "
            "cells/*/cell.json of the run hold every parameter"
        },
    }  # fmt: skip
    return [(name, "; ".join(sorted(values))) for name, values in values_of.items() if values]


def _both(results: Results) -> list[tuple[Spec, dict[str, Any]]]:
    return [(cell.spec, cell.facts) for cell in results.cells]


def _counts(split: dict[str, int]) -> str:
    return ", ".join(f"{many:,} {what}" for what, many in split.items())


def _words(table: dict[str, Any]) -> str:
    return json.dumps(table, sort_keys=True, ensure_ascii=False)
