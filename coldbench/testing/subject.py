"""A method under test, and what the checks of `coldbench.testing` need of it, each made once."""

import copy
import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldbench.episode import EpisodeBatch, Feedback
from coldbench.method import Method, from_params
from coldbench.metrics.compute import per_user
from coldbench.metrics.predictions import rank_predictions
from coldbench.seeds import Seeds
from coldbench.testing.assertions import assert_tensor
from coldbench.testing.side_effects import changed, global_state, sandbox, watched
from coldbench.testing.toy_data import ToyProblem, tiny_causal, toy_problem

Parts = dict[str, Any]
FEATURES, ENCODER = "item features", "encoder"


@dataclass(frozen=True)
class ObservedRun:
    """One training and one batch of users, and all that happened besides."""

    method: Method[Any]
    global_state: str  # what of global state is not as it was
    touched: list[str]  # of users, items and encoder: what is not as it was made
    events: list[str]  # files written, connections opened, programs started
    printed: str


@dataclass(frozen=True)
class MethodUnderTest:
    """A method under test, with what the checks need, each made on first use."""

    method: type[Method[Any]]
    folder: Path

    def new(self, *, short: bool = True, **params: Any) -> Method[Any]:
        """Untrained, its parameters read from JSON as the loop's are; with `short`, hardly to be
        trained: for checks that are not of quality."""
        known = {field.name for field in fields(self.method)}
        given = params | ({"meta_steps": 4, "epochs": 1} if short else {})
        if "model" in known:  # a language model of its own: millions of weights would say no more
            given["model"] = str(tiny_causal(self.folder / "tiny-causal"))
            given["precision"] = "float32"  # bfloat16 rounds by processor, and outcomes with it
        method = self.method(**{k: v for k, v in given.items() if k in known})
        return from_params(self.method, "it", json.loads(json.dumps(method.params())))

    def train(
        self, problem: ToyProblem, seed: int = 0, *, short: bool = True, seeds: Seeds | None = None
    ) -> Method[Any]:
        method, cut = self.new(short=short), problem.split
        method.meta_train(cut.warm, cut.valid, problem.items, seeds or Seeds.of(seed))
        return method

    @cached_property
    def plain(self) -> ToyProblem:
        """Twelve shots at most, an item nobody rated, odd texts, a tiny language model."""
        return self.pristine[0]

    @cached_property
    def pristine(self) -> tuple[ToyProblem, Parts]:
        """The plain problem, and copies of its parts from before any training."""
        problem = toy_problem(self.folder, edge_cases=True)
        return problem, {name: copy.deepcopy(part) for name, part in parts_of(problem).items()}

    @cached_property
    def likes(self) -> ToyProblem:
        """A positive-only log: four shots at most."""
        return toy_problem(self.folder, likes=True)

    @cached_property
    def with_signal(self) -> ToyProblem:
        """Enough users to learn from; the features hold the taste, or its words."""
        return toy_problem(self.folder, users=240, tokens=self.method.fine_tunes_encoder)

    @cached_property
    def trained(self) -> Method[Any]:
        """Trained on the plain problem; checks must leave it as it is."""
        return self.train(self.plain)

    @cached_property
    def observed_run(self) -> ObservedRun:
        """Trained on the plain problem with another seed, under every eye."""
        (problem, before), method = self.pristine, self.new()
        surroundings, printed = global_state(), io.StringIO()
        threads = torch.get_num_threads()
        with watched() as events, redirect_stdout(printed):
            method.meta_train(problem.split.warm, problem.split.valid, problem.items, Seeds.of(1))
            with torch.no_grad():
                state = method.adapt(self.batch().support)
                method.score(state, self.batch().query.items)
        harm = changed(surroundings)
        with sandbox():
            torch.set_num_threads(threads)  # else the same weights may embed otherwise by a bit
            now = parts_of(problem)
        touched = [name for name, part in now.items() if (part != before[name]).any()]
        return ObservedRun(method, harm, touched, events, printed.getvalue())

    @cached_property
    def fully_trained(self) -> Method[Any]:
        """Trained in full on the problem with a taste to find."""
        return self.train(self.with_signal, short=False)

    def batch(self, shots: int = 8, size: int = 12) -> EpisodeBatch:
        return next(self.plain.split.cold.batches(shots, size))

    def predict(self, batch: EpisodeBatch, method: Method[Any] | None = None) -> Tensor:
        """(B, Q) scores, as the loop asks for them."""
        method = method or self.trained
        with torch.no_grad():
            scores = method.score(method.adapt(batch.support), batch.query.items)
        assert_tensor(scores)
        return scores

    def auc(
        self, method: Method[Any], problem: ToyProblem, shots: int, *, turned: bool = False
    ) -> Tensor:
        """(U,) AUC of each judged user for whom there is one; `turned`: every label of a support
        is turned round, the best is the worst."""
        parts = []
        for batch in problem.split.cold.batches(shots):
            given = batch.support
            given = replace(given, labels=1 - given.labels) if turned else given
            scores, query = self.predict(with_support(batch, given), method), batch.query
            predictions = rank_predictions(scores, query.labels, query.mask, like_at=0.625)
            parts.append(per_user("auc", predictions))
        values = torch.cat(parts)
        return values[~values.isnan()]


def with_support(batch: EpisodeBatch, support: Feedback) -> EpisodeBatch:
    return EpisodeBatch(batch.users, support, batch.query)


def asking(batch: EpisodeBatch, items: Tensor) -> EpisodeBatch:
    """The same users asked for other items (B, Q)."""
    zeros = torch.zeros(items.shape)
    query = Feedback(items, zeros, zeros, torch.ones(items.shape, dtype=torch.bool))
    return EpisodeBatch(batch.users, batch.support, query)


def rows(batch: EpisodeBatch, which: Tensor) -> EpisodeBatch:
    """Some of the users, in this order."""
    support = batch.support.map(lambda column: column[which])
    return EpisodeBatch(batch.users[which], support, batch.query.map(lambda column: column[which]))


def state_rows(state: Any, which: slice, users: int) -> Any:
    """The same state of some of its users: the rows of every tensor (and list) of one a user."""
    if isinstance(state, Tensor):
        return state[which] if state.dim() and len(state) == users else state
    if isinstance(state, dict):
        return {name: state_rows(part, which, users) for name, part in state.items()}
    if isinstance(state, list) and len(state) == users:
        return state[which]
    if isinstance(state, list | tuple):
        parts = [state_rows(part, which, users) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if is_dataclass(state) and not isinstance(state, type):
        columns = {f.name: state_rows(getattr(state, f.name), which, users) for f in fields(state)}
        return replace(state, **columns)
    return state


def tensors_of(state: Any) -> Iterator[Tensor]:
    """Every tensor that a state is made of."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict):
        for part in state.values():
            yield from tensors_of(part)
    elif isinstance(state, list | tuple):
        for part in state:
            yield from tensors_of(part)
    elif is_dataclass(state) and not isinstance(state, type):
        for field in fields(state):
            yield from tensors_of(getattr(state, field.name))


def parts_of(problem: ToyProblem) -> Parts:
    """What a method is lent to learn from: arrays and tensors by name."""
    warm, valid, items = problem.split.warm, problem.split.valid, problem.items
    parts: Parts = {"valid supports": valid.support, "valid queries": valid.query}
    for who, users in (("warm", warm), ("valid", valid.users)):
        parts[f"{who} labels"] = users.labels
        for name in ("offsets", "items", "ratings", "times"):
            parts[f"{who} {name}"] = getattr(users.log, name)
    return parts | {FEATURES: items.features, ENCODER: items.encoder.reads_by()}
