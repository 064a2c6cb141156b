"""A trained method as a folder that can be moved, served and loaded again: no pickle in it.

learned.safetensors, params.json: the method's own (Method.save). items.parquet: id, text, tags and
how many warm users rated each item; vectors.safetensors: what the encoder made of them. model.json:
what it is (About). schema.json: the ratings it takes. README.md: the model card. manifest.json: the
sha256 of each of these, written last: a folder that is torn or mixed is told from a whole one.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from coldbench import __version__, store
from coldbench.encoder import Encoder, Items
from coldbench.errors import UserError
from coldbench.interactions import Catalogue
from coldbench.recommend.ratings import Scale

FORMAT = 1  # of the folder: another number is another coldbench's
MANIFEST, ABOUT, SCHEMA, CARD = "manifest.json", "model.json", "schema.json", "README.md"
ITEMS, VECTORS = "items.parquet", "vectors.safetensors"
LARGEST = 1 << 24  # bytes of a JSON file of ours


@dataclass(frozen=True)
class About:
    """What a trained method is and where it comes from, in words that JSON has."""

    method: str  # its name: coldbench.registry finds it
    params: dict[str, Any]
    scale: Scale
    catalogue: str  # hash of ids, texts and tags
    encoder: dict[str, Any]  # its fields
    encoder_hash: str
    card: dict[str, Any]  # method, dataset, protocol, fingerprint, figures, licence, ...
    probe: dict[str, Any] = field(default_factory=dict)  # scores that it must give once loaded
    mean: float = 0.5  # of warm users' labels
    unseen: bool = (
        False  # True: a log of likes; each item had as many dislikes as the mean item likes
    )
    added: int = 0  # items at the end of the catalogue that came after training
    version: str = __version__
    format: int = FORMAT


def vacant(folder: Path) -> Path:
    """The place of an artefact to come. Raises UserError where something lies there."""
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} is there already: name another folder, or remove it first")
    return folder


def seal(partial: Path, folder: Path) -> None:
    """Write the manifest of a folder's files and give it its own name."""
    files = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
    for path in partial.iterdir():
        with path.open(store.SYNCED) as file:
            os.fsync(file.fileno())
    store.write(partial / MANIFEST, json.dumps({"format": FORMAT, "sha256": files}, indent=1))
    for path in partial.iterdir():
        path.chmod((partial / MANIFEST).stat().st_mode)  # safetensors keeps its own to the owner
    vacant(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(folder)


def write_about(about: About, folder: Path) -> None:
    text = json.dumps(asdict(about), indent=1, sort_keys=True)
    (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


def write_items(items: Items, seen: NDArray[np.int64], folder: Path) -> None:
    """seen: (n_items,) warm users who rated each."""
    catalogue = items.catalogue
    tags = pl.Series("tags", [list(of_item) for of_item in catalogue.tags], pl.List(pl.String))
    columns = {"id": catalogue.ids, "text": catalogue.text, "seen": np.asarray(seen, np.int64)}
    pl.DataFrame(columns).with_columns(tags).write_parquet(folder / ITEMS)
    tensors = {"features": items.features.cpu().contiguous()}
    if catalogue.vectors is not None:
        tensors["own"] = torch.from_numpy(np.ascontiguousarray(catalogue.vectors))
    save_file(tensors, folder / VECTORS)


def write_schema(about: About, folder: Path) -> None:
    """A JSON schema of one user's ratings."""
    rating = {"type": "number", "minimum": about.scale.low, "maximum": about.scale.high}
    item = {"type": "string", "description": "an id of the catalogue: items.parquet"}
    seconds = {"type": "number", "description": "seconds since 1970"}
    pair = {"type": "array", "prefixItems": [item, rating, seconds], "minItems": 2, "maxItems": 3}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Ratings of one user, for {about.card['method']} on {about.card['dataset']}",
        "oneOf": [
            {"type": "object", "additionalProperties": rating, "description": "id: rating"},
            {"type": "array", "items": pair, "description": "(id, rating[, time]), in order"},
        ],
    }
    (folder / SCHEMA).write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


def serving(folder: Path) -> Path:
    """The folder itself; of a served one, where `current` is a link that a refit moves, the version
    that it means now. The link is followed once, so that no two versions are mixed."""
    link = folder if folder.is_symlink() else folder / "current"
    return link.parent / os.readlink(link) if link.is_symlink() else folder


def read(folder: Path) -> tuple[About, Items, NDArray[np.int64]]:
    """What it is, its items, and (n_items,) how many warm users rated each.

    Raises UserError where the folder is none of ours, torn, or of another version.
    """
    _check(folder)
    try:
        fields = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        about = About(**fields | {"scale": Scale(**fields["scale"])})
        table = pl.read_parquet(folder / ITEMS)
        mapped = load_file(folder / VECTORS)  # and the file may change while the model is used
        tensors = {name: tensor.clone() for name, tensor in mapped.items()}
        tags = tuple(tuple(features) for features in table["tags"].to_list())
        features = tensors["own"].numpy() if "own" in tensors else None
        catalogue = Catalogue(tuple(table["id"]), tuple(table["text"]), tags, features)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{folder} was not written by coldbench {__version__}: {error}") from error
    if minor(about.version) != minor(__version__):
        raise UserError(
            f"{folder} was made by coldbench {about.version}, and this is {__version__}: export it "
            "again, or install that version"
        )
    if catalogue.hash() != about.catalogue or len(tensors["features"]) != len(catalogue):
        raise UserError(f"{folder}: {ITEMS} is another catalogue than the model's: export it again")
    encoder = Encoder.hashed(about.encoder, about.encoder_hash)
    return about, Items(tensors["features"], catalogue, encoder), table["seen"].to_numpy()


def read_card(folder: Path) -> str:
    return (folder / CARD).read_text(encoding="utf-8")


def minor(version: str) -> list[str]:
    """The parts of a version in which two must agree."""
    return version.split(".")[:2]


def _check(folder: Path) -> None:
    """Nothing is believed of a folder whose files are not those of its manifest."""
    try:
        path = folder / MANIFEST
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version, files = manifest["format"], dict(manifest["sha256"])
    except FileNotFoundError:
        raise UserError(
            f"{folder} is no exported model, or its export did not end: it has no {MANIFEST}; "
            "make one by `coldbench export RUN CELL DIR`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{folder}: {MANIFEST} cannot be read: {error}; export it again") from None
    if version != FORMAT:
        raise UserError(
            f"{folder} has the format {version}, and coldbench {__version__} reads {FORMAT}: "
            "export it again"
        )
    for name, digest in files.items():
        path = folder / Path(name).name
        if not path.is_file() or _sha256(path) != digest:
            what = "is not what was exported" if path.is_file() else "is missing"
            raise UserError(f"{folder}: {name} {what}: the folder is torn or mixed; export again")


def _sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
