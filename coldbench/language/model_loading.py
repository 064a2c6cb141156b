"""A pretrained language model and its tokenizer, loaded: in eval mode and without gradients."""

from contextlib import redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING, Any

import psutil

from coldbench.errors import UserError
from coldbench.language.pretrained import absent, config, place, size_of

if TYPE_CHECKING:
    import torch


def load_tokenizer(name: str, *, trust_remote_code: bool = False) -> Any:
    """It pads on the right, whatever the model has, with a token that is always masked."""
    from transformers import AutoTokenizer

    folder, packed = place(name)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, **packed
        )
    except (OSError, ValueError) as error:
        raise absent(name, error) from error
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def load_model(name: str, *, trust_remote_code: bool = False) -> "torch.nn.Module":
    """A fresh copy in float32 and eval mode; of an encoder with a decoder the encoder alone."""
    from transformers import AutoModel

    kind = config(name, trust_remote_code)
    options: dict[str, Any] = {"add_pooling_layer": False} if kind.model_type == "bert" else {}
    options["attn_implementation"] = "eager"  # second order goes through it; the same everywhere
    model = load(AutoModel, name, trust_remote_code=trust_remote_code, **options)
    return model.get_encoder() if kind.is_encoder_decoder else model


def load(kind: Any, name: str, *, dtype: "torch.dtype | None" = None, **options: Any) -> Any:
    """A fresh copy by one of transformers' Auto classes, in eval mode and without gradients.

    dtype: of the weights; None: float32.
    """
    import torch
    import transformers
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    dtype = dtype or torch.float32
    size = size_of(name, trust_remote_code=options.get("trust_remote_code", False))
    _check_room(name, size.weights * dtype.itemsize)
    folder, packed = place(name)
    plain = getattr(transformers, "GgufConfig", None)  # newer ones would keep the weights packed
    if packed and plain is not None:
        options["quantization_config"] = plain(dequantize=True)
    try:
        with redirect_stderr(StringIO()):  # GGUF's bar of progress cannot be turned off
            model, loading = kind.from_pretrained(
                folder, dtype=dtype, output_loading_info=True, **packed, **options
            )
    except (OSError, ValueError) as error:
        raise absent(name, error) from error
    made_up = sorted(key for key in loading["missing_keys"] if "pooler" not in key)  # none is read
    if made_up:
        raise UserError(f"model {name!r} has no weights for {made_up[0]}: it is none of this kind")
    return model.eval().requires_grad_(False)


def _check_room(name: str, needed: int) -> None:
    free = psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"model {name!r} needs {needed / 2**30:.1f} GiB of memory for its weights and "
            f"{free / 2**30:.1f} GiB are free: name a smaller one (coldbench list encoders)"
        )
