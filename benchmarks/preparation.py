"""What a run needs to know before its cells start, answered by processes that may die of it.

A dataset is loaded, split and encoded in one process, and methods are imported and constructed in
another: no process that runs a method's code holds ratings, and none of it runs in the parent. Each
question has a time limit, and an error names the one thing that was asked about. torch is imported
by the questions that need it alone: the parent asks them by their names here.
"""

import json
import os
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from coldbench import registry, store
from coldbench.cell import Spec
from coldbench.dataset import Dataset
from coldbench.errors import Unavailable, UserError, first_line, unknown
from coldbench.interactions import Catalogue, Interactions

from . import catalogues, processes, splits
from .dataset_names import Source, parameters

Question = Callable[..., Any]
KINDS: dict[str, type[UserError]] = {"UserError": UserError, "Unavailable": Unavailable}
LARGEST = 1 << 24  # bytes of an answer


class Died(Exception):
    """The question was not answered: it raised, killed its process, or took too long."""


class Preparer:
    """A process that answers one question at a time; started at the first, and after a death."""

    def __init__(self, context: processes.Context, limit: float, warden: processes.Warden) -> None:
        self._context, self._limit, self._warden = context, limit, warden
        self._process: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, question: Question, *args: Any) -> Any:
        """What the question returns, by way of JSON.

        Raises UserError where the question does, and Died where it is not answered.
        """
        if self._process is None:
            self._pipe, theirs = self._context.Pipe()
            self._process = processes.start(self._context, _answer, theirs)
            theirs.close()
            self._warden("add", self._process.pid or 0)
        try:
            self._pipe.send((question, args))
            if not self._pipe.poll(self._limit):
                self.end()
                raise Died(f"no answer within {self._limit:.0f} s")
            answer = json.loads(self._pipe.recv_bytes(LARGEST))
        except (EOFError, OSError, ValueError):
            self._process.join(10)
            code = self._process.exitcode
            self.end()
            raise Died(processes.death(code)) from None
        if answer["kind"] in KINDS:
            raise KINDS[answer["kind"]](answer["value"])
        if answer["kind"] == "error":
            raise Died(answer["value"])
        return answer["value"]

    def end(self) -> None:
        """The next question is answered by a new process."""
        if self._process is not None:
            self._pipe.close()
            processes.end(self._process)
            self._warden("discard", self._process.pid or 0)
            self._process = None


def directly(question: Question, *args: Any) -> Any:
    """The same in this process, for who holds everything in one anyway; files are read anew."""
    _load_once.cache_clear()
    return question(*args)


def _answer(pipe: Connection) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what a library prints is not the run's to show
    os.dup2(nowhere, 2)
    while True:
        try:
            question, args = pipe.recv()
        except EOFError:
            return
        try:
            words = json.dumps({"kind": "value", "value": question(*args)})
        except UserError as error:
            kind = "Unavailable" if isinstance(error, Unavailable) else "UserError"
            words = json.dumps({"kind": kind, "value": first_line(error, LARGEST)})
        except Exception as error:  # whatever a loader or a model does is its own error
            reason = f"{type(error).__name__}: {first_line(error)}"
            words = json.dumps({"kind": "error", "value": reason})
        pipe.send_bytes(words.encode())


def _load(source: Source) -> tuple[Dataset, Interactions, Catalogue]:
    return _load_once(source.name, source.loader, json.dumps(source.params))


@cache
def _load_once(name: str, loader: str, params: str) -> tuple[Dataset, Interactions, Catalogue]:
    dataset = Source(name, loader, json.loads(params)).dataset()
    return dataset, *dataset.load()


def dataset_facts(source: Source) -> dict[str, Any]:
    """What cells need to know of a dataset; loads it, so that bad input is found first."""
    dataset, log, catalogue = _load(source)
    values = parameters(dataset)
    return {
        "params": {key: value for key, value in values.items() if key not in dataset.paths},
        "files": {key: values[key] for key in dataset.paths if values[key]},
        "data": f"{log.hash()}-{catalogue.hash()}",
        "unclaimed": list(dataset.unclaimed),  # columns of a user's file that nobody reads
        "suits": {
            "timed": log.times is not None,
            "explicit": dataset.explicit,
            "ordered": dataset.ordered,
        },
    }


def method_params(row: str, changed: dict[str, Any], include: tuple[str, ...]) -> dict[str, Any]:
    """All hyper-parameters of a row, "maml" or with a preset "maml:paper", own ones over it."""
    from coldbench.method import from_params

    for path in include:
        registry.include(Path(path))
    name, is_preset, preset = row.partition(":")
    method = registry.find("methods", name)
    if is_preset and preset not in method.presets and not changed:
        which = f"{name} has {', '.join(method.presets) or 'no presets'}"
        raise unknown("preset", row, [f"{name}:{p}" for p in method.presets], which)
    params: dict[str, Any] = from_params(
        method, name, method.presets.get(preset, {}) | changed
    ).params()
    return params


def encoder_facts(stated: dict[str, Any]) -> dict[str, Any]:
    """All fields of the encoder that a grid states some of, and the hash of its content. Raises
    UserError for an unknown field or a model that cannot be read."""
    from coldbench.encoder import Encoder

    known = Encoder.__dataclass_fields__
    for key in stated:
        if key not in known:
            raise unknown("encoder field", key, known, "docs/start.md")
    reader = Encoder(**stated).resolved()
    return {"encoder": {name: getattr(reader, name) for name in known}, "hash": reader.hash}


def texts_to_encode(source: Source, encoder: dict[str, Any], digest: str) -> int:
    """How many texts of the catalogue the encoder has yet to read. digest: the encoder's hash as it
    was planned; found anew it costs the import of transformers and each byte of the model."""
    from coldbench.encoder import Encoder

    reader, (_, _, catalogue) = Encoder.hashed(encoder, digest), _load(source)
    return 0 if reader.name == "vectors" or reader.kept(catalogue).is_file() else len(catalogue)


def encode(source: Source, encoder: dict[str, Any], digest: str, folder: str) -> None:
    """Store the catalogue and the encoder's vectors of it, once; the model that reads is hashed as
    it is now, so that one that was exchanged since the plan leaves no vectors under its name."""
    from coldbench.encoder import Encoder

    _, _, catalogue = _load(source)
    if store.read(Path(folder), catalogues.RECORD) is None:
        catalogues.save(catalogue, Path(folder))
    reads = texts_to_encode(source, encoder, digest)
    (Encoder(**encoder) if reads else Encoder.hashed(encoder, digest)).items(catalogue)


def encode_stored(folder: str, encoder: dict[str, Any], digest: str) -> None:
    """Have the vectors of a run's stored catalogue on this machine, by the model of the plan."""
    from coldbench.encoder import Encoder

    reader = Encoder(**encoder)
    if reader.hash != digest:
        raise UserError(
            f"the model {reader.name} here is not the plan's ({reader.hash}, not {digest}): "
            "copy it from where the run was prepared"
        )
    reader.items(catalogues.load(Path(folder)))


def cut_split(source: Source, spec: dict[str, Any], folder: str) -> None:
    """Store the split that cells read."""
    dataset, log, _ = _load(source)
    splits.save(Spec(**spec), dataset, log, Path(folder))
