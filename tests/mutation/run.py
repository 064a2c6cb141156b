"""Which small changes of the honesty layer do its nearest tests let pass?

    python tests/mutation/run.py                         # every module, every mutant
    python tests/mutation/run.py metrics.statistics --sample 60  # so many, drawn by a fixed seed
    python tests/mutation/run.py results.paired --lines 36 71    # those of these lines alone

Nothing is written into the working tree: a mutant is served by an import hook, in a process of its
own, forked from one that has the libraries loaded. A mutant that its tests fail, or that hangs, is
killed; a hang is told by seconds of processor, so that a busy machine kills none. Ends with code 1
where one survives that docs/mutation.md does not name.
"""

import argparse
import importlib.abc
import importlib.util
import os
import random
import resource
import runpy
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

mutants: Any = runpy.run_path(str(Path(__file__).with_name("mutants.py")))["mutants"]
ROOT = Path(__file__).parents[2]
NEAREST = {  # the first is of the module itself and kills most, within a second
    "metrics.compute": ["compute", "metric_edges", "metrics"],
    "metrics.formulas": ["formulas", "metric_edges", "metrics"],
    "metrics.predictions": ["predictions", "metric_edges", "metrics"],
    "metrics.statistics": ["statistics", "undefined_rows", "results"],
    "metrics.seed_variance": ["statistics", "undefined_rows", "results"],
    "splits.leakage": ["leaks", "thresholds", "controls"],
    "results.controls": ["controls", "thresholds", "results", "honest_reports"],
    "results.leaks": ["controls", "thresholds", "results", "honest_reports"],
    "results.rounding": ["rounding"],
    "results.paired": ["paired", "results"],
    "results.adaptation": ["adaptation", "thresholds"],
    "results.levels": ["levels", "results"],
    "results.bootstrap": ["bootstrap", "results"],
    "results.user_scores": ["user_scores", "results"],
    "results.pairwise": ["pairwise"],
    "results.critical_difference": ["critical_difference", "thresholds", "frames"],
    "results.calibration": ["calibration"],
    "results.pooled_auc": ["pooled_auc", "frames"],
    "results.exposure": ["exposure", "thresholds"],
    "results.profiles": ["profiles"],
    "results.interquartile": ["interquartile", "frames"],
    "results.subgroups": ["subgroups", "frames", "thresholds"],
}
SEED = 0
QUICK = [  # a start of pytest is most of what a mutant costs: no plugin but the clock, no rewriting
    *"-x -q --assert=plain -p pytest_timeout -p no:cacheprovider -p no:unraisableexception".split(),
    *["-p", "no:threadexception", "-m", "not slow"],
]


class Served(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a text."""

    def __init__(self, module: str, source: str) -> None:
        self.module, self.source = module, source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        path = str(ROOT / f"{self.module.replace('.', '/')}.py")
        module.__file__ = path
        exec(compile(self.source, path, "exec"), module.__dict__)


def passes(module: str, source: str, tests: list[str], limit: int) -> bool:
    """Whether the tests pass, within so many seconds of processor (and thirty times as long by the
    clock, for one that waits for ever), with the module's source as given."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        sys.meta_path.insert(0, Served(module, source))
        code = 3
        try:
            import pytest

            files = [str(path) for name in tests for path in ROOT.glob(f"tests/*/test_{name}.py")]
            code = int(pytest.main([*QUICK, *files]))
        finally:
            os._exit(code)
    end = time.monotonic() + 30 * limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def named() -> set[str]:
    """Survivors that docs/mutation.md gives a reason for, each as `module: line: was -> now`."""
    page = ROOT / "docs" / "mutation.md"
    lines = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    return {line.split("`")[1] for line in lines if line.startswith("- `")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", default=list(NEAREST))
    parser.add_argument("--sample", type=int, default=0, help="mutants of each module; 0: all")
    parser.add_argument("--lines", nargs="+", type=int, help="of one module; without it: all")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    os.chdir(ROOT)
    os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "MPLBACKEND": "agg"}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for library in ("hypothesis", "jinja2", "matplotlib.figure", "numpy", "polars", "pytest",
                    "scipy.stats", "sklearn.metrics", "torch", "typer.testing",
                    "coldbench.cell", "coldbench.encoder", "coldbench.splits.split"):  # fmt: skip
        importlib.import_module(library)  # loaded once, before the forks; none of NEAREST is
    allowed, unknown = named(), 0
    for name in asked.modules:
        module, tests = f"coldbench.{name}", NEAREST[name]
        source = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        if not passes(module, source, tests, 600):
            print(f"{name}: its tests fail without a mutant")
            return 2
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        limit = 10 + int(4 * (used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime))
        every = [m for m in mutants(source) if not asked.lines or m.line in asked.lines]
        some = random.Random(SEED).sample(every, min(asked.sample or len(every), len(every)))

        def survives(one: Any, args: Any = (module, tests, limit)) -> bool:
            return passes(args[0], one.source, args[1], args[2])

        lines, alive = source.splitlines(), 0
        with ThreadPoolExecutor(asked.j) as pool:
            for one, lives in zip(some, pool.map(survives, some), strict=True):
                if lives:
                    key = f"{name}: {lines[one.line - 1].strip()}: {one.was} -> {one.now}"
                    print(f"  {'' if key in allowed else 'NEW '}{one.line} {key}", flush=True)
                    alive, unknown = alive + 1, unknown + (key not in allowed)
        seconds = time.monotonic() - begin
        print(f"{name}: {alive} of {len(some)} mutants survive ({len(every)} there are), "
              f"{seconds:.0f} s", flush=True)  # fmt: skip
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main())
