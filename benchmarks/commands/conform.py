"""Many methods tested against the contract side by side, each in a process on one thread."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from coldbench import registry
from coldbench.testing import Outcome, check_method

from .. import processes
from .verbosity import Verbosity

ENDED = Outcome("outlives its checks", False, "the process that checked it ended", "")
OnChecked = Callable[[str], None]


def conform(
    names: Sequence[str], files: Sequence[Path], jobs: int, tell: OnChecked
) -> dict[str, list[Outcome]]:
    """What every check says of each method, in the order of the names; `tell` hears each as it is
    done. A method that ends its process loses no other its outcomes."""
    if jobs == 1 or len(names) == 1:
        torch.set_num_threads(1)  # tiny models are faster so
        done = {}
        for name in names:
            done[name] = _checked(name)
            tell(name)
        return done
    done = _pooled(names, files, min(jobs, len(names)), tell)
    for name in [name for name in names if name not in done]:  # their pool went down with one
        done[name] = _pooled([name], files, 1, tell).get(name, [ENDED])
    return {name: done[name] for name in names}


def _pooled(
    names: Sequence[str], files: Sequence[Path], jobs: int, tell: OnChecked
) -> dict[str, list[Outcome]]:
    """The outcomes of those that were done before a process ended, if one did."""
    done = {}
    ways = get_all_start_methods()
    context = get_context("forkserver" if "forkserver" in ways else "spawn")
    context.set_forkserver_preload(["coldbench.testing.checks", "torch._dynamo"])
    with ProcessPoolExecutor(jobs, context, _ready, (tuple(files),)) as pool:
        try:
            waiting = {pool.submit(_checked, name): name for name in names}
            for future in as_completed(waiting):
                done[waiting[future]] = future.result()
                tell(waiting[future])
        except BrokenProcessPool:
            return done | {
                name: future.result()
                for future, name in waiting.items()
                if future.done() and not future.exception()
            }
        except KeyboardInterrupt:
            processes.stop(pool)
            raise
    return done


def _ready(files: tuple[Path, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    torch.set_num_threads(1)
    for path in files:
        registry.include(path)


def _checked(name: str) -> list[Outcome]:
    try:
        return check_method(registry.find("methods", name))
    except ValueError as error:
        return [Outcome("is exempt from checks that exist", False, str(error), "")]


@contextmanager
def progress(count: int, say: Verbosity) -> Iterator[OnChecked]:
    """One line on the terminal, on the side of errors; nothing where there is no terminal."""
    console = Console(stderr=True)
    unseen = not console.is_terminal or say is Verbosity.QUIET
    with Progress(console=console, transient=True, disable=unseen) as bar:
        task = bar.add_task("checking", total=count)
        yield lambda name: bar.update(task, advance=1, description=name)
