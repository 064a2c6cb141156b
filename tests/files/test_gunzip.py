"""A gzip comes out whole, or is refused: cut, bent, or larger than what it may expand to."""

import gzip
import zlib
from pathlib import Path

import pytest

from coldbench.errors import UserError
from coldbench.files.archive import gunzip

TABLE = bytes(range(256)) * 40


def put(folder: Path, content: bytes) -> Path:
    (folder / "log.csv.gz").write_bytes(content)
    return folder / "log.csv.gz"


def test_a_gzip_is_unpacked(tmp_path: Path) -> None:
    content = TABLE
    assert gunzip(put(tmp_path, gzip.compress(content))) == content
    assert gunzip(put(tmp_path, gzip.compress(content) + gzip.compress(b"more"))) == (
        content + b"more"
    )
    assert gunzip(put(tmp_path, gzip.compress(b""))) == b""


def test_a_gzip_cut_anywhere_or_bent_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"1\t2\t5\n3\t4\t1\n")
    cut = [whole[:length] for length in range(len(whole))]
    raw = zlib.compressobj(wbits=-15)
    no_checksum = whole[:10] + raw.compress(b"x") + raw.flush() + bytes(8)
    bent = (no_checksum, whole + b"tail", b"a,b\n1,2\n", whole[:10] + b"\xff" * 50)
    for content in (*cut, *bent):
        with pytest.raises(UserError, match="damaged or cut short"):
            gunzip(put(tmp_path, content))


def test_a_gzip_that_expands_too_far_is_refused(tmp_path: Path) -> None:
    bomb = put(tmp_path, gzip.compress(bytes(3 * 2**20)))
    with pytest.raises(UserError, match=r"expands to more than 1,048,576 bytes; fix: "):
        gunzip(bomb)
    table = put(tmp_path, gzip.compress(TABLE))
    with pytest.raises(UserError, match="more than 10,239 bytes"):
        gunzip(table, 10_239)
    assert len(gunzip(table, 10_240)) == 10_240
