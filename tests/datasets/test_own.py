"""A user's own files: what each option means, and that the format says nothing.

Each log here is small enough to be checked by eye.
"""

import gzip
import os
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coldbench.cell import read_run
from coldbench.dataset import Dataset, OneClass
from coldbench.errors import BadFile, UserError
from coldbench.interactions import SECOND, Catalogue, Interactions
from coldbench.testing.check_method import tiny_encoder
from tests import console

cli: Any = import_module("coldbench.benchmarks.cli")
source: Any = import_module("coldbench.benchmarks.dataset_names")
grids: Any = import_module("coldbench.benchmarks.grid")
plan: Any = import_module("coldbench.benchmarks.plan")

LOG = """\
user,item,rating,time
ann,p1,5,1600000000
bob,p2,2,1600000100
ann,p3,4,1600000050
bob,p1,1,1600000020
"""
ITEMS = """\
item,title,brand,kind
p1,Lamp,Oak & Co,light|home
p2,"Chair,  red",Elm,seat; home
p3,Rug,,
p4,Never bought,Elm,home
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str, encoding: str = "utf-8") -> str:
    Path(name).write_bytes(text.encode(encoding))
    return name


def own(name: str, *options: str) -> Dataset:
    """A file's dataset with `--with` options."""
    made: Dataset = source.Source.of(name, source.options(list(options))).dataset()
    return made


def load(name: str, *options: str) -> tuple[Interactions, Catalogue]:
    return own(name, *options).load()


def with_items(*options: str) -> tuple[Interactions, Catalogue]:
    return load(write("log.csv", LOG), f"items={write('items.csv', ITEMS)}", *options)


def rows(log: Interactions, items: Catalogue) -> list[tuple[int, str, float]]:
    ids = [items.ids[item] for item in log.items]
    return list(zip(log.users.tolist(), ids, log.ratings.tolist(), strict=True))


def ask(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["coldbench", *words])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_log_is_users_by_id_each_in_the_order_of_time() -> None:
    log, items = load(write("log.csv", LOG))
    assert rows(log, items) == [(0, "p1", 5), (0, "p3", 4), (1, "p1", 1), (1, "p2", 2)]
    assert log.times is not None
    seconds = [1600000000, 1600000050, 1600000020, 1600000100]
    assert log.times.tolist() == [second * SECOND for second in seconds]
    assert items.text == items.ids == ("p1", "p2", "p3")


@pytest.mark.parametrize(
    "header",
    [
        "userId,movieId,rating,timestamp",
        "User ID,ASIN,Stars,Unix Review Time",
        "customer_id,product-id,overall,time",
        "visitorid,NewsID,Book-Rating,TIME",
    ],
)
def test_columns_are_found_by_their_usual_names_wherever_they_stand(header: str) -> None:
    plain = load(write("log.csv", LOG))
    turned = [",".join(["x", *line.split(",")[::-1]]) for line in LOG.splitlines()[1:]]
    first = ",".join(["row", *header.split(",")[::-1]])
    log, items = load(write("other.csv", "\n".join([first, *turned])))
    assert log.hash() == plain[0].hash() and items.hash() == plain[1].hash()


def test_columns_may_be_named() -> None:
    path = write("log.csv", LOG.replace("user,item,rating,time", "who,what,how,when"))
    log, _ = load(path, "user=who", "item=what", "rating=how", "time=when")
    assert log.hash() == load(write("plain.csv", LOG))[0].hash()


@pytest.mark.parametrize(
    ("what", "old", "new", "both"),
    [
        ("user", "time", "customer_id", "user and customer_id"),
        ("item", "time", "asin", "item and asin"),
        ("rating", "time", "score", "rating and score"),
        ("time", "rating", "timestamp", "timestamp and time"),
    ],
)
def test_where_two_columns_could_be_meant_none_is_guessed(
    what: str, old: str, new: str, both: str
) -> None:
    path = write("log.csv", LOG.replace(old, new, 1))
    told = rf"^log.csv:1:1: .*expected one column of {what}s, found {both}; fix: .*--with {what}="
    with pytest.raises(BadFile, match=told):
        load(path)
    others = "time=none" if old == "time" else "rating=none"
    assert len(load(path, f"{what}={what}", others)[0]) == 4


