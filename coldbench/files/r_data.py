"""R's own binary form (`.rda`), by the package rdata, within bounds: a few bytes can ask it for all
memory, or for ever longer time. Strings that repeat are read once: of 870,109 votes in a tenth of
the time.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np

from coldbench.errors import Unavailable, UserError
from coldbench.files.archive import unpack

# The kinds that are read. Of others a few bytes can ask rdata for all memory (byte code, sequences
# told by their length) or for ever longer time (a call with attributes in attributes).
KINDS = "NILVALUE SYM REF LIST CHAR INT REAL STR VEC S4 ALTREP".split(" ")
STRING, HAS_ATTRIBUTES = 9, 1 << 9  # in the flags of an object
HEAD = Struct(">ii")  # flags and bytes of a string; -1: R's NA
KEPT: dict[str | bytes, Any] = dict.fromkeys(  # classes of R, as the parts they are made of
    ("realRatingMatrix", "dgCMatrix", "data.frame", "tbl_df", "tbl", "Date"), lambda value, _: value
)


@dataclass(frozen=True)
class Most:
    """What a file may hold at most."""

    size: int  # bytes unpacked
    objects: int  # without strings that repeat
    letters: int  # bytes of a string


def require() -> None:
    """Raises Unavailable without rdata: said before anything is downloaded."""
    if not find_spec("rdata"):
        raise Unavailable(
            "R's files are read by a package that is not installed: pip install 'coldbench[r]'"
        )


def read_r(path: Path, most: Most, take: Callable[[Any], Any]) -> Any:
    """What `take` makes of the objects by their names: a table is a dict of columns, a factor an
    array of its levels, a date its days since 1970.

    Raises UserError where the file is not of R's form, not within `most`, or fails in `take`.
    """
    try:
        return take(_objects(path, most))
    except Exception as error:  # rdata says in many ways that a file is damaged
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"{path}: not R's {path.name} ({what}); fix: get it again") from error


def _objects(path: Path, most: Most) -> Any:
    from rdata.conversion import SimpleConverter
    from rdata.parser import DEFAULT_ALTREP_MAP, RObject, RObjectType
    from rdata.parser._xdr import ParserXDR

    class Bounded(ParserXDR):
        n_objects = 0

        def parse_R_object(self, *args: Any, **kwargs: Any) -> Any:
            self.n_objects += 1
            if self.n_objects > most.objects:
                raise ValueError(f"more than {most.objects:,} objects")
            place = self.file.tell()
            kind = RObjectType(self.parse_int() & 0xFF).name
            self.file.seek(place)
            if kind not in KINDS:
                raise ValueError(f"an object of the kind {kind}")
            return super().parse_R_object(*args, **kwargs)

        def parse_string(self, length: int) -> bytes:
            if length > most.letters:
                raise ValueError(f"a string of {length:,} bytes")
            return super().parse_string(length)

        def _parse_vector_value(self, *args: Any) -> list[RObject]:
            """Of equal strings the same object; of what else there is, as rdata does."""
            length, at = self.parse_int(), self.file.tell()
            known: dict[bytes, RObject] = {}
            values: list[RObject] = []
            while len(values) < length and at + HEAD.size <= len(view):
                flags, size = HEAD.unpack_from(view, at)
                if flags & 0xFF != STRING or flags & HAS_ATTRIBUTES:
                    break
                end = at + HEAD.size + max(size, 0)
                written = bytes(view[at:end])
                if written not in known:
                    self.file.seek(at)
                    known[written] = self.parse_R_object(*args)
                values.append(known[written])
                at = end
            self.file.seek(at)
            return values + [self.parse_R_object(*args) for _ in range(length - len(values))]

    class Once(SimpleConverter):
        def _convert_next(self, data: Any) -> Any:
            if getattr(data, "info", None) is None or data.info.type != RObjectType.STR:
                return super()._convert_next(data)
            distinct = {id(each): each for each in data.value}
            converted = {at: super(Once, self)._convert_next(each) for at, each in distinct.items()}
            return np.array([converted[id(each)] for each in data.value], object)

    content = unpack(path, most.size)
    if content[:7] not in (b"RDX2\nX\n", b"RDX3\nX\n"):
        raise ValueError("no workspace in R's binary form")
    wrapped = {b"wrap_string": DEFAULT_ALTREP_MAP[b"wrap_string"]}
    view = memoryview(content)[7:]
    parser = Bounded(view, expand_altrep=True, altrep_constructor_dict=wrapped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # rdata goes on where it should not
        parsed = parser.parse_all()
        parser.check_complete()
        return Once(KEPT | {"factor": _levels}, default_encoding="utf-8").convert(parsed)


def _levels(codes: Any, attributes: Any) -> Any:
    """(N,) the level of each; raises where one is none."""
    levels = np.asarray(attributes["levels"])
    if np.ma.is_masked(codes) or not ((codes >= 1) & (codes <= len(levels))).all():
        raise ValueError("a level that is none")
    return levels[np.asarray(codes) - 1]
