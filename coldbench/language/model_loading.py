"""A pretrained language model and its tokenizer, loaded: in eval mode and without gradients."""

from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import psutil

from coldbench.errors import UserError
from coldbench.language.pretrained import UNREADABLE, absent, config, size_of, source
from coldbench.language.unpacked import keep

if TYPE_CHECKING:
    import torch

PACKED = 0.5625  # bytes of a weight in 4 bits: each 64 have a float32 beside them


def load_tokenizer(name: str, *, trust_remote_code: bool = False) -> Any:
    """It pads on the right, whatever the model has, with a token that is always masked."""
    _unpacked(name, trust_remote_code)
    tokenizer = _tokenizer(name, trust_remote_code)
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

    dtype = dtype or torch.float32
    trusted = options.get("trust_remote_code", False)
    each = PACKED if "quantization_config" in options else dtype.itemsize
    _check_room(name, int(size_of(name, trust_remote_code=trusted).weights * each))
    _unpacked(name, trusted)
    model = _model(kind, name, dtype, options)
    return model.eval().requires_grad_(False)


@cache
def _unpacked(name: str, trust_remote_code: bool) -> None:
    """A model in a GGUF file is read once a machine, and kept as plain weights in float32."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    folder, packed = source(name)
    if packed:
        size = size_of(name, trust_remote_code=trust_remote_code)
        _check_room(name, size.weights * torch.float32.itemsize)
        kind = AutoModelForCausalLM if size.causal else AutoModel
        model = _model(kind, name, torch.float32, {})
        keep(Path(folder, packed["gguf_file"]), model, _tokenizer(name, trust_remote_code))


def _tokenizer(name: str, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    folder, packed = source(name)
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code, **packed)
    except UNREADABLE as error:
        raise absent(name, error) from error


def _model(kind: Any, name: str, dtype: "torch.dtype", options: dict[str, Any]) -> Any:
    import transformers
    from tqdm import tqdm
    from transformers.utils import logging

    tqdm.set_lock(RLock())  # its own is a semaphore, which a cell's process would leave behind
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder, packed = source(name)
    plain = getattr(transformers, "GgufConfig", None)  # newer ones would keep the weights packed
    if packed and plain is not None:
        options = options | {"quantization_config": plain(dequantize=True)}
    try:
        with redirect_stderr(StringIO()):  # GGUF's bar of progress cannot be turned off
            model, loading = kind.from_pretrained(
                folder, dtype=dtype, output_loading_info=True, **packed, **options
            )
    except UNREADABLE as error:
        raise absent(name, error) from error
    made_up = sorted(key for key in loading["missing_keys"] if "pooler" not in key)  # none is read
    if made_up:
        raise UserError(f"model {name!r} has no weights for {made_up[0]}: it is none of this kind")
    return model


def _check_room(name: str, needed: int) -> None:
    free = psutil.virtual_memory().available
    if needed > free:
        raise UserError(
            f"model {name!r} needs {needed / 2**30:.1f} GiB of memory for its weights and "
            f"{free / 2**30:.1f} GiB are free: name a smaller one (coldbench list encoders)"
        )
