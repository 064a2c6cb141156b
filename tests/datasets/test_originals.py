"""Originals, with COLDBENCH_TEST_DATA a folder of them: their counts; a file bent is not opened."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coldbench import registry
from coldbench.errors import UserError
from coldbench.files.locate import local_path
from tests.published import PUBLISHED, load

LACKING = ("ml-100k", "far-trans", "mind-small")  # of these, tests beside their loaders' say more
NAMES = [*(name for name in PUBLISHED if name not in LACKING), "jester", "un-votes"]
TWICE = {"coat": 366, "senate-trades": 4_746, "house-trades": 7_789}  # rated again, and dropped


@pytest.mark.parametrize("name", [n for n in NAMES if n != "goodbooks-10k"])  # its hash is unknown
def test_a_file_of_another_hash_is_not_opened(shelves: Path, name: str) -> None:
    dataset = registry.find("datasets", name)
    shelf = shelves / (dataset.folder or name)
    shelf.mkdir()
    pinned = [file if file.sha256 else file.archive or file for file in dataset.files]
    for file in pinned:
        (shelf / file.name).write_bytes(b"another")
    hashes = "|".join(file.sha256 for file in pinned if file.sha256)
    with pytest.raises(UserError, match=rf"SHA-256 is [0-9a-f]{{64}}, expected ({hashes}); fix"):
        load(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_original_has_the_counts_that_are_said_of_it(
    originals: Callable[[str], Path], name: str
) -> None:
    shelf, dataset = originals(name), registry.find("datasets", name)()
    absent = [file.name for file in dataset.files if not local_path(shelf.name, file)]
    if absent:
        pytest.skip(f"{shelf.name} has no {', '.join(absent)}")
    log, items = dataset.load()
    counts = f"{log.n_users:,} users, {len(items):,} items, {len(log):,}"
    assert dataset.size.rpartition(" ")[0].removesuffix(" play") == counts
    assert log.duplicates == TWICE.get(name, 0)
    low = dataset.scale[0] if dataset.explicit else dataset.scale[1]
    assert (log.ratings.min(), log.ratings.max()) == (np.float32(low), np.float32(dataset.scale[1]))
    assert all(text == " ".join(text.split()) != "" for text in items.text)