@pytest.mark.parametrize("what", ["user", "item"])
def test_a_log_needs_a_column_of_users_and_one_of_items(what: str) -> None:
    with pytest.raises(BadFile, match=rf"column of {what}s, found none; fix: --with {what}=x"):
        load(write("log.csv", LOG.replace(what, "x", 1)))
    with pytest.raises(UserError, match=r"no column of log.csv 'none'"):
        load(write("log.csv", LOG), f"{what}=none")


def test_a_column_that_is_not_there_has_a_nearest_one() -> None:
    with pytest.raises(UserError, match=r"no column of log.csv 'usr'; did you mean 'user'\?"):
        load(write("log.csv", LOG), "user=usr")


@pytest.mark.parametrize(
    ("unit", "value", "microseconds"),
    [
        ("seconds", "1600000000", 0),
        ("seconds", "1600000000.9", 900_000),
        ("seconds", "1600000000.000001", 1),
        ("milliseconds", "1600000000999", 999_000),
        ("milliseconds", "1600000000999.5", 999_500),
        ("microseconds", "1600000000999999", 999_999),
        ("nanoseconds", "1600000000999999000", 999_999),
        ("%Y-%m-%d %H:%M:%S", "2020-09-13 12:26:40", 0),
        ("%Y-%m-%d %H:%M:%S.%f", "2020-09-13 12:26:40.000001", 1),
        ("%d.%m.%Y at %H.%M.%S", "13.09.2020 at 12.26.40", 0),
        ("%Y-%m-%dT%H:%M:%S%z", "2020-09-13T14:26:40+0200", 0),
        ("iso", "2020-09-13T12:26:40", 0),
        ("iso", "2020-09-13 14:26:40.5+02:00", 500_000),
        ("iso", "2020-09-13T12:26:40.123456Z", 123_456),
    ],
)
def test_a_time_is_in_the_unit_or_form_that_is_said_to_the_microsecond(
    unit: str, value: str, microseconds: int
) -> None:
    path = write("log.csv", f"user,item,time\nann,p1,{value}\n")
    log, _ = load(path, f"time_unit={unit}", "rating=none")
    assert log.times is not None
    assert log.times.tolist() == [1600000000 * SECOND + microseconds]


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ("milisecond", "did you mean 'milliseconds'"),
        ("hours", "seconds, milliseconds"),
        ("%Y-%m-%d", "log.csv:2:10: value '1600000000', expected a date like %Y-%m-%d"),
    ],
)
def test_a_unit_that_is_none_or_another_is_told(unit: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        load(write("log.csv", LOG), f"time_unit={unit}")


def test_without_times_a_users_rows_stay_in_the_order_of_the_file() -> None:
    log, items = load(write("log.csv", LOG), "time=none")
    assert log.times is None
    assert rows(log, items)[2:] == [(1, "p2", 2), (1, "p1", 1)]


def test_the_scale_and_what_a_like_is_are_the_users_to_say() -> None:
    dataset = own(write("log.csv", LOG), "scale=[0, 10]", "like_above=4.5")
    log, _ = dataset.load()
    assert dataset.labels(log.ratings, "rating").tolist() == pytest.approx([0.5, 0.4, 0.1, 0.2])
    assert dataset.labels(log.ratings, "like").tolist() == [1, 0, 0, 0]
    with pytest.raises(BadFile, match=r"log.csv:2:8: value '5', expected a number from 1 to 4"):
        load("log.csv", "scale=[1, 4]", "like_above=3")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["like_above=5"], "like_above = 5 is not within the scale 1 to 5"),
        (["like_above=0.5"], "like_above = 0.5 is not within the scale 1 to 5"),
        (["scale=[6, 9]", "like_above=9"], "like_above = 9 is not within the scale 6 to 9"),
        (["scale=[5, 1]"], r"scale = \[5, 1\] must rise"),
        (["scale=[5, 5]"], r"scale = \[5, 5\] must rise"),
        (["scale=[0, inf]"], r"scale = \[0, inf\] must rise"),
    ],
)
def test_a_like_lies_within_a_scale_that_rises(options: list[str], told: str) -> None:
    with pytest.raises(UserError, match=f"^log.csv: {told}"):
        own(write("log.csv", LOG), *options)


