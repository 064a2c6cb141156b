"""Jester: 5,000 people say how funny they find 100 jokes, from -9.95 to 9.9, 36 jokes or more each.

Goldberg, Roeder, Gupta & Perkins, "Eigentaste: A Constant Time Collaborative Filtering Algorithm"
(2001), doi:10.1023/A:1011419012209; the sample that comes with the R package recommenderlab. No
times: a user's rows are in the order of the jokes' numbers.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from scipy.sparse import csc_matrix

from coldbench.dataset import Dataset, File
from coldbench.errors import Unavailable, UserError
from coldbench.files.archive import gunzip
from coldbench.files.frames import from_frames
from coldbench.files.locate import locate
from coldbench.files.schema import Column, validate
from coldbench.interactions import Catalogue, Interactions

RDA = File(
    "Jester5k.rda",
    "9266775e16958212359c777fcb5812dd520f1ca222913af7724c5ed54c4958f1",
    urls=(
        "https://raw.githubusercontent.com/mhahsler/recommenderlab/"
        "c737fca94bc58652e750b03a3737ac7d9952f71b/data/Jester5k.rda",
    ),
    size=921_189,
)
LOG = (Column("user", "id"), Column("item", "id"), Column("rating", "number", -9.95, 9.9))
ITEMS = (Column("item", "id"), Column("text"))
# What the file may hold at most: it has 4.5 MB unpacked, 5,400 objects, and strings of 1,100 bytes
MOST_BYTES, MOST_OBJECTS, MOST_LETTERS = 16 * 2**20, 20_000, 5_000
# The kinds it is made of. Of others a few bytes can ask rdata for all memory (byte code, sequences
# told by their length) or for ever longer time (a call with attributes in attributes).
KINDS = "NILVALUE SYM REF LIST CHAR INT REAL STR VEC S4 ALTREP".split(" ")
KEPT: dict[str | bytes, Any] = dict.fromkeys(  # classes of R, as the parts they are made of
    ("realRatingMatrix", "dgCMatrix"), lambda value, _: value
)


@dataclass(frozen=True)
class Jester(Dataset):
    domain = "jokes"
    licence = "research use, with the citation"
    citation = "Goldberg et al. 2001, doi:10.1023/A:1011419012209"
    scale = (-9.95, 9.9)
    like_above = 0.0
    size = "5,000 users, 100 items, 363,209 ratings"
    files = (RDA,)

    def load(self) -> tuple[Interactions, Catalogue]:
        try:
            import rdata  # noqa: F401
        except ImportError:
            raise Unavailable(
                "jester is read by a package that is not installed: pip install 'coldbench[jester]'"
            ) from None
        path = locate("jester", RDA)
        try:
            objects = _objects(path)
            log, items = _tables(objects["Jester5k"].data, objects["JesterJokes"])
            sound = validate(log, LOG), validate(items, ITEMS)
        except Exception as error:  # rdata says in many ways that a file is damaged
            what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise UserError(f"{path}: not R's {RDA.name} ({what}); fix: get it again") from error
        if sound[0] is None or sound[1] is None:
            raise UserError(
                f"{path}: holds an id that is none or a rating outside of {self.scale[0]} to "
                f"{self.scale[1]}; fix: get it again"
            )
        return from_frames(sound[0], sound[1])


def _objects(path: Path) -> Any:
    """R's objects by their names, within the bounds above."""
    from rdata.conversion import convert
    from rdata.parser import DEFAULT_ALTREP_MAP, RObjectType
    from rdata.parser._xdr import ParserXDR

    class Bounded(ParserXDR):
        n_objects = 0

        def parse_R_object(self, *args: Any, **kwargs: Any) -> Any:
            self.n_objects += 1
            if self.n_objects > MOST_OBJECTS:
                raise ValueError(f"more than {MOST_OBJECTS:,} objects")
            place = self.file.tell()
            kind = RObjectType(self.parse_int() & 0xFF).name
            self.file.seek(place)
            if kind not in KINDS:
                raise ValueError(f"an object of the kind {kind}")
            return super().parse_R_object(*args, **kwargs)

        def parse_string(self, length: int) -> bytes:
            if length > MOST_LETTERS:
                raise ValueError(f"a string of {length:,} bytes")
            return super().parse_string(length)

    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gunzip(path, MOST_BYTES)
    if content[:7] not in (b"RDX2\nX\n", b"RDX3\nX\n") or len(content) > MOST_BYTES:
        raise ValueError("no workspace in R's binary form")
    wrapped = {b"wrap_string": DEFAULT_ALTREP_MAP[b"wrap_string"]}
    view = memoryview(content)[7:]
    parser = Bounded(view, expand_altrep=True, altrep_constructor_dict=wrapped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # rdata goes on where it should not
        parsed = parser.parse_all()
        parser.check_complete()
        return convert(parsed, KEPT, default_encoding="utf-8")


def _tables(ratings: Any, jokes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The log and the jokes, from a sparse matrix of users by jokes as R keeps one."""
    matrix = csc_matrix((ratings.x, ratings.i, ratings.p), ratings.Dim)
    matrix.check_format()
    users, items = (pl.Series([str(name) for name in names]) for names in ratings.Dimnames)
    cells = matrix.tocoo()
    log = pl.DataFrame({"user": users[cells.row], "item": items[cells.col], "rating": cells.data})
    text = [" ".join(str(joke).split()) for joke in jokes]
    return log, pl.DataFrame({"item": items, "text": text})
