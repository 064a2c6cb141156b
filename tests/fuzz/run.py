"""Fuzz the parsers with atheris: `tests/fuzz/run.py --seconds 30 ml-1m reader`, or all of them.

Each target runs in a process of its own, from the seeds of _seeds.py. What breaks it is kept under
runs/fuzz/<target>/ and can be tried again: `tests/fuzz/run.py --replay runs/fuzz/reader/crash-...`
"""

import argparse
import os
import re
import runpy
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEPT = HERE.parent.parent / "runs" / "fuzz"
FLAGS = (  # of libFuzzer
    "-max_len=16384",  # bytes of an input
    "-len_control=20",  # how slowly it comes to long ones, 0 to 1000
    "-timeout=10",  # seconds of an input
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
)
WATCHED = ["coldbench", "rdata", "tarfile", "zipfile", "tomllib", "html"]  # guide the search


def main() -> int:
    words = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    words.add_argument("names", nargs="*", metavar="NAME", help="targets; without any, all")
    words.add_argument("--seconds", type=int, default=30, help="of each target")
    words.add_argument("--replay", type=Path, metavar="FILE", help="try one saved input again")
    words.add_argument("--inside", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = words.parse_args()
    if options.inside:
        return inside(*options.inside)
    if options.replay:
        targets()["TARGETS"][options.replay.resolve().parent.name](options.replay.read_bytes())
        print(f"{options.replay}: sound, or told in one line")
        return 0
    if not find_spec("atheris"):
        print("fuzzing needs atheris: pip install 'coldbench[fuzz]'", file=sys.stderr)
        return 2
    known = targets()
    wrong = [name for name in options.names if name not in known["TARGETS"]]
    if wrong:
        words.error(f"no target {wrong[0]!r} among {', '.join(known['TARGETS'])}")
    with ThreadPoolExecutor(os.cpu_count()) as pool, tempfile.TemporaryDirectory() as place:
        names = options.names or list(known["TARGETS"])
        ends = pool.map(lambda name: fuzz(name, known, options.seconds, Path(place)), names)
        broken = [name for name, is_sound in zip(names, ends, strict=True) if not is_sound]
    lost = f"; broken: {', '.join(broken)}" if broken else ""
    print(f"{len(names) - len(broken)} of {len(names)} parsers held{lost}")
    return 1 if broken else 0


def targets() -> dict[str, Any]:
    return runpy.run_path(str(HERE / "targets.py"))


def fuzz(name: str, known: dict[str, Any], seconds: int, place: Path) -> bool:
    """Whether a target held; one line says how it went."""
    corpus, kept = place / name, KEPT / name
    corpus.mkdir()
    kept.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(known["SEEDS"][name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    tokens = [word for word in known["TOKENS"] if len(word) <= 64]  # libFuzzer takes no longer ones
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in tokens)
    (place / f"{name}.dict").write_text("".join(f'"{word}"\n' for word in escaped))
    options = [*FLAGS, f"-max_total_time={seconds}", f"-artifact_prefix={kept}/"]
    command = [sys.executable, __file__, "--inside", name, *options, f"-dict={corpus}.dict"]
    memory = Path("/dev/shm")  # thousands of small files a second
    surroundings = {**os.environ, "POLARS_MAX_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if memory.is_dir():
        surroundings["TMPDIR"] = str(memory)
    with (kept / "log.txt").open("wb") as log:
        code = subprocess.run(
            [*command, str(corpus)], env=surroundings, stdout=log, stderr=log, check=False
        )
    log_text = (kept / "log.txt").read_text(encoding="utf-8", errors="replace")
    tried = re.findall(r"number_of_executed_units: (\d+)", log_text)
    reached = re.findall(r"cov: (\d+)", log_text)
    figures = f"{int(tried[-1]) if tried else 0:,} inputs, {reached[-1] if reached else 0} branches"
    if not code.returncode:
        print(f"{name}: held, {figures}", flush=True)
        return True
    why = re.findall(r"Python exception: ===\n(.+)|ERROR: libFuzzer: (.+)", log_text) or [("", "")]
    saved = re.findall(r"Test unit written to (\S+)", log_text)
    again = f"again: {__file__} --replay {saved[-1]}" if saved else f"see {kept / 'log.txt'}"
    reason = "".join(why[0])[:200] or f"ended with {code.returncode}"
    print(f"{name}: BROKEN, {figures}: {reason}; {again}", flush=True)
    return False


def inside(name: str, *options: str) -> int:
    """One target until its time is over; libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=WATCHED):
        known = targets()
        for seed in known["SEEDS"][name]:
            known["TARGETS"][name](seed)  # what is imported late is watched too
    atheris.Setup([name, *options], known["TARGETS"][name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