@pytest.mark.parametrize("scale", ["[0, 10]", "[0, 100]", "[1, 5.5]", "[0.5, 5]", "[0, 1]"])
def test_another_scale_says_what_a_like_is_on_it(scale: str) -> None:
    path = write("log.csv", LOG)
    with pytest.raises(
        UserError, match=r"no like_above is said for the scale .*--with like_above="
    ):
        own(path, f"scale={scale}")
    assert own(path, f"scale={scale}", "like_above=0.9" if scale == "[0, 1]" else "like_above=4")


def test_a_like_on_stars_is_above_three_and_a_half_said_or_not() -> None:
    path = write("log.csv", LOG)
    assert own(path).like_above == own(path, "scale=[1, 5]").like_above == 3.5
    with pytest.raises(UserError, match=r"must be like 3\.5, not 'four'"):
        own(path, "like_above=four")


@pytest.mark.parametrize(
    ("stars", "options", "told"),
    [
        ("4555", [], "of 4 ratings all are likes, being from 4 to 5 where a like is above 3.5"),
        ("3555", [], ""),
        ("1233", [], "of 4 ratings none is a like, being from 1 to 3 where a like is above 3.5"),
        ("1234", [], ""),
        ("1111", [], "none is a like, .*fix: --with rating=none where each row is a like$"),
        ("5555", [], "all are likes, .*fix: --with rating=none where each row is a like$"),
        ("1233", ["like_above=2.9"], ""),
        ("1233", ["like_above=3"], "none is a like, .*fix: --with like_above=2, or"),
    ],
)
def test_a_log_of_one_class_is_refused(stars: str, options: list[str], told: str) -> None:
    """Of two at the threshold one row decides."""
    lines = [f"u{n},p{n},{star}" for n, star in enumerate(stars)]
    path = write("log.csv", "\n".join(["user,item,rating", *lines]))
    if told:
        with pytest.raises(OneClass, match=f"^log.csv: .*{told}"):
            load(path, *options)
    else:
        assert len(load(path, *options)[0]) == 4


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("user=1", r'user must be like "1", not 1'),
        ("scale=5", r"scale must be like \[1.0, 5.0\], not 5"),
        ("scale=0,10", r"scale must be like \[1.0, 5.0\], not '0,10'"),
        ("scale=[1, 2, 3]", r"scale must be like"),
        ('scale=["1", "5"]', r"scale must be like"),
        ("scale=[true, 5]", r"scale must be like"),
        ("like_above=true", r"like_above must be like 3.5, not True"),
        ("like_above=four", r"like_above must be like 3.5, not 'four'"),
        ("items=[1]", "items must be like"),
        ("separator=::", "separator must be one character"),
        ('separator="\\""', "separator must be one character"),
        ("encoding=latin1", r"no encoding 'latin1'; did you mean 'latin-1'\?"),
        ("path=other.csv", "path is 'other.csv'; leave it out"),
        ("txt=x", r"no parameter of log.csv 'txt'; did you mean 'text'\?"),
    ],
)
def test_an_option_of_the_wrong_kind_is_told(option: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        own(write("log.csv", LOG), option)


@pytest.mark.parametrize("option", ["user", "=user", " = x"])
def test_an_option_is_a_key_and_a_value(option: str) -> None:
    with pytest.raises(UserError, match="--with takes key=value"):
        source.options([option])


def test_the_same_holds_for_parameters_of_registered_datasets() -> None:
    with pytest.raises(UserError, match="synthetic: n_users must be like 300, not 'many'"):
        source.Source.of("synthetic", {"n_users": "many"}).dataset()
    assert source.Source.of("synthetic", {"noise": 1}).dataset().noise == 1


def test_text_is_made_by_a_template_of_the_tables_columns() -> None:
    _, items = with_items("text={item}: {title} by {brand}")
    assert items.text == ("p1: Lamp by Oak & Co", "p2: Chair, red by Elm", "p3: Rug by")


def test_text_is_the_title_where_none_is_asked_for_and_else_all_there_is() -> None:
    assert with_items()[1].text == ("Lamp", "Chair, red", "Rug")
    items = write("items.csv", ITEMS.replace("title", "words", 1))
    _, all_of_it = load("log.csv", f"items={items}", "tags=kind")
    assert all_of_it.text == ("Lamp, Oak & Co", "Chair, red, Elm", "Rug")


def test_an_item_whose_text_comes_out_empty_reads_as_its_id() -> None:
    assert with_items("text={brand}")[1].text == ("Oak & Co", "Elm", "p3")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["items=items.csv", "text={titel}"], r"items.csv 'titel'; did you mean 'title'\?"),
        (["items=items.csv", "tags=kinds"], r"items.csv 'kinds'; did you mean 'kind'\?"),
        (["items=items.csv", "text=title"], r"text = 'title' names no column; .*\{title\}"),
        (["text={title}"], "made of the table of items: name it by items="),
        (["tags=kind"], "made of the table of items: name it by items="),
        (["items=nowhere.csv"], "nowhere.csv: no such file"),
    ],
)
def test_a_mistake_in_what_is_made_of_the_table_of_items_is_told(
    options: list[str], told: str
) -> None:
    write("items.csv", ITEMS)
    with pytest.raises(UserError, match=told):
        load(write("log.csv", LOG), *options)


