"""A user's own files: what each option means, and that the format says nothing.

Each log here is small enough to be checked by eye.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from coldbench.dataset import Dataset, OneClass
from coldbench.errors import BadFile, UserError
from coldbench.interactions import SECOND, Catalogue, Interactions

source: Any = import_module("coldbench.benchmarks.dataset_names")
grids: Any = import_module("coldbench.benchmarks.grid")
plan: Any = import_module("coldbench.benchmarks.plan")

pytestmark = pytest.mark.usefixtures("nowhere")
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


def write(name: str, text: str, encoding: str = "utf-8") -> str:
    Path(name).write_bytes(text.encode(encoding))
    return name


def dataset_of(name: str, *options: str) -> Dataset:
    """A file's dataset with `--with` options."""
    dataset: Dataset = source.Source.of(name, source.options(list(options))).dataset()
    return dataset


def load(name: str, *options: str) -> tuple[Interactions, Catalogue]:
    return dataset_of(name, *options).load()


def with_items(*options: str) -> tuple[Interactions, Catalogue]:
    return load(write("log.csv", LOG), f"items={write('items.csv', ITEMS)}", *options)


def rows(log: Interactions, items: Catalogue) -> list[tuple[int, str, float]]:
    ids = [items.ids[item] for item in log.items]
    return list(zip(log.users.tolist(), ids, log.ratings.tolist(), strict=True))


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
    columns = rf"expected one column of {what}s, found {both}; fix: .*--with {what}="
    with pytest.raises(BadFile, match=f"^log.csv:1:1: .*{columns}"):
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
    ("unit", "message"),
    [
        ("milisecond", "did you mean 'milliseconds'"),
        ("hours", "seconds, milliseconds"),
        ("%Y-%m-%d", "log.csv:2:10: value '1600000000', expected a date like %Y-%m-%d"),
    ],
)
def test_a_unit_that_is_none_or_another_is_told(unit: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write("log.csv", LOG), f"time_unit={unit}")


def test_without_times_a_users_rows_stay_in_the_order_of_the_file() -> None:
    log, items = load(write("log.csv", LOG), "time=none")
    assert log.times is None
    assert rows(log, items)[2:] == [(1, "p2", 2), (1, "p1", 1)]


def test_the_scale_and_what_a_like_is_are_the_users_to_say() -> None:
    dataset = dataset_of(write("log.csv", LOG), "scale=[0, 10]", "like_above=4.5")
    log, _ = dataset.load()
    assert dataset.labels(log.ratings, "rating").tolist() == pytest.approx([0.5, 0.4, 0.1, 0.2])
    assert dataset.labels(log.ratings, "like").tolist() == [1, 0, 0, 0]
    with pytest.raises(BadFile, match=r"log.csv:2:8: value '5', expected a number from 1 to 4"):
        load("log.csv", "scale=[1, 4]", "like_above=3")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["like_above=5"], "like_above = 5 is not within the scale 1 to 5"),
        (["like_above=0.5"], "like_above = 0.5 is not within the scale 1 to 5"),
        (["scale=[6, 9]", "like_above=9"], "like_above = 9 is not within the scale 6 to 9"),
        (["scale=[5, 1]"], r"scale = \[5, 1\] must rise"),
        (["scale=[5, 5]"], r"scale = \[5, 5\] must rise"),
        (["scale=[0, inf]"], r"scale = \[0, inf\] must rise"),
    ],
)
def test_a_like_lies_within_a_scale_that_rises(options: list[str], message: str) -> None:
    with pytest.raises(UserError, match=f"^log.csv: {message}"):
        dataset_of(write("log.csv", LOG), *options)


@pytest.mark.parametrize("scale", ["[0, 10]", "[0, 100]", "[1, 5.5]", "[0.5, 5]", "[0, 1]"])
def test_another_scale_says_what_a_like_is_on_it(scale: str) -> None:
    path = write("log.csv", LOG)
    with pytest.raises(
        UserError, match=r"no like_above is said for the scale .*--with like_above="
    ):
        dataset_of(path, f"scale={scale}")
    like_above = 0.9 if scale == "[0, 1]" else 4
    assert dataset_of(path, f"scale={scale}", f"like_above={like_above}")


def test_a_like_on_stars_is_above_three_and_a_half_said_or_not() -> None:
    path = write("log.csv", LOG)
    assert dataset_of(path).like_above == dataset_of(path, "scale=[1, 5]").like_above == 3.5
    with pytest.raises(UserError, match=r"must be like 3\.5, not 'four'"):
        dataset_of(path, "like_above=four")


@pytest.mark.parametrize(
    ("stars", "options", "message"),
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
def test_a_log_of_one_class_is_refused(stars: str, options: list[str], message: str) -> None:
    """Of two at the threshold one row decides."""
    lines = [f"u{n},p{n},{star}" for n, star in enumerate(stars)]
    path = write("log.csv", "\n".join(["user,item,rating", *lines]))
    if message:
        with pytest.raises(OneClass, match=f"^log.csv: .*{message}"):
            load(path, *options)
    else:
        assert len(load(path, *options)[0]) == 4


@pytest.mark.parametrize(
    ("option", "message"),
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
def test_an_option_of_the_wrong_kind_is_told(option: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataset_of(write("log.csv", LOG), option)


@pytest.mark.parametrize("option", ["user", "=user", " = x"])
def test_an_option_is_a_key_and_a_value(option: str) -> None:
    with pytest.raises(UserError, match="--with takes key=value"):
        source.options([option])


def test_the_same_holds_for_parameters_of_registered_datasets() -> None:
    with pytest.raises(UserError, match="synthetic: n_users must be like 300, not 'many'"):
        source.Source.of("synthetic", {"n_users": "many"}).dataset()
    assert source.Source.of("synthetic", {"noise": 1}).dataset().noise == 1


# the table of items beside the log: texts and tags


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
    ("options", "message"),
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
    options: list[str], message: str
) -> None:
    write("items.csv", ITEMS)
    with pytest.raises(UserError, match=message):
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
    assert dataset_of(write("log.csv", LOG)).explicit
    for path in (write("bare.csv", bare), "log.csv"):
        dataset = dataset_of(path, "rating=none", "time=none")
        assert not dataset.explicit
        log, _ = dataset.load()
        assert log.ratings.tolist() == [5] * 4
        assert dataset.labels(log.ratings, "like").tolist() == [1] * 4


def test_ratings_that_are_left_out_are_not_looked_at() -> None:
    path = write("log.csv", LOG.replace(",5,", ",five,"))
    assert len(load(path, "rating=none")[0]) == 4
    with pytest.raises(BadFile, match="value 'five'"):
        load(path)
