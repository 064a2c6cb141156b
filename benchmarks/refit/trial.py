"""A new model on trial: whom it learns from, who judges it, and how it did."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from coldbench.cell import Spec
from coldbench.interactions import Catalogue
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.groups import Roles
from coldbench.splits.split import Split, split

from .. import splits
from . import gate
from .gate import Int, Panel, Scores
from .growth import Grown
from .task import Task


@dataclass(frozen=True)
class Trial:
    """The grown log, cut into who is learnt from and the panels of the gate."""

    spec: Spec  # of the first version's cell: method, parameters, encoder, seed
    protocol: Protocol  # as at the gate: new users, at the cell's K and query
    grown: Grown  # `trained`: by the new model
    catalogue: Catalogue
    data: str  # hash of the log and the catalogue
    made: Split
    panels: dict[str, Int]  # name -> users

    @classmethod
    def of(cls, spec: Spec, before: Grown, grown: Grown) -> Self:
        """Items that the old model does not know are asked of nobody: it could not score them."""
        log, catalogue = grown.load()
        stated = splits.protocol_of(spec)
        ranked = "all" if stated.candidates == "popular" else stated.candidates
        protocol = replace(
            stated, cold="user", split="random", order="time", audience="all", candidates=ranked
        )
        known = log.items < len(before.items)
        trained = np.array(list(grown.trained.values()), bool)
        had = np.arange(log.n_users) < len(before.trained)
        length = protocol.max_shots + protocol.query
        most = max(gate.FEWEST, int(protocol.cold_users * log.n_users))
        panels = gate.panels(log.rows(known), trained, had, length, most)
        cold = np.isin(np.arange(log.n_users), np.concatenate(list(panels.values())))
        kept = log.rows(known | ~cold[log.users])
        data_split = split(
            kept,
            grown.labels(kept.ratings, protocol.labels),
            protocol,
            Seeds.of(spec.seed, protocol.vary),
            explicit=grown.explicit,
            roles=Roles(cold, ~cold),
        )
        candidates = data_split.candidates[data_split.candidates < len(before.items)]
        data_split = replace(data_split, candidates=candidates)
        learnt = np.isin(np.arange(log.n_users), data_split.warm.ids)
        learnt[data_split.valid.users.ids[data_split.valid.user_index]] = True
        names = dict(zip(grown.trained, learnt.tolist(), strict=True))
        data = f"{log.hash()}-{catalogue.hash()}"
        return cls(
            spec, protocol, replace(grown, trained=names), catalogue, data, data_split, panels
        )

    def task(self, brought: dict[str, Any]) -> Task:
        """What is to be done without an answer of the gate. brought: for the new model's card."""
        hidden = splits.withheld(self.made, self.protocol)
        return Task(self.spec, self.protocol, self.catalogue, self.data, hidden, brought)

    def judge(self, old: Scores, new: Scores, margin: float) -> list[Panel]:
        """Both models on every panel, by their (E, N) scores."""
        facts = asdict(self.grown.label_scale(self.protocol.labels))
        theirs, mine = (
            gate.judged(model_scores, self.made, self.protocol, facts)
            for model_scores in (old, new)
        )
        panels = []
        for name, users in self.panels.items():
            rows = np.flatnonzero(np.isin(theirs.users, users))
            panels.append(gate.compare(name, theirs.take(rows), mine.take(rows), margin))
        return panels
