"""A model's hidden states below its top blocks: every item read once, kept packed on disk."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from coldbench import store
from coldbench.cache import home
from coldbench.encoder import Items

Told = list[tuple[tuple[Any, ...], dict[str, Any]]]


def read_below(items: Items, model: Any, layers: Any, blocks: int) -> tuple[Tensor, Tensor]:
    """((T, D) packed states below the top blocks, (n_items,) tokens an item)."""
    kept = home() / "tokens" / f"{items.encoder.hash}-{items.catalogue.hash()}-{blocks}.safetensors"
    if kept.is_file():
        stored = load_file(kept)
        return stored["states"], stored["lengths"]
    ids, mask = (part.to(items.device) for part in items.encoder.tokens(list(items.catalogue.text)))
    lengths = mask.sum(1)
    parts: list[Tensor] = [torch.empty(0)] * len(ids)
    seen: list[Tensor] = []
    with torch.inference_mode(), ExitStack() as hooks:
        if blocks:
            given = layers[-blocks].register_forward_pre_hook(
                lambda _, args, options: seen.append(_states(args, options)), with_kwargs=True
            )
        else:
            given = layers[-1].register_forward_hook(lambda _, __, out: seen.append(_first(out)))
        hooks.callback(given.remove)
        for rows in lengths.argsort(stable=True).split(64):  # of like length together
            width = int(lengths[rows].max())
            real = mask[rows, :width]
            model(input_ids=ids[rows, :width], attention_mask=real.long())
            for row, states, mine in zip(rows, seen.pop(), real, strict=True):
                parts[row] = states[mine]
        states = torch.cat(parts)
    tensors = {"states": states.clone(), "lengths": lengths}
    kept.parent.mkdir(parents=True, exist_ok=True)
    store.write_by(kept, lambda partial: save_file(tensors, partial))
    return states.clone(), lengths


def told_blocks(model: Any, top: list[Any], longest: int) -> Told:
    """What the model tells each of these blocks beside the states, for one text of so many tokens:
    its places (rotary or relative) in the main."""
    seen_arguments: Told = []

    def note(_: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        seen_arguments.append(
            (args[1:], {k: v for k, v in options.items() if k != "hidden_states"})
        )

    with torch.no_grad(), ExitStack() as hooks:
        for block in top:
            hooks.callback(block.register_forward_pre_hook(note, with_kwargs=True).remove)
        model.config.use_cache = False  # else it would tell them of keys that others read
        ids = torch.zeros(1, longest, dtype=torch.int64, device=model.device)
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return seen_arguments


def mapped(arguments: Any, move: Callable[[Tensor], Tensor]) -> Any:
    """The same with `move` of each tensor in it."""
    if isinstance(arguments, Tensor):
        return move(arguments)
    if isinstance(arguments, dict):
        return {name: mapped(part, move) for name, part in arguments.items()}
    if isinstance(arguments, list | tuple):
        return type(arguments)(mapped(part, move) for part in arguments)
    return arguments


def _states(args: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
    states: Tensor = args[0] if args else options["hidden_states"]
    return states


def _first(out: Any) -> Tensor:
    return out[0] if isinstance(out, tuple) else out
