"""TaNP's divergences against torch's, and SASRec against torch's own transformer."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coldbench.episode import Feedback
from tests.training import close, cold, toy, trained

tanp: Any = import_module("coldbench.methods.tanp")
sasrec: Any = import_module("coldbench.methods.sasrec")
BATCH = cold(toy(), 8)


def test_the_kl_of_z_is_torchs() -> None:
    m, mean = torch.randn(2, 3, 4)
    s, spread = torch.rand(2, 3, 4) + 0.1
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(m, s), normal(mean, spread))
    assert torch.allclose(tanp.gaussian_kl(m, s, mean, spread), expected, atol=1e-5)


def test_assignments_are_pulled_to_themselves_sharpened() -> None:
    share = torch.tensor([[0.7, 0.3], [0.4, 0.6]])
    sharp = share**2 / share.sum(0)
    sharp = sharp / sharp.sum(1, keepdim=True)
    expected = [(p * (p / q).log()).sum() for p, q in zip(sharp, share, strict=True)]
    assert torch.allclose(tanp.clustering_kl(share), torch.stack(expected))


def test_labels_stand_by_age_and_padding_first() -> None:
    support = Feedback(
        torch.tensor([[7, 3, 0, 5]]),
        torch.tensor([[0.7, 0.3, 0.0, 0.5]]),
        torch.tensor([[1.0, 2.0, 0.0, 2.0]]),
        torch.tensor([[True, True, False, True]]),
    )
    turned = sasrec.oldest_first(support)
    assert turned.items[0].tolist() == [0, 3, 5, 7] and turned.mask[0].tolist() == [0, 1, 1, 1]


def test_a_block_is_torchs_transformer_layer() -> None:
    method = trained("sasrec", toy(), meta_steps=2, reads="ids", width=8, blocks=1, heads=2)
    w = method.learned
    with torch.no_grad():
        layer = nn.TransformerEncoderLayer(8, 2, 8, 0.0, batch_first=True, norm_first=True)
        layer.self_attn.in_proj_weight.copy_(w["attend0"].T)
        layer.self_attn.out_proj.weight.copy_(w["mix0"].T)
        layer.linear1.weight.copy_(w["up0"].T)
        layer.linear2.weight.copy_(w["down0"].T)
        for bias in (layer.self_attn.in_proj_bias, layer.self_attn.out_proj.bias,
                     layer.linear1.bias, layer.linear2.bias):  # fmt: skip
            bias.zero_()
        support = sasrec.oldest_first(BATCH.support)
        left = support.labels - w["expected"][support.items]
        x: Tensor = w["ids"][support.items] * (1 + left[..., None] * w["label"])
        x = x + w["places"][torch.arange(7, -1, -1)]
        x = torch.cat([w["start"].expand(len(x), 1, -1), x], 1)
        causal = nn.Transformer.generate_square_subsequent_mask(9)
        expected = nn.functional.layer_norm(layer.train()(x, causal)[:, -1], (8,))
        close(method.adapt(BATCH.support), expected, 1e-4)


@pytest.mark.parametrize(("reads", "has"), [("ids", {"ids"}), ("text", {"text"}),
                                            ("both", {"ids", "text"})])  # fmt: skip
def test_an_items_vector_is_made_of_what_it_reads(reads: str, has: set[str]) -> None:
    learned = trained("sasrec", toy(), meta_steps=2, reads=reads).learned
    assert learned.keys() & {"ids", "text"} == has