def test_tags_are_set_apart_by_bars_semicolons_or_commas() -> None:
    assert with_items("tags=kind")[1].tags == (("light", "home"), ("seat", "home"), ())
    write("items.csv", 'item,kind\np1," a , b "\np2,|c||\np3,d e\n')
    assert load("log.csv", "items=items.csv", "tags=kind")[1].tags == (("a", "b"), ("c",), ("d e",))


def test_an_item_that_nobody_rated_is_left_out() -> None:
    assert with_items()[1].ids == ("p1", "p2", "p3")


def test_a_table_without_some_items_of_the_log_says_how_many_and_one_of_them() -> None:
    write("items.csv", "item,title\np1,Lamp\np3,Rug\n")
    with pytest.raises(UserError, match=r"^items.csv: 1 items of the log are not .*'p2' among"):
        load(write("log.csv", LOG), "items=items.csv")


def test_an_item_that_stands_twice_in_the_table_is_told() -> None:
    write("items.csv", ITEMS + "p1,Lamp again,,\n")
    with pytest.raises(UserError, match=r"^items.csv: item 'p1' stands twice"):
        load(write("log.csv", LOG), "items=items.csv")


def test_the_tables_column_of_ids_is_called_as_in_the_log_or_by_a_usual_name() -> None:
    ids = with_items()[1].ids
    write("named.csv", ITEMS.replace("item", "product_id", 1))
    assert load("log.csv", "items=named.csv")[1].ids == ids
    write("what.csv", LOG.replace("item", "what", 1))
    write("table.csv", ITEMS.replace("item", "what", 1))
    assert load("what.csv", "item=what", "items=table.csv")[1].ids == ids
    write("id.csv", ITEMS.replace("item", "id", 1))
    with pytest.raises(BadFile, match=r"^id.csv:1:1: .*one column of items, .*of ids to item"):
        load("log.csv", "items=id.csv")


