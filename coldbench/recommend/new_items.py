"""Items that come after training, known by their text: at the end of the catalogue, so that no
number and no id of those before them changes."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from coldbench.encoder import Encoder, Items
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.recommend.artefact import About


def with_texts(items: Items, texts: Mapping[str, str], about: About) -> Items:
    """The items and, behind them, new ones: {id: text}.

    Raises UserError for an id that is there already, for a text that is none, where the items are
    known by vectors alone, and where the encoder is not the model's.
    """
    old = items.catalogue
    known = set(old.ids)
    for item, text in texts.items():
        if not isinstance(item, str) or not item or not isinstance(text, str):
            raise UserError(f"a new item is {{id: text}}, both of them texts, not {item!r}")
        if item in known:
            raise UserError(f"item {item!r} is in the catalogue already: give it another id")
    if about.encoder["name"] == "vectors" or about.encoder.get("fusion"):
        raise UserError("its items are known by vectors that no text gives: train it again")
    encoder = Encoder(**about.encoder)
    check_encoder(about, encoder)
    features = items.features
    if texts:
        features = torch.cat([features, encoder.embed(list(texts.values())).to(features)])
    lines = *old.text, *texts.values()
    longer = Catalogue((*old.ids, *texts), lines, (*old.tags, *((),) * len(texts)))
    return replace(items, features=features, catalogue=longer)


def check_encoder(about: About, encoder: Encoder) -> None:
    """New texts, and a method that changes the encoder, need its weights: no folder holds them."""
    if encoder.hash != about.encoder_hash:
        raise UserError(
            f"the encoder {encoder.name!r} on this machine is not the one that {about.method} was "
            "trained with: install that one"
        )
