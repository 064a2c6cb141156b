"""The table of items beside a log of one's own: texts and tags."""

import pytest

from coldbench.errors import BadFile, UserError
from tests.datasets.test_own import ITEMS, LOG, load, own, with_items, write

pytestmark = pytest.mark.usefixtures("nowhere")


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
