"""The format of a file of one's own says nothing: the same log, however it is written."""

import gzip
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from coldbench.errors import BadFile, UserError
from tests.datasets.test_own import LOG, dataset_of, load, rows, write

pytestmark = pytest.mark.usefixtures("nowhere")


def table() -> pl.DataFrame:
    """Sixty interactions, each at a time of its own; ids of users are numbers."""
    draw = random.Random(0)
    pairs = [(user, item) for user in (2, 10, 33) for item in draw.sample(range(40), 20)]
    times = draw.sample(range(1_600_000_000, 1_600_900_000), len(pairs))
    stars = [float(draw.randint(1, 5)) for _ in pairs]
    users, bought = zip(*pairs, strict=True)
    columns = {"user": users, "item": [f"p{i}" for i in bought], "rating": stars, "time": times}
    return pl.DataFrame(columns)


def products() -> pl.DataFrame:
    ids = [f"p{i}" for i in range(40)]
    return pl.DataFrame({"item": ids, "title": [f"Number {i}" for i in ids], "kind": "a|b"})


def as_recbole(frame: pl.DataFrame, path: str) -> None:
    kinds = {pl.Float64: "float", pl.String: "token", pl.Int64: "token"}
    named = {
        c: f"{c}:{'float' if c == 'time' else kinds[type(t)]}" for c, t in frame.schema.items()
    }
    frame.rename(named).write_csv(path, separator="\t")


def as_gzip(write_plain: Callable[[pl.DataFrame, str], object]) -> Callable[..., None]:
    def write_packed(frame: pl.DataFrame, path: str) -> None:
        plain = Path(path.removesuffix(".gz"))
        write_plain(frame, str(plain))
        Path(path).write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    return write_packed


def as_csv(frame: pl.DataFrame, path: str) -> None:
    frame.write_csv(path)


def as_dated_parquet(frame: pl.DataFrame, path: str, zone: str | None = None) -> None:
    if "time" in frame.columns:
        moment = pl.from_epoch("time").dt.replace_time_zone("UTC")
        frame = frame.with_columns(moment.dt.convert_time_zone(zone or "UTC"))
    frame.write_parquet(path)


