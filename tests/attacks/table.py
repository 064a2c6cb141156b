"""Ways of dying x stages: the methods of each, and what the run has to say of it.

Loaded with runpy. One run a stage has every kind as a row, and item-bias, which must stay whole.
"""

import runpy
import shutil
import signal
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAGES = ("import", "construct", "facts", "meta-train", "adapt", "score", "timing", "save")
HARMLESS = ("CHLD", "CONT", "URG", "WINCH", "STOP", "TSTP", "TTIN", "TTOU")  # no death by default
ALL_SIGNALS = [  # 32 and 33 are the C library's own
    n
    for n in range(1, 65)
    if n not in {32, 33, *(int(getattr(signal, f"SIG{s}")) for s in HARMLESS)}
]
SIGNALS = [2, 9, 11, 13, 15, 40]  # at every stage; all of them at adapt

FAILED, DONE = "failed", "done"
misbehave = runpy.run_path(str(HERE / "misbehave.py"))
ONLY_SCORES = tuple(misbehave["NUMBERS"])
# kind: status, words that the reason has. A kind that only leaves something behind is done.
EXPECTED: dict[str, tuple[str, str]] = {
    **{kind: (FAILED, words) if words is not None else (DONE, "")
       for kind, (words, _) in misbehave["KINDS"].items()},
    **{kind: (FAILED, f"outside 0..1: {number}") for kind, number in misbehave["NUMBERS"].items()},
}  # fmt: skip
# Their files are all written, or closed, by then.
SPARED = {
    ("close-files", "timing"): (FAILED, "Bad file descriptor"),
    ("close-files", "save"): (DONE, ""),
}
LATER = ("close-files", "no-files", "folder-result", "no-json")  # break what comes next
ALONE = "delete-cells"  # takes the cells of all others with it: in a run of its own
HANGS = tuple(kind for kind in EXPECTED if kind.startswith("hang"))
THIRDS = 3


def kinds(stage: str, *, every: bool) -> list[str]:
    """The rows of a stage's run. every: all kinds at all stages; else all of them at adapt, and at
    each other stage a third in turn, with one hang, which takes the time limit."""
    numbers = ALL_SIGNALS if stage == "adapt" else SIGNALS
    rows = [kind for kind in EXPECTED if kind not in ONLY_SCORES and kind != ALONE]
    if not every and stage != "adapt":
        turn = STAGES.index(stage) % THIRDS
        rows = [kind for kind in rows[turn::THIRDS] if kind not in HANGS] + [HANGS[0]]
        numbers = numbers[turn::THIRDS]
    rows += ONLY_SCORES if stage == "score" else ()
    return rows + [f"signal-{n}" for n in numbers]


def expected(kind: str, stage: str) -> tuple[str, str, tuple[str, ...]]:
    """A row's status, what its reason says, and the stages at which it may have failed."""
    at = STAGES.index(stage)
    stages = STAGES[at:] if kind in LATER else STAGES[at : at + 1]
    stages = tuple("construct" if s == "facts" else s for s in stages)  # read in that stage
    if kind.startswith("signal-"):
        number = int(kind.removeprefix("signal-"))
        known = number in {int(name) for name in signal.Signals}
        return FAILED, signal.Signals(number).name if known else f"signal {number}", stages
    status, words = SPARED.get((kind, stage), EXPECTED[kind])
    return status, words, ("",) if status == DONE else stages


def write(folder: Path, stage: str, chosen: list[str]) -> dict[str, Path]:
    """A file for each kind that breaks at the stage: method name -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "misbehave.py", folder)
    files = {}
    for kind in chosen:
        name = f"{kind}-at-{stage}"
        path = folder / f"{name.replace('-', '_')}.py"
        path.write_text(text(kind, stage), encoding="utf-8")
        files[name] = path
    return files


def text(kind: str, stage: str) -> str:
    lines = [
        f'"""{kind} at {stage}."""',
        "from dataclasses import dataclass",
        "from . import misbehave",
        *([f"misbehave.do({kind!r})"] if stage == "import" else []),
        "@dataclass",
        "class Attack(misbehave.Misbehave):",
        f"    kind = {kind!r}",
        f"    stage = {stage!r}",
        *(["    paper = misbehave.AtFacts()"] if stage == "facts" else []),
    ]
    return "\n".join(lines) + "\n"
