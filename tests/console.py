"""`coldbench WORDS` in a process of its own that is forked from one with torch loaded already.

A process of the console script imports for two seconds and more before its first line. What a test
says of the import, of signals or of an installed copy is asked of the script itself.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from importlib import import_module
from pathlib import Path

SCRIPT = str(Path(sys.executable).with_name("coldbench"))
WARM = "compare conform describe run".split()
LOADED = (  # what they import is what all verbs do, but for figures
    *(
        f"coldbench.benchmarks.commands.{verb}"
        for verb in ("compare", "conform", "describe", "run")
    ),
    *("coldbench.benchmarks.cli", "coldbench.benchmarks.worker", "coldbench.report"),
    *("coldbench.results.results", "scikit_posthocs"),
)
NO_TIME = -9  # the code where a command was ended: it took too long


def coldbench(
    folder: Path, *words: str, env: dict[str, str] | None = None, timeout: float = 150
) -> subprocess.CompletedProcess[str]:
    """What the command says in this folder, and its code; it is ended after `timeout` seconds."""
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        asked = [str(folder), words, env or dict(os.environ), str(out), str(err), timeout]
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        said = [path.read_text(encoding="utf-8") for path in (out, err)]
    if code == NO_TIME:
        raise subprocess.TimeoutExpired(["coldbench", *words], timeout, *said)
    return subprocess.CompletedProcess([SCRIPT, *words], code, *said)


@cache
def _server() -> "subprocess.Popen[str]":
    """One a test worker; it ends when the worker does, and its input with it."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def serve() -> None:
    """Forks once a line, and answers with the code. The fork returns from here as a command."""
    for module in LOADED:
        import_module(module)
    for line in sys.stdin:
        folder, words, env, out, err, timeout = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(folder, words, env, out, err)
            return import_module("coldbench.benchmarks.cli").main()
        print(_code(child, timeout), flush=True)
    return None


def _become(folder: str, words: list[str], env: dict[str, str], out: str, err: str) -> None:
    for number, path in enumerate((os.devnull, out, err)):
        to = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(to, number)
        os.close(to)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [SCRIPT, *words]
    sys.path.pop(0)  # the folder of this file
    vars(sys.modules["__main__"])["__file__"] = SCRIPT  # what a cell's process takes for its main


def _code(child: int, timeout: float) -> int:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, 9)
    os.waitpid(child, 0)
    return NO_TIME


if __name__ == "__main__":
    serve()
