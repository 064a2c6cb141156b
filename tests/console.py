"""`coldbench WORDS` in a process of its own that is forked from one with torch loaded already.

A process of the console script imports for two seconds and more before its first line, and the
server that a run forks its cells from as long again: that one, too, is a fork here. What a test
says of the import, of signals or of an installed copy is asked of the script itself.
"""

import atexit
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

SCRIPT = str(Path(sys.executable).with_name("coldbench"))
LOADED = (  # what they import is what all verbs do
    *(
        f"coldbench.benchmarks.commands.{verb}"
        for verb in ("compare", "conform", "describe", "run")
    ),
    *("coldbench.benchmarks.cli", "coldbench.benchmarks.worker", "coldbench.report"),
    *("coldbench.results.results", "coldbench.reports.html", "scikit_posthocs", "pydantic"),
    "torch._dynamo",
    *("sklearn.metrics", "jinja2", "matplotlib.backends.backend_agg", "PIL.PngImagePlugin"),
)
NO_TIME = -9  # the code where a command was ended: it took too long


@dataclass
class Started:
    """A command at work that leads a session of its own; its words can be read as they come."""

    pid: int
    stdout: TextIO
    err: Path
    returncode: int | None = None

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """All that it says until it ends, errors apart."""
        said = self.stdout.read()
        self.stdout.close()
        self.returncode = _ask("wait", self.pid, timeout)
        return said, self.err.read_text(encoding="utf-8")


def start(folder: Path, *words: str) -> Started:
    """The command, begun; folder is empty so far: what it says goes beside it."""
    out, err = (folder.with_name(f"{folder.name}.{name}") for name in ("out", "err"))
    os.mkfifo(out)
    pid = _ask("session", str(folder), words, dict(os.environ), str(out), str(err))
    return Started(pid, out.open(encoding="utf-8"), err)


def coldbench(
    folder: Path, *words: str, env: dict[str, str] | None = None, timeout: float = 150
) -> subprocess.CompletedProcess[str]:
    """What the command says in this folder, and its code; it is ended after `timeout` seconds."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        pid = _ask("start", str(folder), words, env or dict(os.environ), str(out), str(err))
        code = _ask("wait", pid, timeout)
        said = [path.read_text(encoding="utf-8") for path in (out, err)]
    if code == NO_TIME:
        raise subprocess.TimeoutExpired(["coldbench", *words], timeout, *said)
    return subprocess.CompletedProcess([SCRIPT, *words], code, *said)


def asked(
    folder: Path, *words: str, code: int = 0, timeout: float = 150
) -> subprocess.CompletedProcess[str]:
    """The same; it must end with this code, and with no traceback."""
    done = coldbench(folder, *words, timeout=timeout)
    assert done.returncode == code, (done.stdout + done.stderr)[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done


def ran(
    *words: str | Path, cwd: Path | None = None, code: int = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    """Any program, with these variables beside those that are set; it must end with this code."""
    done = subprocess.run(
        words, cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, f"{words[:3]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done


def script(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """The console script itself, in a session of its own."""
    return subprocess.Popen(
        [SCRIPT, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def until_begun(started: "Started | subprocess.Popen[str]") -> None:
    """Reads on until a cell is said to have begun."""
    assert started.stdout
    for line in started.stdout:
        if line.endswith("started\n"):
            break


def until(what: Callable[[], object], seconds: float = 20) -> None:
    """Waits until it is so, for so long at the most."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so within {seconds} s"
        time.sleep(0.005)


def small_run(methods: str, *more: str, name: str = "r") -> list[str]:
    """The words of a run on 60 made-up users at K = 0 and K = 4."""
    words = f"run -d synthetic -m {methods} --name {name} --set encoder=vectors".split()
    size = "dataset_params.synthetic={n_users = 60, per_user = 30}"
    return [*words, "--set", size, "--set", "protocol.shots=[0,4]", *more]


VOLATILE = ("timing.json", "log.txt", "volatile.json")  # files that may differ between two runs


def stored(run: Path) -> dict[str, bytes]:
    """What may not differ between two runs, by name: a report's table too, where there is one."""
    files = [p for room in ("cells", "splits", "catalogues") for p in (run / room).rglob("*")]
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in (*files, run / "report/results.csv")
        if path.is_file() and path.name not in VOLATILE
    }


def _ask(*question: object) -> int:
    """The pid of a command that is started, or the code of one that is waited for."""
    server = _server()
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(question) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@cache
def _server() -> "subprocess.Popen[str]":
    """One a test worker; it ends when the worker does, and its input with it."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def serve() -> None:
    """Answers a line of `_ask` by a line."""
    for module in LOADED:
        import_module(module)
    _read_our_code()
    gc.freeze()  # what no fork looks at, none has to copy
    for line in sys.stdin:
        what, *given = json.loads(line)
        print(_code(*given) if what == "wait" else _fork(what, *given), flush=True)


def _fork(what: str, *given: Any) -> int:
    child = os.fork()
    if child == 0:
        if what == "session":
            os.setsid()
        _become(*given)
        _end(_run())
    return child


def _run() -> int:
    """The code that the command ends with."""
    try:
        import_module("coldbench.benchmarks.cli").main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """As Python ends, but for taking down every module, which would copy all that is shared."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _read_our_code() -> None:
    """Once, for what fingerprints know by its bytes: a file that has changed is read again."""
    files = import_module("coldbench.benchmarks.plan").code("ridge", "synthetic")
    import_module("coldbench.cell").code_hash(files)


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
    _have_a_server_ready()


def _have_a_server_ready() -> None:
    """A fork of this process, clean as it is now, becomes the first server of multiprocessing that
    this process starts: with its files, environment and blocked signals, and nothing else of it."""
    from multiprocessing import util

    ours, theirs = socket.socketpair()
    waiting = [os.fork()]
    if waiting[0] == 0:
        ours.close()
        _become_a_server(theirs)
    theirs.close()
    usual = util.spawnv_passfds

    def spawned(path: bytes, args: Sequence[str], fds: Sequence[int]) -> int:
        if not waiting or "multiprocessing.forkserver" not in args[-1]:
            return int(usual(path, args, fds))
        blocked = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
        asked = [args[-1], list(fds), dict(os.environ), blocked]
        socket.send_fds(ours, [json.dumps(asked).encode()], list(fds))
        ours.close()
        return waiting.pop()

    vars(util)["spawnv_passfds"] = spawned


def _become_a_server(asked: socket.socket) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    told, fds, _, _ = socket.recv_fds(asked, 2**20, 8)
    if told:  # else the command has ended and started none
        code, numbers, env, blocked = json.loads(told)
        high = [os.dup2(fd, 200 + fd) for fd in fds]  # else one might take another's number
        for fd, number in zip(high, numbers, strict=True):
            os.dup2(fd, number, inheritable=False)
            os.close(fd)
        for fd in {asked.detach(), *fds} - set(numbers):
            os.close(fd)
        os.environ.clear()
        os.environ.update(env)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        with contextlib.suppress(SystemExit):
            exec(code, {"__name__": "__main__"})
    os._exit(0)


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
