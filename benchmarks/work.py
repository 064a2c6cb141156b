"""What is left of a run's cells, done by whoever sees its folder: `run`, `work`, `cell` alike."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from coldbench import store
from coldbench.cell import Spec, code_hash, read_cells, read_plan
from coldbench.errors import UserError, printable

from . import catalogues, processes, provenance, splits
from .claims import Claims
from .devices import device_name, device_type
from .gpus import gpus_of
from .job import Job, batches_of
from .partials import clear_dead
from .plan import code
from .preparation import Died, Preparer, encode_stored
from .signals import Stop
from .supervisor import Lost, OnEvent, Supervisor

OPTIONS = "options.json"  # in the run's folder: how its cells are run
NOBODY = {"split": {"cold users": 0}}  # of a split that could not be made


@dataclass(frozen=True)
class RunOptions:
    """How to run cells: nothing here changes a number."""

    device: str = "auto"  # "cpu", "cuda", "cuda:1"
    jobs: int = 1
    timeout: float = 900.0  # seconds that a cell, a dataset, a split or an encoder may take
    retry_failed: bool = False
    include: tuple[str, ...] = ()
    timing: bool = True  # measure one cell of each row
    keep_models: bool = False  # beside the cells, for an export
    shards: dict[str, int] = field(default_factory=dict)  # by row, or "default"

    def write(self, run: Path, lost: Lost) -> None:
        """For workers that were not told."""
        store.write(run / OPTIONS, json.dumps(asdict(self) | {"lost": lost}, indent=1))

    @classmethod
    def read(cls, run: Path) -> tuple[Self, Lost]:
        """How the run's cells are run, and which cannot be."""
        try:
            stored = json.loads((run / OPTIONS).read_text(encoding="utf-8"))
            lost = {name: (stage, reason) for name, (stage, reason) in stored.pop("lost").items()}
            return cls(
                **stored | {"include": tuple(stored["include"]), "retry_failed": False}
            ), lost
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{run} is not prepared ({type(error).__name__}: {OPTIONS}): "
                "`coldbench run GRID --prepare` does that"
            ) from None


@dataclass(frozen=True)
class Hands:
    """What does cells here."""

    claims: Claims
    stop: Stop
    context: processes.Context
    warden: processes.Warden


def work(
    run: Path,
    waiting: list[Spec],
    options: RunOptions,
    hands: Hands,
    on_event: OnEvent,
    lost: Lost,
    shard: int = 0,
) -> None:
    """Have these cells done, here or by other workers; returns when all are. shard: do no other
    of them, and join them where all others are there."""
    jobs = list(jobs_of(run, waiting, options))
    supervisor = Supervisor(
        hands.claims, run, hands.context, hands.warden, options.jobs, options.timeout, hands.stop,
        on_event, lost, gpus_of(device_name(options.device)), shard,
    )  # fmt: skip
    supervisor.schedule(jobs)


def jobs_of(run: Path, waiting: list[Spec], options: RunOptions) -> Iterator[Job]:
    """The cells' jobs. One seed of a row is timed: the plan's first."""
    first: dict[tuple[str, str, str], str] = {}
    for spec in read_plan(run):
        first.setdefault((spec.dataset, spec.protocol, spec.name), spec.fingerprint)
    origin = {"hardware": provenance.hardware(), "commit": provenance.commit()}
    device = device_name(options.device)
    placed = device_type(device) if gpus_of(device) else device  # each process sees its GPU alone
    for spec, shards in zip(waiting, shards_of(run, waiting, options), strict=True):
        row = spec.dataset, spec.protocol, spec.name
        timed = options.timing and first[row] == spec.fingerprint
        include, jobs = options.include, options.jobs
        job = Job(spec, str(run), placed, timed, include, jobs, origin, options.keep_models)
        yield replace(job, shards=shards)


def shards_of(run: Path, specs: list[Spec], options: RunOptions) -> Iterator[int]:
    """How many shards each of the cells has: as its row is said to have, at most one for each batch
    of evaluated users; 1: it is done whole."""
    batches: dict[str, int] = {}
    for spec in specs:
        split = spec.split_key
        asked = options.shards.get(spec.name, options.shards.get("default", 1))
        if asked > 1 and split not in batches:
            facts = splits.facts(run / "splits" / split) or NOBODY
            batches[split] = batches_of(facts["split"]["cold users"])
        yield max(1, min(asked, batches.get(split, 1)))


def work_on(
    run: Path, wanted: list[Spec], options: RunOptions, on_event: OnEvent, shard: int = 0
) -> None:
    """Do what is left of a folder that a run has prepared, with nothing but the folder: no data
    set is loaded here.

    Raises UserError where this machine would make other numbers than the plan says.
    """
    _, lost = RunOptions.read(run)
    left = [cell.spec for cell in read_cells(run, wanted) if cell.status in ("missing", "damaged")]
    context = processes.context(many_train=len(left) > 1)
    with (
        processes.supervision(context) as warden,
        Preparer(context, options.timeout, warden) as preparer,
        Claims(run, options.jobs) as claims,
        Stop() as stop,
    ):
        clear_dead(run, claims)
        _fit_here(run, left, options, preparer, lost)
        work(run, left, options, Hands(claims, stop, context, warden), on_event, lost, shard)


def _fit_here(
    run: Path, left: list[Spec], options: RunOptions, preparer: Preparer, lost: Lost
) -> None:
    """The same code, libraries, kind of device and encoder as where the cells were planned; what
    cells read is there."""
    device, versions = device_type(options.device), provenance.versions()
    codes: dict[tuple[str, str], str] = {}
    ready: set[Path] = set()
    for spec in left:
        if spec.fingerprint in lost:
            continue
        code_here = codes.setdefault(
            (spec.method, spec.loader), code_hash(code(spec.method, spec.loader))
        )
        for what, planned, actual in (
            ("device", spec.device, device),
            *((name, spec.versions.get(name), versions[name]) for name in versions),
            ("code", spec.code, code_here),
        ):
            if planned != actual:
                raise UserError(
                    f"{printable(spec.title)} was planned with {what} {printable(str(planned))}, "
                    f"and here is {actual}: its numbers would not be the plan's; use the same"
                )
        for needed in (run / "splits" / spec.split_key, catalogues.folder_of(run, spec)):
            if not needed.is_dir():
                raise UserError(
                    f"{needed} is not there: `coldbench run GRID --prepare` makes what cells read"
                )
        folder = catalogues.folder_of(run, spec)
        if folder not in ready:
            ready.add(folder)
            try:
                preparer.ask(encode_stored, str(folder), spec.encoder, spec.encoder_hash)
            except Died as error:
                raise UserError(f"{spec.encoder['name']} cannot read here: {error}") from None