def test_a_log_told_to_have_no_ratings_is_of_likes_alone() -> None:
    bare = "\n".join(line.rsplit(",", 2)[0] for line in LOG.splitlines())
    assert own(write("log.csv", LOG)).explicit
    for path in (write("bare.csv", bare), "log.csv"):
        dataset = own(path, "rating=none", "time=none")
        assert not dataset.explicit
        log, _ = dataset.load()
        assert log.ratings.tolist() == [5] * 4
        assert dataset.labels(log.ratings, "like").tolist() == [1] * 4


def test_ratings_that_are_left_out_are_not_looked_at() -> None:
    path = write("log.csv", LOG.replace(",5,", ",five,"))
    assert len(load(path, "rating=none")[0]) == 4
    with pytest.raises(BadFile, match="value 'five'"):
        load(path)


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
    one, other = load("log.csv"), load("mixed.csv")
    assert one[0].hash() == other[0].hash() and one[1].hash() == other[1].hash()


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
    ("old", "new", "told"),
    [
        ("item_id:token", "item_id", "value 'item_id', expected a name like user_id:token"),
        ("rating:float", "rating:int", "value 'rating:int', expected a name like"),
        ("age:float", "rating:token", "value 'rating:float', expected each name once"),
    ],
)
def test_recboles_names_have_types_and_stand_once(old: str, new: str, told: str) -> None:
    with pytest.raises(BadFile, match=told):
        load(write("shop.inter", INTER.replace(old, new)))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("log.txt", "no loader reads this ending; fix: `cat log.txt > log.csv` and read log.csv"),
        ("nowhere.csv", "nowhere.csv: no such file"),
        ("nowhere.txt", "no dataset 'nowhere.txt'"),
        ("csv", "name the log: -d ratings.csv"),
    ],
)
def test_a_file_is_known_by_its_ending(name: str, told: str) -> None:
    if name.startswith("log"):
        write(name, LOG)
    with pytest.raises(UserError, match=told):
        load(name)


def cells(path: str, **params: object) -> list[str]:
    stated = {"datasets": [path], "methods": ["constant"], "encoder": "vectors"}
    grid = grids.Grid.of(stated | {"dataset_params": {path: params}})
    return [spec.fingerprint for spec in plan.resolve(grid, "cpu")]


def test_where_a_file_lies_is_in_no_fingerprint_and_what_it_says_is() -> None:
    for folder in ("here", "there/deeper"):
        Path(folder).mkdir(parents=True)
        write(f"{folder}/log.csv", LOG)
        write(f"{folder}/items.csv", ITEMS)
    here = cells("here/log.csv", items="here/items.csv")
    assert here == cells("there/deeper/log.csv", items="there/deeper/items.csv")
    assert here == cells(str(Path("here/log.csv").resolve()), items="here/items.csv")
    other = [
        cells("here/log.csv"),
        cells("here/log.csv", items="here/items.csv", like_above=2.5),
        cells("here/log.csv", items="here/items.csv", rating="none"),
        cells(write("here/log.csv", LOG.replace(",5,", ",4,")), items="here/items.csv"),
    ]
    assert len({here[0], *(found[0] for found in other)}) == 5


def test_two_files_that_a_report_would_call_alike_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("old").mkdir()
    both = f"{write('log.csv', LOG)},{write('old/log.csv', LOG)}"
    assert ask(monkeypatch, "run", "-d", both, "-m", "constant") == 2
    assert "two datasets would be called 'log' in a report" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_options_are_for_one_dataset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both = f"{write('log.csv', LOG)},synthetic"
    assert ask(monkeypatch, "run", "-d", both, "-m", "constant", "--with", "time=none") == 2
    assert "--with is for one dataset; state several in a grid" in capsys.readouterr().err
    stated = {"datasets": ["log.csv"], "methods": ["constant"], "dataset_params": {"lag.csv": {}}}
    with pytest.raises(UserError, match=r"'lag.csv'; did you mean 'log.csv'\?"):
        grids.Grid.of(stated)


