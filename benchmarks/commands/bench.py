"""A cell of a run by its name, and what its method was trained and evaluated on, made again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from coldbench.cell import Cell, Spec, read_run
from coldbench.dataset import Dataset
from coldbench.encoder import Encoder, Items
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.method import Method
from coldbench.protocol import Protocol
from coldbench.seeds import Seeds
from coldbench.splits.split import Split

from .. import splits
from ..dataset_names import dataset_of
from ..devices import device_of
from ..loop import meta_train

FEW = 12  # names in an error


def find_cell(run: Path, words: str, dataset: str = "", protocol: str = "") -> Cell:
    """A done cell by the beginning of its fingerprint, or by words of its title that only it has:
    "ml-100k ridge 0". dataset, protocol: of these cells alone, where they are named."""
    every = read_run(run)
    cells = [
        cell
        for cell in every
        if dataset in ("", cell.spec.dataset) and protocol in ("", cell.spec.protocol)
    ]
    matches = named(run, cells, words, every)
    if matches.status != "done":
        reason = f": {matches.reason}" if matches.reason else ""
        raise UserError(f"{matches.spec.title} is {matches.status}{reason}; run it first")
    return matches


def named(run: Path, cells: list[Cell], words: str, every: list[Cell] | None = None) -> Cell:
    """The one of these cells that words name, whatever its state. every: those that an error may
    name instead."""
    matches = [cell for cell in cells if cell.spec.fingerprint.startswith(words)]
    if not matches or not words:
        asked = set(words.split())
        matches = [cell for cell in cells if asked and asked <= set(cell.spec.title.split())]
    if len(matches) != 1:
        several = matches or every or cells
        titles = [f"{cell.spec.title} ({cell.spec.fingerprint})" for cell in several[:FEW]]
        more = f" and {len(several) - FEW} more" if len(several) > FEW else ""
        what = "names several cells" if matches else "names no cell"
        raise UserError(f"{words!r} {what} of {run}: {'; '.join(titles)}{more}")
    return matches[0]


@dataclass(frozen=True)
class Bench:
    """What the cell's method was trained and evaluated on."""

    spec: Spec
    dataset: Dataset
    protocol: Protocol
    split: Split
    seeds: Seeds
    catalogue: Catalogue
    device: torch.device

    @classmethod
    def of(cls, spec: Spec) -> "Bench":
        if splits.protocol_of(spec).asks:
            raise UserError(
                f"{spec.title}: what an asker was answered is not kept; run the method under "
                "protocol.asker = 'random' as user-cold with order = 'random': the scores are equal"
            )
        torch.set_num_threads(spec.threads)
        dataset = dataset_of(spec)
        log, catalogue = dataset.load()
        if f"{log.hash()}-{catalogue.hash()}" != spec.data:
            raise UserError(
                f"{spec.dataset} is not what it was when {spec.title} ran: run it again"
            )
        protocol, cut = splits.cut(spec, dataset, log)
        seeds = Seeds.of(spec.seed, protocol.vary)
        on = "auto" if spec.device == "cuda" else spec.device
        return cls(spec, dataset, protocol, cut, seeds, catalogue, device_of(on))

    def items(self) -> Items:
        return Encoder(**self.spec.encoder).items(self.catalogue).to(self.device)

    def train(self, method: Method[Any]) -> None:
        meta_train(method, self.split, self.items(), self.seeds)
