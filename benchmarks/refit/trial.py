"""A new model in the making: who trains it, who judges it, and how it did."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from coldbench import registry
from coldbench.cell import Spec
from coldbench.encoder import Encoder
from coldbench.interactions import Catalogue
from coldbench.method import from_params
from coldbench.protocol import Protocol
from coldbench.recommender import Recommender
from coldbench.rolling import Roles
from coldbench.seeds import Seeds
from coldbench.split import Split, split

from .. import splits
from ..devices import device_of
from ..loop import meta_train
from . import gate
from .card import readme
from .gate import Int, Panel
from .growth import Grown


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
        made = split(
            kept,
            grown.labels(kept.ratings, protocol.labels),
            protocol,
            Seeds.of(spec.seed, protocol.vary),
            explicit=grown.explicit,
            roles=Roles(cold, ~cold[kept.users]),
        )
        candidates = made.candidates[made.candidates < len(before.items)]
        made = replace(made, candidates=candidates)
        learnt = np.isin(np.arange(log.n_users), made.warm.ids)
        learnt[made.valid.users.ids[made.valid.user_index]] = True
        names = dict(zip(grown.trained, learnt.tolist(), strict=True))
        data = f"{log.hash()}-{catalogue.hash()}"
        return cls(spec, protocol, replace(grown, trained=names), catalogue, data, made, panels)

    def train(self, old: Recommender, brought: dict[str, Any]) -> Recommender:
        """The new model, trained without an answer of the gate. brought: for its card."""
        spec, hidden = self.spec, splits.withheld(self.made, self.protocol)
        torch.set_num_threads(spec.threads)
        device = device_of("auto" if spec.device == "cuda" else spec.device)
        items = Encoder(**spec.encoder).items(self.catalogue).to(device)
        method = from_params(registry.find("methods", spec.method), spec.method, spec.params)
        meta_train(method, hidden, items, Seeds.of(spec.seed, self.protocol.vary))
        card = old.about.card | {
            "fingerprint": f"{spec.fingerprint}+{brought['version']}", "data": self.data,
            "split": self.made.facts(), "figures": [], "refit": brought,
        }  # fmt: skip
        hashed = self.catalogue.hash()
        about = replace(old.about, catalogue=hashed, card=card, probe={}, added=0)
        new = Recommender(method, items, about, self.made.warm.seen(), readme(card))
        return replace(new, about=replace(about, probe=new.probe()))

    def judge(self, old: Recommender, new: Recommender, margin: float) -> list[Panel]:
        """Both models on every panel."""
        facts = asdict(self.grown.label_scale(self.protocol.labels))
        theirs, mine = (gate.scored(rec, self.made, self.protocol, facts) for rec in (old, new))
        found = []
        for name, users in self.panels.items():
            rows = np.flatnonzero(np.isin(theirs.users, users))
            found.append(gate.compare(name, theirs.take(rows), mine.take(rows), margin))
        return found
