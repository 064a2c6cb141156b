"""Replay anchors: measure every split in a process of its own, then lay the rows beside what others
published. What is measured stays in a file, so a replay that was stopped goes on where it stopped.
"""

import json
import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

import polars as pl

from coldbench import store

from .. import processes
from ._anchor import Anchor, named
from .row import Row
from .show import markdown

OnStep = Callable[[str, int, int], None]  # what was done, how many are, of how many


def replay(
    chosen: list[Anchor], folder: Path, jobs: int, tell: OnStep, *, whole: bool = False
) -> tuple[list[Row], list[str]]:
    """The rows of the chosen anchors, and a line for each that failed. whole: `tell` hears of what
    failed the whole traceback.

    Writes folder/anchors.json and anchors.md: these rows, and those of other anchors that earlier
    replays measured with the code as it is now.
    """
    (folder / "measured").mkdir(parents=True, exist_ok=True)
    wrong = _measure(chosen, folder, jobs, tell, whole=whole)
    rows, failed = [], []
    for anchor in chosen:
        measured = _lay(anchor, folder, wrong.get(anchor.path, ""))
        failed += [f"{row.anchor} failed: {row.note}" for row in measured if row.row == "failed"]
        rows += measured
        store.write(anchor.laid(folder), f"{_json(measured)}\n")
    anchors = {anchor.path: anchor for anchor in (*named([]), *chosen)}
    files = [anchor.laid(folder) for anchor in anchors.values()]
    words = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    every = [Row(**row) for rows in words for row in rows]
    store.write(folder / "anchors.json", f"{_json(every)}\n")
    store.write(folder / "anchors.md", f"{markdown(every)}\n")
    return rows, failed


def _measure(
    chosen: list[Anchor], folder: Path, jobs: int, tell: OnStep, *, whole: bool
) -> dict[Path, str]:
    """Measure what is missing; what went wrong first, by the anchor's file."""
    missing = [
        (anchor, split)
        for anchor in chosen
        for split in range(anchor.module.SPLITS)
        if not anchor.measured(folder, split).is_file()
    ]
    wrong: dict[Path, str] = {}
    if not missing:
        return wrong
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
    with ProcessPoolExecutor(min(jobs, len(missing)), context, _begin) as pool:
        running: dict[Future[tuple[str, str]], tuple[Anchor, int]] = {
            pool.submit(_measure_one, anchor.path, split, anchor.measured(folder, split)): (
                anchor,
                split,
            )
            for anchor, split in missing
        }
        try:
            for done, future in enumerate(as_completed(running), 1):
                anchor, split = running[future]
                error = future.exception()  # the process itself died, or could not be started
                outcome, trace = (_line(error), "") if error else future.result()
                if not anchor.measured(folder, split).is_file():
                    wrong.setdefault(anchor.path, f"split {split}: {outcome}")
                more = f"\n{trace}" if whole and trace else ""
                tell(f"{anchor.path.stem} split {split}: {outcome}{more}", done, len(missing))
        except KeyboardInterrupt:
            processes.stop(pool)
            raise
    return wrong


def _measure_one(path: Path, split: int, file: Path) -> tuple[str, str]:
    """Writes the split's frame; says how long it took, or what went wrong, and where."""
    begun = time.monotonic()
    try:
        frame: pl.DataFrame = Anchor(path).module.measure(split)
    except Exception as error:  # of one split: the others go on
        return _line(error), traceback.format_exc()
    partial = file.with_name(f".{file.name}")
    frame.write_parquet(partial)
    partial.rename(file)
    return f"{time.monotonic() - begun:.1f} s", ""


def _begin() -> None:
    import torch
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    torch.set_num_threads(1)
    threadpool_limits(1)


def _lay(anchor: Anchor, folder: Path, wrong: str) -> list[Row]:
    """The rows of an anchor all of whose splits are there; else one that says what went wrong."""
    if not wrong:
        frames = [
            pl.read_parquet(anchor.measured(folder, split)).with_columns(split=pl.lit(split))
            for split in range(anchor.module.SPLITS)
        ]
        try:
            return list(anchor.module.rows(pl.concat(frames)))
        except Exception as error:  # an anchor's failure is its own
            wrong = _line(error)
    return [Row(anchor.module.NAME, "failed", "", note=wrong)]


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _json(rows: list[Row]) -> str:
    return json.dumps([row.as_json() for row in rows], indent=1, ensure_ascii=False)
