"""`coldbench init-method NAME`: a method's file to begin with; it passes every check as it is."""

import re
from pathlib import Path
from typing import Any

from coldbench import registry
from coldbench.errors import UserError

TEMPLATE = '''"""NAME: say here what it is in a sentence, which `coldbench list methods` shows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from coldbench.method import Episodes, Feedback, Items, Method, Seeds, Users, squash_to_unit
from coldbench.parameters import Positive


@dataclass
class CLASS(Method[Tensor]):
    damping: Positive = 5.0  # a hyper-parameter: --set params.NAME.damping=2, or `tune`
    strength: Positive = 4.0  # the type says which values are allowed (coldbench.parameters)

    family = "mine"
    stochastic = False  # another seed gives the same numbers
    state_size = "4 * D"  # bytes of one user's state

    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        """Learn from users whose every rating is known. What is learnt are tensors by name."""
        labels = warm.matrix()  # (users, items), sparse, labels in 0..1
        mean = float(labels.data.mean())
        counts, sums = labels.getnnz(0), labels.sum(0).A1
        expected = (sums + self.damping * mean) / (counts + self.damping)
        self.items = items
        self.learned = {"expected": torch.tensor(expected).float().to(items.device)}

    def adapt(self, support: Feedback) -> Tensor:
        """The state of B new users from K ratings of each; K may be 0, self stays as it is."""
        surprise = (support.labels - self.learned["expected"][support.items]) * support.mask
        seen = self.items.features[support.items]  # (B, K, D)
        return (surprise[..., None] * seen).sum(1) / (support.mask.sum(1, keepdim=True) + 4)

    def score(self, state: Tensor, items: Tensor) -> Tensor:
        """The labels that are expected of (B, Q) items, in 0..1."""
        asked = self.items.features[items]  # (B, Q, D)
        moved = self.strength * (asked @ state[..., None]).squeeze(-1)
        return squash_to_unit(self.learned["expected"][items] + moved)
'''


def init_method(name: str, folder: Path = Path()) -> dict[str, Any]:
    """Write NAME.py into a folder, by default here; returns its file and the commands that go on.

    Raises UserError where the name is none, is taken, or the file or no folder is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        near = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\.py$", "", name.lower())).strip("-0123456789")
        right = f"such as {near or 'my-method'!r}"
        raise UserError(f"{name!r} is no name of a method: small letters and hyphens, {right}")
    if name in registry.names("methods"):
        raise UserError(f"there is a method {name!r} already (coldbench list methods {name})")
    if not folder.is_dir():
        raise UserError(f"--output {folder}: there is no such folder")
    file = folder / f"{name.replace('-', '_')}.py"
    code = TEMPLATE.replace("CLASS", "".join(part.capitalize() for part in name.split("-")))
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(code.replace("NAME", name))
    except FileExistsError:
        raise UserError(f"{file} is there already: choose another name, or remove it") from None
    run = f"coldbench run -d ml-100k -m {name},item-bias,ridge --include {file}"
    return {"method": name, "file": str(file), "next": [f"coldbench check {file}", run]}
