"""Windows and macOS, as far as Linux can show: all that is ours imports and lists without what
those lack. COLDBENCH_ELSEWHERE=1 (`make nightly`) has a whole run done so, its children spawned."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.console import ran

ROOT = Path(__file__).resolve().parents[2]
MODULES = "fcntl resource pwd grp termios tty pty syslog".split()  # Windows has none of these
CALLS = {
    "os": "setsid killpg getpgid getuid geteuid mkfifo statvfs fork".split(),
    "signal": "pthread_sigmask SIGHUP SIGALRM setitimer sigwait pause".split(),
}
NEEDED = "psutil torch filelock sklearn matplotlib polars typer rich pooch requests".split()
WITHOUT = f"""
import importlib, multiprocessing, os, signal, sys
for name in {NEEDED}:  # theirs have ways of their own for each system
    importlib.import_module(name)
for name in {CALLS["os"]}:
    vars(os).pop(name, None)
for name in {CALLS["signal"]}:
    vars(signal).pop(name, None)
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {MODULES}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
for name in {MODULES}:
    sys.modules.pop(name, None)
multiprocessing.get_all_start_methods = lambda: ["spawn"]
importlib.import_module("multiprocessing.resource_tracker")._HAVE_SIGMASK = False
"""
IMPORTS = """
import json
lost = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ImportError as error:
        lost[name] = error.name
print(json.dumps(lost))
"""
COMMAND = """
from coldbench.benchmarks.cli import main
main()
"""


def elsewhere(folder: Path, code: str, *words: str) -> str:
    """What such a Python prints."""
    words = (sys.executable, "-c", WITHOUT + code, *words)
    return ran(*words, cwd=folder, OMP_NUM_THREADS="1").stdout


@pytest.mark.slow
def test_every_module_imports_and_methods_are_listed_without_what_windows_lacks(
    tmp_path: Path, modules: dict[str, str]
) -> None:
    names = [name for name in sorted(modules) if "speed" not in name.split(".")]
    lines = elsewhere(
        tmp_path,
        f'{IMPORTS}sys.argv = ["coldbench", "list", "methods", "--json"]{COMMAND}',
        json.dumps(names),
    )
    lost, listed = lines.split("\n", 1)
    assert len(names) > 200 and not set(json.loads(lost).values()) & set(MODULES)
    assert len(json.loads(listed)) > 50


@pytest.mark.skipif("COLDBENCH_ELSEWHERE" not in os.environ, reason="takes a minute: make nightly")
def test_a_run_is_done_without_what_windows_lacks(tmp_path: Path) -> None:
    words = "run -d synthetic -m item-bias,ridge --set encoder=vectors --name r -j 2".split()
    output = elsewhere(tmp_path, COMMAND, *words)
    assert "2 of 2 cells done" in output
