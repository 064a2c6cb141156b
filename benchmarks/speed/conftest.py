"""Every suite names its subject and its peers; their ratio in this one run is what is reported.

A timing alone says something of the machine, a ratio something of the code. Each benchmark states
`benchmark.group` (the suite) and `benchmark.extra_info`: role ("subject" or "peer"), name, items
(how many are done in a call) and unit ("users/s").
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

OUT = Path("runs/speed.json")


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Subject and peer alike run on one thread: ratios are steadier so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_sessionfinish(session: pytest.Session) -> None:
    timed = getattr(session.config, "_benchmarksession", None)
    rows = ratios(timed.benchmarks if timed else [])
    if not rows:
        return
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(beside(rows, OUT), indent=1), encoding="utf-8")
    print(f"\n\n{'suite':16} {'subject':28} {'rate':>14}   {'peer':28} {'rate':>14}  ratio")
    for row in rows:
        rates = [f"{row[key]:>14,.1f}" for key in ("subject_rate", "peer_rate")]
        names = f"{row['suite']:16} {row['subject']:28} {rates[0]}   {row['peer']:28} {rates[1]}"
        print(f"{names}  {row['ratio']:,.1f}x ({row['unit']})")
    print(f"{OUT}")


def beside(rows: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """These rows, and those in the file of suites that were not run now; none of a torn file."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = []
    now = {row["suite"] for row in rows}
    return [row for row in before if row["suite"] not in now] + rows


def ratios(timed: list[Any]) -> list[dict[str, Any]]:
    """Each suite's subjects against each of its peers, from the medians."""
    rates: dict[str, dict[str, dict[str, tuple[float, str]]]] = {}
    for bench in timed:
        extra = bench.extra_info
        suite = rates.setdefault(bench.group, {"subject": {}, "peer": {}})
        suite[extra["role"]][extra["name"]] = extra["items"] / bench.stats.median, extra["unit"]
    return [
        {
            "suite": suite,
            "subject": subject,
            "peer": peer,
            "ratio": rate / against,
            "unit": unit,
            "subject_rate": rate,
            "peer_rate": against,
        }
        for suite, sides in rates.items()
        for subject, (rate, unit) in sides["subject"].items()
        for peer, (against, _) in sides["peer"].items()
    ]
