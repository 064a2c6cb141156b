"""Attention within an item: of a user's tokens laid end to end, each sees those of its own item.

It stands in for a model's own by transformers' interface for that, and keeps what families differ
in: causal masks, windows, position biases, fewer keys than queries, a cap of the scores.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from ._backbone import now_passing

NAME = "coldbench-within-items"


def within_items(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **options: Any
) -> tuple[Tensor, None]:
    """(B, heads, S, d) each -> (B, S, heads, d): a token sees those of its item, and a prefix."""
    now = now_passing()
    slots, heads = now.slots, query.shape[1]
    flat = [x.transpose(1, 2).flatten(2) for x in (query, key, value)]  # (B, S, heads d)
    q, k, v = map(slots.spread, flat)  # (B N, L, heads d)
    more = [
        now.change(f"{now.depth}.{name}", x, lambda x: x[:, :0])
        for name, x in zip(("keys", "values"), flat[1:], strict=True)
    ]  # (B, P, D)
    place = torch.arange(slots.length, device=q.device)
    seen = slots.filled.view(-1, 1, 1, slots.length)
    seen = seen | (place == 0)  # not nothing at all
    apart = place[:, None] - place
    causal, window = getattr(module, "is_causal", False), options.get("sliding_window")
    if causal:
        seen = seen & (apart >= 0)
    if window is not None:  # transformers' own of encoders is wider by the token itself
        seen = seen & (apart.abs() < window)
    bias = options.get("position_bias")
    bias = None if bias is None else bias[:, :, : slots.length, : slots.length]
    extra = more[0].shape[1]
    if extra:
        seen = pad(seen, (extra, 0), value=True)
        bias = None if bias is None else pad(bias, (extra, 0))
        k, v = (
            torch.cat([added.repeat_interleave(len(k) // len(query), 0), x], 1)
            for added, x in zip(more, (k, v), strict=True)
        )
    q, k, v = (
        y.unflatten(2, (-1, x.shape[3])).transpose(1, 2)
        for x, y in ((query, q), (key, k), (value, v))
    )
    if heads > k.shape[1]:
        k, v = (x.repeat_interleave(heads // k.shape[1], 1) for x in (k, v))
    mixed = _mix(q, k, v, (seen, bias), (options.get("scaling"), options.get("softcap")))
    mixed = slots.gather(mixed.transpose(1, 2).flatten(2), len(query))
    return mixed.unflatten(2, (heads, -1)), None


def attend_within_items(model: Any) -> None:
    """From now on the model's attention is `within_items`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, within_items)
    model.set_attn_implementation(NAME)


def _mix(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    over: tuple[Tensor, Tensor | None],
    scores_by: tuple[float | None, float | None],
) -> Tensor:
    """(B N, heads, L, d): softmax(q k' scale + bias) v over what is seen."""
    (seen, bias), (scale, cap) = over, scores_by
    scale = q.shape[3] ** -0.5 if scale is None else scale
    slow = q.device.type == "cpu" and q.dtype == torch.bfloat16 and torch.is_grad_enabled()
    if slow or cap is not None:
        # torch's own way back from bfloat16 attention takes ten times as long on a CPU
        scores = (q * scale) @ k.mT
        scores = scores if cap is None else cap * torch.tanh(scores / cap)
        scores = scores if bias is None else scores + bias
        return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(3) @ v
    if bias is not None:
        seen = bias.masked_fill(~seen, torch.finfo(bias.dtype).min)
    return scaled_dot_product_attention(q, k, v, seen, scale=scale)
