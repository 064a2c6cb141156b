"""A pretrained model together with its tokenizer: from texts to tokens, from tokens to states.

What an encoder makes of the states (pooling, fusion, the cache on disk) is encoder.py's.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from coldbench.errors import UserError
from coldbench.language.model_loading import load_model, load_tokenizer
from coldbench.language.pretrained import Manner, manner


@dataclass(frozen=True)
class TextReader:
    """A model, its tokenizer and how it says its texts are to be read."""

    model: Any
    tokenizer: Any
    manner: Manner

    @classmethod
    def load(cls, name: str, longest: int, *, trust_remote_code: bool = False) -> Self:
        """Of a packaged name, a folder or a hub name, once it has read a text of `longest` tokens.

        Raises UserError where it cannot, or where its tokenizer is another model's.
        """
        reader = cls(
            load_model(name, trust_remote_code=trust_remote_code),
            load_tokenizer(name, trust_remote_code=trust_remote_code),
            manner(name, trust_remote_code=trust_remote_code),
        )
        known = 1 + max(reader.tokenizer.get_vocab().values())
        weights = reader.model.get_input_embeddings().num_embeddings
        if known > weights:
            raise UserError(
                f"encoder {name!r}: its tokenizer knows {known:,} tokens and its weights "
                f"{weights:,}; name a folder in which the two belong together"
            )
        ids = torch.full((1, longest), known - 1)
        try:
            with torch.inference_mode():
                reader.states({"input_ids": ids, "attention_mask": ids > 0})
        except Exception as error:  # whatever it is, better now than in the middle of a run
            first = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise UserError(f"encoder {name!r} cannot read a text: {first[0]}") from error
        return reader

    def tokens(self, texts: list[str], longest: int) -> Any:
        """Token ids and their mask. A text without a token reads as the end of a text."""
        texts = [self.manner.prompt + text for text in texts]
        texts = [text.lower() for text in texts] if self.manner.lower else texts
        nothing = self.tokenizer.eos_token or self.tokenizer.pad_token
        if self.tokenizer("")["input_ids"]:
            texts = [text if text.strip() else "" for text in texts]
        else:
            bare = [not text.strip() or not self.tokenizer(text)["input_ids"] for text in texts]
            texts = [nothing if empty else text for text, empty in zip(texts, bare, strict=True)]
        return self.tokenizer(
            texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )

    def states(self, tokens: Any) -> Tensor:
        """(N, L, D)"""
        given = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        return self.model(**given).last_hidden_state