FORMATS: dict[str, tuple[str, Callable[..., object]]] = {
    "CSV": ("{}.csv", as_csv),
    "CSV in quotes": ("{}.csv", lambda f, p: f.write_csv(p, quote_style="always")),
    "CSV with CRLF and a mark": (
        "{}.csv",
        lambda f, p: f.write_csv(p, line_terminator="\r\n", include_bom=True),
    ),
    "CSV with semicolons": ("{}.csv", lambda f, p: f.write_csv(p, separator=";")),
    "TSV": ("{}.tsv", lambda f, p: f.write_csv(p, separator="\t")),
    "gzipped CSV": ("{}.csv.gz", as_gzip(as_csv)),
    "gzipped TSV": ("{}.tsv.gz", as_gzip(lambda f, p: f.write_csv(p, separator="\t"))),
    "Parquet": ("{}.parquet", lambda f, p: f.write_parquet(p)),
    "Parquet of other types": (
        "{}.pq",
        lambda f, p: f.with_columns(pl.col("item").cast(pl.Categorical)).write_parquet(p),
    ),
    "Parquet with datetimes": ("{}.parquet", as_dated_parquet),
    "Parquet with a zone": ("{}.parquet", lambda f, p: as_dated_parquet(f, p, "Asia/Tokyo")),
    "RecBole": ("{}.inter", as_recbole),
    "gzipped RecBole": ("{}.inter.gz", as_gzip(as_recbole)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_log_says_the_same_in_every_format(name: str) -> None:
    form, writes = FORMATS[name]
    as_csv(table(), "plain.csv")
    as_csv(products(), "products.csv")
    log, items = load("plain.csv", "items=products.csv", "tags=kind")
    path, beside = form.format("log"), form.format("log").replace("inter", "item")
    beside = beside if "item" in beside else form.format("items")
    writes(table(), path)
    writes(products(), beside)
    options = ["separator=;"] if "semicolons" in name else []
    other, other_items = load(path, f"items={beside}", "tags=kind", *options)
    assert other.hash() == log.hash() and other_items.hash() == items.hash()
    assert len(log) == 60 and items.tags[0] == ("a", "b")


def test_the_order_of_the_rows_says_nothing_where_there_are_times() -> None:
    as_csv(table(), "log.csv")
    as_csv(table().sample(fraction=1, shuffle=True, seed=1), "mixed.csv")
    first, other = load("log.csv"), load("mixed.csv")
    assert first[0].hash() == other[0].hash() and first[1].hash() == other[1].hash()


def test_of_the_same_users_ratings_of_an_item_the_last_in_time_stays() -> None:
    log, items = load(write("log.csv", LOG + "ann,p1,2,1500000000\nbob,p1,3,1700000000\n"))
    assert log.duplicates == 2
    assert rows(log, items) == [(0, "p1", 5), (0, "p3", 4), (1, "p2", 2), (1, "p1", 3)]


def test_latin_1_is_read_where_it_is_said_and_else_told() -> None:
    path = write("log.csv", LOG.replace("ann", "zoë"), "latin-1")
    plain = load(write("plain.csv", LOG.replace("ann", "zoë")))[0]
    assert load(path, "encoding=latin-1")[0].hash() == plain.hash()
    with pytest.raises(
        BadFile, match=r"^log.csv:2:3: .*expected UTF-8; fix: --with encoding=latin-1, or"
    ):
        load(path)


def test_a_tab_is_meant_by_the_last_ending_alone() -> None:
    assert len(load(write("shop.tsv.csv", LOG))[0]) == 4
    assert len(load(write("log.tsv", LOG.replace(",", "\t")))[0]) == 4


def test_a_span_of_time_is_no_time() -> None:
    spans = {"user": ["u"], "item": ["i"], "rating": [3], "time": [timedelta(days=1)]}
    pl.DataFrame(spans).write_parquet("log.parquet")
    with pytest.raises(BadFile, match="expected a time"):
        dataset_of("log.parquet").load()


INTER = "user_id:token\titem_id:token\trating:float\tage:float\nann\t1\t4\t\nbob\t2\t3\t\n"


def test_recboles_items_lie_beside_its_log_and_tags_are_words() -> None:
    write(
        "shop.item", "item_id:token\ttitle:token_seq\tkind:token_seq\n1\tLamp  x\ta b\n2\tRug\t\n"
    )
    _, items = load(write("shop.inter", INTER), "tags=kind")
    assert items.text == ("Lamp x", "Rug") and items.tags == (("a", "b"), ())
    Path("shop.item.gz").write_bytes(gzip.compress(Path("shop.item").read_bytes()))
    Path("shop.item").unlink()
    assert load("shop.inter")[1].text == ("Lamp x", "Rug")
    write("other.item", "item_id:token\ttitle:token_seq\n1\tA\n2\tB\n")
    assert load("shop.inter", "items=other.item")[1].text == ("A", "B")


def test_recboles_log_without_items_beside_it_has_ids_for_text() -> None:
    assert load(write("shop.inter", INTER))[1].text == ("1", "2")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("item_id:token", "item_id", "value 'item_id', expected a name like user_id:token"),
        ("rating:float", "rating:int", "value 'rating:int', expected a name like"),
        ("age:float", "rating:token", "value 'rating:float', expected each name once"),
    ],
)
def test_recboles_names_have_types_and_stand_once(old: str, new: str, message: str) -> None:
    with pytest.raises(BadFile, match=message):
        load(write("shop.inter", INTER.replace(old, new)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("log.txt", "no loader reads this ending; fix: `cat log.txt > log.csv` and read log.csv"),
        ("nowhere.csv", "nowhere.csv: no such file"),
        ("nowhere.txt", "no dataset 'nowhere.txt'"),
        ("csv", "name the log: -d ratings.csv"),
    ],
)
def test_a_file_is_known_by_its_ending(name: str, message: str) -> None:
    if name.startswith("log"):
        write(name, LOG)
    with pytest.raises(UserError, match=message):
        load(name)
