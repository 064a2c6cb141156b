"""How many claims a second, and what a run of 10,000 trivial cells weighs: docs/scale.md's figures.

python tests/scale/measure.py FOLDER [CELLS]
"""

import multiprocessing
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from coldbench import store
from coldbench.cell import RECORD

claims: Any = import_module("coldbench.benchmarks.claims")


def take_all(run: Path, names: list[str], told: Any) -> None:
    """One worker: claim what is free, leave a trivial cell, give the claim back."""
    count, begun = 0, time.perf_counter()
    with claims.Claims(run) as worker:
        for name in names:
            whole = run / "cells" / name
            if whole.exists() or not worker.take(name):
                continue
            if not whole.exists():
                partial = whole.with_name(f".{name}-{worker.name}")
                partial.mkdir()
                (partial / "scores.parquet").write_bytes(bytes(100))
                store.seal(partial, RECORD, {"status": "done"}, whole)
                count += 1
            worker.release(name)
    told.put((count, time.perf_counter() - begun))


def main() -> None:
    folder, count = Path(sys.argv[1]), int((sys.argv[2:] or ["10000"])[0])
    names = [f"{number:016x}" for number in range(count)]
    with claims.Claims(folder / "bare") as worker:
        begun, cpu = time.perf_counter(), time.process_time()
        for name in names:
            assert worker.take(name)
            worker.release(name)
        spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(f"claims alone: {count / spent:,.0f} a second, {cpu / count * 1e6:.0f} us of CPU each")
    for number in (1, 4):
        run = folder / f"workers-{number}"
        told: Any = multiprocessing.Queue()
        (run / "cells").mkdir(parents=True)
        workers = [
            multiprocessing.Process(target=take_all, args=(run, names, told)) for _ in range(number)
        ]
        begun = time.perf_counter()
        for one in workers:
            one.start()
        found = [told.get() for _ in workers]
        for one in workers:
            one.join()
        done, spent = sum(count for count, _ in found), time.perf_counter() - begun
        files = [path for path in run.rglob("*") if path.is_file()]
        size = sum(path.stat().st_blocks * 512 for path in run.rglob("*"))
        shares = sorted(count for count, _ in found)
        print(
            f"{number} workers: {done:,} cells of {count:,} done, {done / spent:,.0f} a second, "
            f"shares {shares}; {len(files):,} files, {size / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
