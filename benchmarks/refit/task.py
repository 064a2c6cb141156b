"""What a method's code does for a refit: it trains the new model, and both say what they think of
the gate's users. It is done in a process of its own, which holds no answer of the gate; the labels
stay with the judge (gate.py), as those of a cell do."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coldbench import registry
from coldbench.cell import Spec
from coldbench.encoder import Encoder
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.method import from_params
from coldbench.protocol import Protocol
from coldbench.recommend.recommender import Recommender
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

from .. import processes
from ..devices import device_of
from ..loop import meta_train, predict
from ..preparation import Died, Preparer
from .card import readme

LONGEST = 20 * 86_400.0  # seconds; poll takes no more than 24 days
OLD, NEW = "old.npy", "new.npy"  # (E, N) scores of the gate's users


@dataclass(frozen=True)
class Task:
    spec: Spec  # of the first version's cell: method, parameters, encoder, seed
    protocol: Protocol  # of the gate
    catalogue: Catalogue
    data: str  # hash of the log and the catalogue
    hidden: Split  # the gate's answers withheld
    brought: dict[str, Any]  # for the card

    def train(self, old: Recommender) -> Recommender:
        """The new model. A method with a warm start begins where the old model ended."""
        spec = self.spec
        torch.set_num_threads(spec.threads)
        device = device_of("auto" if spec.device == "cuda" else spec.device)
        items = Encoder(**spec.encoder).items(self.catalogue).to(device)
        method = from_params(registry.find("methods", spec.method), spec.method, spec.params)
        warm = method.warm_starts
        if warm:
            learned = old.method.learned
            method.begin_with({name: tensor.to(device) for name, tensor in learned.items()})
        meta_train(method, self.hidden, items, Seeds.of(spec.seed, self.protocol.vary))
        version = self.brought["version"]
        card = old.about.card | {
            "fingerprint": f"{spec.fingerprint}+{version}", "data": self.data, "figures": [],
            "split": self.hidden.summary(), "refit": self.brought | {"warm_start": warm},
        }  # fmt: skip
        hashed = self.catalogue.hash()
        about = replace(old.about, catalogue=hashed, card=card, probe={}, added=0)
        new = Recommender(method, items, about, self.hidden.warm.item_counts(), readme(card))
        return replace(new, about=replace(about, probe=new.probe()))

    def scores(self, rec: Recommender) -> np.ndarray[Any, Any]:
        """(E, N) float32 of the gate's users at the largest K: of the items asked for, or of all
        candidates."""
        cold, every = self.hidden.cold, None
        if self.protocol.candidates == "all":
            shape = len(cold), len(self.hidden.candidates)
            every = np.broadcast_to(self.hidden.candidates, shape)
        all_scores = np.empty(
            (len(cold), cold.query_size) if every is None else every.shape, np.float32
        )
        for part in predict(rec.method, cold, self.protocol.max_shots, rec.items.device, every):
            all_scores[part.rows, part.columns] = part.scores.numpy()
        return all_scores


def work(task: Task, old: str, new: str, folder: str) -> None:
    """Train, write the new model, and both models' scores into a folder."""
    before = Recommender.load(old)
    task.train(before).save(new)
    for name, rec in ((OLD, before), (NEW, Recommender.load(new))):
        np.save(Path(folder) / name, task.scores(rec))


def apart(task: Task, old: Path, new: Path, folder: Path) -> None:
    """`work`, in a process that inherits nothing of this one. Raises UserError where it fails."""
    server_context = processes.context()
    with (
        processes.supervision(server_context) as warden,
        Preparer(server_context, LONGEST, warden) as process,
    ):
        try:
            process.ask(work, task, str(old), str(new), str(folder))
        except Died as error:
            raise UserError(f"{task.spec.method} could not be trained again: {error}") from None
