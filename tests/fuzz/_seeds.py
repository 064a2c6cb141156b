"""What fuzzing starts from: small made-up files of every format that coldbench reads, all sound.

Loaded by targets.py with runpy, since test files import no test file.
"""

import bz2
import gzip
import io
import lzma
import runpy
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

MARK = b"\n\x1d\x1d\n"  # stands between two files of one input
WORDS = (  # what is rare at random, and meant by someone
    *"1e400 -inf nan NULL 1.0 -1 0x1 1_0 99999999999999999999 １ é ,, :: | ../".split(" "),
    *('""', '"\n"', "\t\t", "/tmp/x", "\\ud800", '"', "'", "00000000", "1969-12-31", "[[", "]]"),
    *("\0", "\r", "\r\n", "\x1f", "\x85", "\u2028", "\x1b[31m", "&#10;", "&#x110000;", "<b>", "{}"),
    *("9" * 5000, " " * 200, "a," * 100, "\ufeff", "\u202e"),
)
ODD_BYTES = (b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", MARK, b"\x7f\xff\xff\xff", b"\x80")
TOKENS = (*(word.encode() for word in WORDS), *ODD_BYTES)

LOG = "user,item,rating,time\nu1,1,4.5,1260759144\nu2,2,1,1260759145\nu1,2,5,1260759150\nu1,1,3,9\n"
ITEMS = 'item,title,genres\n1,"Salt, or Rope",Drama|Sea\n2,Ein Teich,\n3,Nobody Rated,Sea\n'
SENSE = "02 salt 0 brine 0 001 @ 00001740 n 0000 | a gloss"

PUBLISHED = runpy.run_path(str(Path(__file__).parents[1] / "published.py"))["PUBLISHED"]
UNREAD = "README users.dat to_read.csv propensities.ascii tags.dat markets.csv .vec".split()

# A dataset (behind a dot: which of its editions) -> its files; where no folder is named, its own
TEXTS: dict[str, dict[str, str]] = {
    **{
        name: {
            path.rpartition("/")[2]: text
            for path, text in files.items()
            if not path.endswith(tuple(UNREAD))
        }
        for name, files in PUBLISHED.items()
    },
    "ml-100k-plots": PUBLISHED["ml-100k-plots"] | PUBLISHED["ml-100k"],
    "senate-trades": {"senate/all_transactions.csv": "".join(PUBLISHED["senate-trades"].values())},
    "csv": {"log.csv": LOG, "items.csv": ITEMS},
    "json-lines": {
        "log.jsonl": '{"user": "u1", "item": 1, "rating": 4.5, "time": 1260759144, "x": {"y": 1}}\n'
        '{"user": 7, "rating": 1, "item": "2", "time": 1260759145.5}\n',
        "i.jsonl": '{"item": 1, "title": "Salt, \\"or\\" R\\u00f6pe", "genres": ["Drama", "Sea"]}\n'
        '{"item": "2", "title": null, "genres": "Sea|Pond"}\n',
    },
    "recbole": {
        "log.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "a\t1\t4.5\t1260759144\nb\t2\t1\t1260759145\n",
        "log.item": "item_id:token\ttitle:token_seq\n1\tSalt and Rope\n2\tPond\n",
    },
    "ml-100k.recbole": {
        "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t2\t3\t881250949\n2\t1\t5\t881250000\n",
        "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\t"
        "class:token_seq\n1\tQuiet Pond, The\t1990\tDrama Sci-Fi\n2\tMoss\t\t\n",
    },
    **{
        name: {
            "ratings.csv": "userId,movieId,rating,timestamp\n11,10,5.0,1000000200\n"
            "2,7,0.5,1000000100\n",
            "movies.csv": 'movieId,title,genres\n7,"Lantern, The (1971)",Drama|Fantasy\n'
            '10,"""Quoted"" Pond (1999)",(no genres listed)\n',
        }
        for name in ("ml-20m", "ml-25m", "ml-32m")
    },
    "movietweetings": {
        "ratings.dat": "1::0114508::8::1381006850\n2::0102358::0::1371884848\n",
        "movies.dat": "0114508::Species (1995)::Action|Horror\n0102358::Léon, The (1991)::\n",
    },
    "gowalla": {
        "loc-gowalla_totalCheckins.txt.gz": "0\t2010-10-19T23:55:27Z\t30.2359091167\t"
        "-97.7951395833\t22847\n10\t2010-10-18T22:17:43Z\t30.2691029532\t-97.7493953705\t420315\n",
    },
    "kuairec": {
        "small_matrix.csv": "user_id,video_id,play_duration,video_duration,time,date,timestamp,"
        "watch_ratio\n14,148,4381,6067,2020-07-05 05:27:48.378,20200705.0,1593898068.378,0.72\n"
        "14,183,11635,6100,2020-07-05 05:28:00.057,20200705.0,1593898080.057,2.5\n"
        "19,183,11635,6100,,,,1.9\n",
        "item_categories.csv": 'video_id,feat\n148,[8]\n183,"[27, 9]"\n',
    },
    "amazon-2023": {
        "All_Beauty.jsonl.gz": '{"rating": 5.0, "title": "Soft", "text": "", "images": [], "asin": '
        '"B1", "parent_asin": "B0", "user_id": "AGKH", "timestamp": 1588687728923, '
        '"helpful_vote": 0, "verified_purchase": true}\n{"rating": 1.0, "parent_asin": "B2", '
        '"user_id": "AFSK", "timestamp": 1588615855070}\n',
        "meta_All_Beauty.jsonl.gz": '{"main_category": "All Beauty", "title": "Spray", "price": '
        'null, "store": "Pond", "details": {"UPC": "1"}, "parent_asin": "B0"}\n'
        '{"main_category": null, "title": "Moss", "store": null, "parent_asin": "B2"}\n',
    },
    "goodreads": {
        "goodreads_interactions_poetry.json.gz": '{"user_id": "8842", "book_id": "1384", '
        '"review_id": "1bad", "is_read": true, "rating": 4, "review_text_incomplete": "", '
        '"date_added": "Wed May 09 09:33:44 -0700 2007", "read_at": ""}\n{"user_id": "99", '
        '"book_id": "7", "rating": 0, "date_added": "Wed May 09 09:33:44 -0700 2007"}\n',
        "goodreads_books_poetry.json.gz": '{"title": "The Pond", "publication_year": "1997", '
        '"authors": [{"author_id": "5", "role": ""}], "book_id": "1384"}\n'
        '{"title": "Moss", "publication_year": "", "book_id": "7"}\n',
    },
    "yelp": {
        "yelp_academic_dataset_review.json": '{"review_id":"KU","user_id":"mh_","business_id":"XQ",'
        '"stars":3.0,"useful":0,"text":"So","date":"2018-07-07 22:09:11"}\n',
        "yelp_academic_dataset_business.json": '{"business_id":"XQ","name":"Pond","city":"Reed",'
        '"attributes":{"WiFi":"no"},"categories":"Bars, Food","hours":null}\n'
        '{"business_id":"MT","name":"Moss","city":"","categories":null}\n',
    },
    "wordnet": {
        "data.noun": f"  1 licence\n00000080 03 n {SENSE}\n",
        "index.noun": "  1 licence\nsalt n 1 2 @ ~ 1 1 00000080\nbrine n 1 1 @ 1 0 00000080\n",
        "data.adj": "00000080 00 a 02 large 0 big(a) 0 000 | a gloss\n",
        "index.adj": "big a 1 0 1 5 00000080\n",
    },
    "grid": {
        "grid.toml": 'datasets = ["synthetic"]\nmethods = ["item-bias", "maml"]\nseeds = [0, 1]\n'
        'protocol = {preset = "user-cold", query = 20, shots = [0, 1]}\nencoder = "minilm"\n'
        "limit = 9\n[seeds_for]\nmaml = [0]\n[params.maml]\ninner_steps = 5\n",
        "changes": "params.maml.inner_steps=3\nprotocol.query=5\nencoder=vectors\nseeds=[2]",
    },
}
LATIN_1 = ("ml-1m", "ml-100k", "ml-100k-plots")


def _flags(kind: int, *, attributes: bool = False, tag: bool = False) -> bytes:
    return struct.pack(">i", kind | (kind == 25) << 8 | attributes << 9 | tag << 10)


def _char(text: str) -> bytes:
    return struct.pack(">ii", 9 | 8 << 12, len(text.encode())) + text.encode()


def _strings(texts: Sequence[str], **attributes: bytes) -> bytes:
    head = _flags(16, attributes=bool(attributes)) + struct.pack(">i", len(texts))
    return head + b"".join(map(_char, texts)) + (_pairs(attributes) if attributes else b"")


def _numbers(kind: str, *values: float) -> bytes:
    head = _flags({"i": 13, "d": 14}[kind]) + struct.pack(">i", len(values))
    return head + struct.pack(f">{len(values)}{kind}", *values)


def _pairs(parts: Mapping[str, bytes]) -> bytes:
    named = (_flags(2, tag=True) + _flags(1) + _char(n) + value for n, value in parts.items())
    return b"".join(named) + _flags(254)


def _s4(kind: str, **parts: bytes) -> bytes:
    named = parts | {"class": _strings([kind], package=_strings(["p"]))}
    return _flags(25, attributes=True) + _pairs(named)


def rda(
    another: bytes = b"",
    x: bytes = b"",
    i: Sequence[int] = (0, 1, 0, 1),
    p: Sequence[int] = (0, 2, 2, 4),
    users: Sequence[str] = ("u20", "u3"),
    jokes: Sequence[str] = ("Why a \U0001f438?\n Because.", "Nobody  rated.", "A pond walks in."),
) -> bytes:
    """Jester's file in R's binary form: a sparse matrix of users by jokes, and the jokes.

    another: an object before them; x: the matrix's ratings instead of four sound ones.
    """
    names = _strings(["j1", "j2", "j3"])
    cells = {"i": _numbers("i", *i), "p": _numbers("i", *p), "Dim": _numbers("i", 2, 3)}
    both = _flags(19) + struct.pack(">i", 2) + _strings(users) + names
    matrix = _s4("dgCMatrix", **cells, Dimnames=both, x=x or _numbers("d", -9.95, 0.0, 9.9, 1.5))
    ratings = _s4("realRatingMatrix", data=matrix, normalize=_flags(254))
    objects = {"Jester5k": ratings, "JesterJokes": _strings(jokes, names=names)}
    return _workspace({"Another": another} | objects if another else objects)


def un_votes(votes: Sequence[str] = ("yes", "no", "abstain"), days: float = -8766.0) -> bytes:
    """The three tables of UN votes in R's binary form: votes, roll calls, issues."""
    whole, tables = _numbers("i", 3, 4), {}
    levels = _pairs({"levels": _strings(["yes", "no", "abstain"]), "class": _strings(["factor"])})
    codes = [("yes", "no", "abstain").index(vote) + 1 for vote in votes]
    vote = struct.pack(">ii", 13 | 1 << 8 | 1 << 9, len(codes))
    vote += struct.pack(f">{len(codes)}i", *codes) + levels
    dated = struct.pack(">ii2d", 14 | 1 << 8 | 1 << 9, 2, days, 4000.0)
    tables["un_votes"] = {
        "rcid": _numbers("d", 3, 3, 4),
        "country": _strings(["Oz", "Ur", "Oz"]),
        "country_code": _strings(["OZ", "UR", "OZ"]),
        "vote": vote,
    }
    tables["un_roll_calls"] = {
        "rcid": whole,
        "date": dated + _pairs({"class": _strings(["Date"])}),
        "short": _strings(["PONDS", "REEDS"]),
        "descr": _strings(["To drain \\ponds", "0"]),
    }
    tables["un_roll_call_issues"] = {
        "rcid": _numbers("i", 4),
        "short_name": _strings(["me"]),
        "issue": _strings(["Moss"]),
    }
    return MARK.join(_workspace({name: _table(parts)}) for name, parts in tables.items())


def _table(parts: Mapping[str, bytes]) -> bytes:
    """A tibble: a vector of columns with their names, class and numbers of rows."""
    rows = _numbers("i", -(2**31), -3)
    kind = _strings(["tbl_df", "tbl", "data.frame"])
    facts = {"names": _strings(list(parts)), "class": kind, "row.names": rows}
    head = struct.pack(">ii", 19 | 1 << 8 | 1 << 9, len(parts))
    return head + b"".join(parts.values()) + _pairs(facts)


def _workspace(objects: Mapping[str, bytes]) -> bytes:
    return b"RDX3\nX\n" + struct.pack(">4i", 3, 0x40100, 0x30500, 5) + b"UTF-8" + _pairs(objects)


def parquet(dated: bool, **options: str) -> bytes:
    log = pl.read_csv(LOG.encode(), schema_overrides={"user": pl.Categorical} if dated else {})
    if dated:
        log = log.with_columns(pl.lit(datetime(2009, 12, 14)).alias("time"))
    files = []
    for frame in (log, pl.read_csv(ITEMS.encode())):
        frame.write_parquet(written := io.BytesIO(), **options)  # type: ignore[arg-type]
        files.append(written.getvalue())
    return MARK.join(files)


def archives() -> list[bytes]:
    """The same two files in every form that is unpacked."""
    packed_files = []
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(written := io.BytesIO(), "w") as zipped:
            for name, text in TEXTS["ml-1m"].items():
                zipped.writestr(zipfile.ZipInfo(f"ml-1m/{name}"), text, packing)
        packed_files.append(written.getvalue())
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(fileobj=(written := io.BytesIO()), mode="w", format=form) as tar:
            for name, text in TEXTS["ml-1m"].items():
                member = tarfile.TarInfo(f"ml-1m/{'long' * 30}/{name}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        plain = written.getvalue()
        packed = bz2.compress(plain), lzma.compress(plain), gzip.compress(plain, mtime=0)
        packed_files += [plain, *packed]
    return packed_files


def seeds() -> dict[str, list[bytes]]:
    """Of each target's name, inputs that it must take as sound."""
    inputs = {}
    for name, files in TEXTS.items():
        encoding = "latin-1" if name in LATIN_1 else "utf-8"
        inputs[name] = [MARK.join(text.encode(encoding) for text in files.values())]
    dated = "user\ttime\tyear\né\t01/31/2020\t\nb\t02/01/2020\t1.5e3\n".encode("latin-1")
    sound = [LOG.encode(), LOG.replace(",", "::").partition("\n")[2].encode(), dated]
    inputs["reader"] = [bytes([n]) + content for n, content in zip((0, 2, 3), sound, strict=True)]
    inputs["reader"].append(b"\1" + LOG.replace("u1", '"u1"').encode())
    inputs["json-reader"] = [
        b'\0{"user": "u1", "item": 2, "rating": 4.5, "time": 1260759144}\n',
        b'\1{"user": 3, "time": "01/31/2020", "year": null}\n{"user": "a", "time": "1/1/2020"}\n',
    ]
    inputs["gzip"] = [gzip.compress(content, mtime=0) for content in sound[:1]]
    inputs["parquet"] = [
        parquet(False, compression="uncompressed"),
        parquet(True, compression="uncompressed"),
        parquet(False, compression="zstd"),
        parquet(False, compression="snappy"),
    ]
    inputs["archive"] = archives()
    inputs["jester"] = [rda(), gzip.compress(rda(), mtime=0)]
    inputs["un-votes"] = [un_votes()]
    return inputs