def test_options_go_over_those_of_a_grid_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("log.csv", LOG)
    write(
        "own.toml",
        'datasets = ["log.csv"]\nmethods = ["constant"]\nencoder = "vectors"\n'
        '[dataset_params."log.csv"]\nrating = "none"\ntime = "none"\n',
    )
    assert ask(monkeypatch, "run", "own.toml", "--with", "rating=rating", "--dry-run") == 0
    assert '{"rating" = "rating", "time" = "none"}' in capsys.readouterr().out


def shop(folder: Path) -> None:
    draw = random.Random(0)
    lines = [
        f"u{user},p{item},{draw.randint(1, 5)},{1_600_000_000 + order}"
        for user in range(30)
        for order, item in enumerate(draw.sample(range(60), 12))
    ]
    folder.mkdir()
    (folder / "shop.csv").write_text("\n".join(["user,item,rating,time", *lines]))
    titles = [f"p{i},Number {i}" for i in range(60)]
    (folder / "items.csv").write_text("\n".join(["item,title", *titles]))


def coldbench(*words: str) -> str:
    done = console.coldbench(Path.cwd(), *words, timeout=240)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_file_is_run_and_reported_and_not_again_when_it_has_moved(tmp_path: Path) -> None:
    shop(tmp_path / "old")
    encoder = tiny_encoder(tmp_path / "tiny").name
    short = ["--set", f"encoder={encoder}", "--set", "protocol.query=5", "--no-timing"]
    words = ["-m", "item-bias,fold-in,constant", *short, "--set", "protocol.shots=[0,4]"]
    words += ["--name", "r", "--with", "text={title}"]
    said = coldbench("run", "-d", "old/shop.csv", "--with", "items=old/items.csv", *words)
    assert "3 of 3 cells done" in said
    coldbench("report", "r", "--format", "md,csv")
    table = pl.read_csv("runs/r/report/results.csv")
    assert set(table["dataset"]) == {"shop"}
    assert {"item-bias", "fold-in", "constant"} <= set(table["method"])
    os.rename("old", "new")
    again = coldbench("run", "-d", "new/shop.csv", "--with", "items=new/items.csv", *words)
    assert "3 cells, 0 to run" in again


@pytest.mark.slow
def test_likes_alone_are_ranked_in_the_catalogue_or_among_popular_items_as_tables_say(
    tmp_path: Path,
) -> None:
    shop(tmp_path / "old")
    encoder = tiny_encoder(tmp_path / "tiny").name
    words = ["-d", "old/shop.csv", "-m", "popularity", "--with", "rating=none", "--name", "r"]
    short = "query = 5, shots = [0, 4]"
    both = f'[{{{short}}}, {{{short}, candidates = "popular", unseen = 2}}]'
    words += ["--set", f"encoder={encoder}", "--set", f"protocol={both}", "--no-timing"]
    coldbench("run", *words)
    for cell in read_run(Path("runs/r")):
        assert cell.status == "done", cell.reason
        scores = cell.scores()
        if cell.spec.protocol_fields["candidates"] == "popular":
            assert scores["label"].mean() == pytest.approx(1 / 3)
        else:
            assert cell.spec.protocol_fields["candidates"] == "all"
            assert set(scores["label"]) == {1} and set(scores["candidates"]) == {60 - 4}
    coldbench("report", "r", "--format", "md")
    text = Path("runs/r/report/report.md").read_text(encoding="utf-8")
    captions = [line for line in text.splitlines() if line.startswith("*Protocol")]
    popular = [line for line in captions if 'candidates = "popular"' in line]
    assert popular and len(popular) < len(captions)
    for line in captions:
        among = "unseen items drawn by their popularity" if line in popular else "all items but"
        assert f"ranked among {among}" in line


def test_a_span_of_time_is_no_time() -> None:
    spans = {"user": ["u"], "item": ["i"], "rating": [3], "time": [timedelta(days=1)]}
    pl.DataFrame(spans).write_parquet("log.parquet")
    with pytest.raises(BadFile, match="expected a time"):
        own("log.parquet").load()
