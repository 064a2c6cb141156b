"""The contract of a method: learn once from warm users, then serve new ones, many at once."""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from coldbench.encoder import Items
from coldbench.episode import Episodes, Feedback, Users
from coldbench.errors import UserError, unknown
from coldbench.explanation import Explanation, no_explanation, squash_to_unit
from coldbench.parameters import checked
from coldbench.seeds import Seeds

__all__ = [  # what a method is written with, in one line
    "Episodes", "Explanation", "Feedback", "Items", "Method", "Params", "Rated", "Seeds", "Space",
    "Users", "squash_to_unit",
]  # fmt: skip

State = TypeVar("State")
Params = dict[str, Tensor]
Space = dict[str, tuple[float, float] | list[Any]]


@dataclass(frozen=True)
class Rated:
    """What training knew of the items, as far as an item that comes later must know it."""

    counts: Tensor  # (n_items,) float32, warm users' labels of each
    mean: float  # of all their labels


@dataclass
class Method(ABC, Generic[State]):
    """A way to serve a new user from a few labels.

    A method is one file with one dataclass. Its fields are its hyper-parameters. It must write
    three verbs: `meta_train` sets `self.items` and `self.learned`, and nothing else does; `adapt`
    returns a state for each new user and keeps nothing; `score` reads that state. B users are
    served at once: K support items, Q query items, D features.

    A whole method, which scores an item by its likeness to what the user liked:

    >>> @dataclass
    ... class LikedDirection(Method[Tensor]):
    ...     temperature: float = 5.0  # a hyper-parameter: `-m liked-direction` sets it
    ...     stochastic = False
    ...
    ...     def meta_train(self, warm, valid, items, seeds):
    ...         mean = torch.tensor(warm.labels.mean())
    ...         self.items, self.learned = items, {"mean": mean}
    ...
    ...     def adapt(self, support):
    ...         signed = (support.labels - self.learned["mean"]) * support.mask  # (B, K)
    ...         return (signed[:, :, None] * self.items.features[support.items]).sum(1)  # (B, D)
    ...
    ...     def score(self, state, items):
    ...         cosine = (self.items.features[items] @ state[:, :, None]).squeeze(2)  # (B, Q)
    ...         return torch.sigmoid(self.temperature * cosine)

    What a class may say of itself (plain values: `coldbench list methods` reads them from the
    source without running it):
    """

    family: ClassVar[str] = "yours"  # the group of rows it stands in
    paper: ClassVar[str] = ""  # where it comes from, as "arXiv:1703.03400"
    adapts: ClassVar[bool] = True  # False: the support changes no score
    can_rank: ClassVar[bool] = True  # False: all items of a user score the same
    stochastic: ClassVar[bool] = True  # False: another seed gives the same scores
    is_chance: ClassVar[bool] = (
        False  # True: random by design; scores that change are no adaptation
    )
    explains: ClassVar[bool] = False  # True: `explain` takes its scores apart, exactly
    grows: ClassVar[bool] = False  # True: `with_items` scores items that came after training
    warm_starts: ClassVar[bool] = False  # True: `begin_with` says where `meta_train` begins
    fine_tunes_encoder: ClassVar[bool] = False  # True: it needs tokens, not frozen item vectors
    requires_package: ClassVar[str] = ""  # without this optional package the row is unavailable
    steps_param: ClassVar[str] = ""  # the parameter that holds the number of steps of `adapt`
    presets: ClassVar[dict[str, dict[str, Any]]] = {}  # named parameters: `-m melu:paper`
    space: ClassVar[Space] = {}  # what `coldbench tune` searches: (low, high) or a list of choices
    state_size: ClassVar[str] = ""  # bytes a user, in K, D and parameters: "4 * K"
    exempt: ClassVar[dict[str, str]] = {}  # a failing check of coldbench.testing -> why it may fail

    learnt_before: ClassVar[Params] = {}

    @abstractmethod
    def meta_train(self, warm: Users, valid: Episodes, items: Items, seeds: Seeds) -> None:
        """Learn from warm users, once; choose and stop by valid users. Sets `self.items` and
        `self.learned`, a dictionary of tensors."""

    def begin_with(self, learned: Params) -> None:
        """Let `meta_train` begin where the same method ended on an earlier log, if it has a warm
        start: `warm_starts` says whether."""
        vars(self)["learnt_before"] = learned

    @abstractmethod
    def adapt(self, support: Feedback) -> State:
        """The state of B new users from their (B, K) labels; K may be 0. Must not change `self`."""

    @abstractmethod
    def score(self, state: State, items: Tensor) -> Tensor:
        """(B, Q) item numbers -> (B, Q) expected labels in 0..1."""

    def explain(self, support: Feedback, items: Tensor) -> Explanation:
        """The scores of (B, Q) items as sums over the (B, K) support. Optional: raises UserError
        where scores are no such sum."""
        raise no_explanation(type(self).__name__)

    def ask(self, support: Feedback, pool: Tensor, still: Tensor) -> Tensor:
        """(B, P) what it would be worth to know the label of each item of a pool (B, P), after a
        (B, K) support: the largest is asked next. still: (B, P) bool, those that may be asked.
        Optional: raises UserError."""
        raise UserError(
            f"{type(self).__name__} asks for nothing: take another protocol.asker than 'own'"
        )

    def graph(self) -> torch.nn.Module:
        """adapt and score in one plain graph (coldbench/recommend/onnx.py). Optional."""
        raise UserError(f"the score of {type(self).__name__} is no plain graph: leave out --onnx")

    def with_items(self, items: Items, rated: Rated) -> "Method[State]":
        """The same method over a longer catalogue: those it was trained with first, then new ones,
        which it scores as if nobody had rated them. Optional: `grows` says whether it can."""
        raise cannot_grow(type(self).__name__)

    def __getattr__(self, name: str) -> Any:  # reached only where an attribute is missing
        if name in ("learned", "items"):
            raise UserError(
                f"{type(self).__name__} has learnt nothing yet: call meta_train or load first"
            )
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def params(self) -> dict[str, Any]:
        """The hyper-parameters, ready for JSON."""
        return asdict(self)

    def save(self, folder: Path) -> None:
        """What was learnt and the hyper-parameters, as safetensors and JSON; beside the tensors
        stands whose they are and the items they were learnt with, which `load` checks."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {k: v.detach().contiguous().cpu() for k, v in self.learned.items()},
            folder / "learned.safetensors",
            {"saved": json.dumps(self._identity(self.items))},
        )
        (folder / "params.json").write_text(json.dumps(self.params(), indent=1), encoding="utf-8")

    def load(self, folder: Path, items: Items) -> None:
        """Take up what `save` wrote. Raises UserError where it is of another method, was learnt
        with other hyper-parameters or items, or cannot be read."""
        from safetensors import SafetensorError, safe_open

        path = folder / "learned.safetensors"
        try:
            with safe_open(path, "pt", device=str(items.device)) as file:
                saved = json.loads((file.metadata() or {}).get("saved", "{}"))
                names = file.keys()  # cloned: the file is mapped, and may change or end meanwhile
                learned: Params = {name: file.get_tensor(name).clone() for name in names}
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(f"{path} cannot be read: {error}; save the method again") from error
        for what, value in self._identity(items).items():
            if saved.get(what) != value:
                raise UserError(
                    f"{path} was saved with {what} {saved.get(what)}, and this is {value}: load it "
                    "beside what it was trained with"
                )
        self.items, self.learned = items, learned

    def _identity(self, items: Items) -> dict[str, str]:
        """What a saved method can be loaded beside."""
        return {
            "method": type(self).__name__,
            "params": json.dumps(self.params(), sort_keys=True),
            "catalogue": items.catalogue.hash(),
            "encoder": items.encoder.hash,
            "width": str(items.features.shape[1]),
        }


def cannot_grow(name: str) -> UserError:
    return UserError(f"{name} cannot score items that came after training: train it again")


def from_params(cls: type[Method[Any]], name: str, params: dict[str, Any]) -> Method[Any]:
    """The method with these hyper-parameters. Raises UserError for one that is unknown, naming the
    nearest, and for a value that its annotation does not allow."""
    known = [field.name for field in fields(cls)]
    for key in params:
        if key not in known:
            raise unknown(
                "parameter",
                f"{name}.{key}",
                [f"{name}.{k}" for k in known],
                f"coldbench list methods; {name} takes {', '.join(known) or 'none'}",
            )
    return cls(**checked(cls, name, params))


def state_bytes(state: object) -> int:
    """How many bytes of tensors a state holds; divide by B for one user's."""
    if isinstance(state, Tensor):
        return state.numel() * state.element_size()
    if isinstance(state, dict):
        return sum(map(state_bytes, state.values()))
    if isinstance(state, list | tuple):
        return sum(map(state_bytes, state))
    if is_dataclass(state):
        return sum(state_bytes(getattr(state, field.name)) for field in fields(state))
    return 0


def soft_cross_entropy(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """(B,) mean over real entries of the binary cross-entropy with labels in 0..1."""
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (loss * mask).sum(1) / mask.sum(1).clamp_min(1)
