"""Loaders of films, books, shops, news, music, finance and comments, on made-up files of exactly
the published form; with COLDBENCH_TEST_DATA, a folder of the originals, what those hold too."""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from coldbench import registry
from coldbench.errors import BadFile, UserError
from tests.published import PUBLISHED, expected_rows, load, rows

DAY = 86_400
MARCH_2019, JANUARY_2018 = 17_956 * DAY, 17_533 * DAY  # the first and the second of them
NOVEMBER_12_2019, AFTERNOON = 18_212 * DAY, 18_212 * DAY + 51_286  # 2:14:46 PM
DECEMBER_31_2012, NOVEMBER_10_2020, TWO_DAYS_ON = 15_705 * DAY, 18_576 * DAY, 18_578 * DAY
FARM, MOSS = "... Farms III, LLC (Moss, ME)", "Moss (2020 Trust FBO ... Children)"


class Log(NamedTuple):
    rows: list[tuple[int, str, float, float | None]]
    texts: dict[str, str]  # of each item, in the catalogue's order
    tags: tuple[tuple[str, ...], ...] | None = None  # None: no item has any
    duplicates: int = 0
    ordered: bool = False
    explicit: bool = True


LOGS = {
    "ml-latest-small": Log(  # half stars, titles in quotes and films without a genre
        expected_rows(
            "0001", "7 8 10 10".split(), [0.5, 3.5, 4, 5],
            [1000000100, 1000000200, 1000000300, 1000000200],
        ),
        {"7": "The Lantern of Ghent (1971): Drama, Fantasy",
         "8": "The Keeper: Été à Gand (2008): Children",
         "10": 'A "Quoted" Pond (a.k.a. Étang, L\') (1999)'},
        (("Drama", "Fantasy"), ("Children",), ()),
    ),
    "ml-1m": Log(  # between double colons, in Latin-1
        expected_rows("011", "10 10 7".split(), [5, 3, 1], [978300760, 978300100, 978300300]),
        {"7": "The Lantern of Ghent (1971): Drama, Fantasy",
         "10": "L' Été (Summer) (1960): Children's"},
        (("Drama", "Fantasy"), ("Children's",)),
    ),
    "book-crossing": Log(  # titles put together again; books that nobody rated are left out
        expected_rows("0001", "1521", [8, 1, 7, 10]),
        {"1": "Salt & Rope by Ann Fen (Oar & Sons, 1991)",
         "2": "Ponds (Waters; Vol. 2) by Li Ó Moss (Heron)", "5": "Moss (2001)"},
    ),
    "goodbooks-10k": Log(  # the order of the file, of two ratings the later; shelves that tell
        expected_rows("0011", "2131", [5, 1, 2, 3]),
        {"1": "Pond (Waters, #1) by Ann Fen, Li Ó Moss (2008)",
         "2": 'A Pond Called "Moss" by Ann Fen (750 BC)', "3": "بركة by بركة"},
        (("fantasy", "ponds"), ("frogs",), ()),
        duplicates=1,
        ordered=True,
    ),
    "coat": Log(  # of one rated twice the rating under lot
        expected_rows("0011", "0101", [1, 2, 5, 3]),
        {"0": "men's parka, navy", "1": "women's bomber jacket"},
        (("men", "parkas", "navy"), ("women", "bomber")),
        duplicates=1,
    ),
    "amazon-beauty": Log(  # in a shopper's order; A10USER before A9USER, as text; B0MINT nameless
        expected_rows("00111", "B0FERN B0PEAR B0PEAR B0MINT B0FERN".split(), [1] * 5),
        {"B0FERN": "fern soap bar 3 oz", "B0MINT": "B0MINT", "B0PEAR": "pear hand cream"},
        ordered=True,
        explicit=False,
    ),
    "msweb": Log(  # line by line, visitors above their visits
        expected_rows("001", "1012 1007 1007".split(), [1] * 3),
        {"1012": 'Ponds, Reeds and "Moss" (/ponds)', "1007": "Boats (/boats)"},
        explicit=False,
    ),
    "lastfm": Log(  # an artist is liked where played above the user's own median
        expected_rows("00011", "21 20 22 20 21".split(), [1, 0, 0, 1, 0]),
        {"20": "The Quiet Pond", "21": '"Été" 三船', "22": "Reed & Moss"},
    ),
    "far-trans": Log(  # of several trades the last counts; an asset is its latest record
        expected_rows(
            "0011", "XS03 GR01 GR02 XS03".split(), [1, 0, 0, 0],
            [MARCH_2019, MARCH_2019 + 8 * DAY, JANUARY_2018, JANUARY_2018],
        ),
        {"GR02": 'ΛΙΜΝΗ "ΔΙΕΘΝΕΣ", ΟΜΟΛΟΓΙΑΚΟ: mutual fund, Bond',
         "XS03": "MOSS23: bond, Corporate, Real Estate - Development",
         "GR01": "POND S.A. (CR): stock, Basic Materials, Water"},
        (("mutual fund", "Bond"), ("bond", "Corporate"), ("stock", "Basic Materials")),
        duplicates=2,
    ),
    "mind-small": Log(  # clicked or passed over at last; clicks of a history have no time: no N9
        expected_rows(
            "0001", "N2 N3 N1 N1".split(), [0, 0, 1, 0],
            [NOVEMBER_12_2019 + 8_085, AFTERNOON, AFTERNOON, NOVEMBER_12_2019 - 3 * DAY],
        ),
        {"N1": 'Frogs "Win". The frogs won.', "N2": "Is It Late? No.", "N3": "Rain Today"},
        (("sports", "pond_polo"), ("news", "newsus"), ("weather",)),
        duplicates=1,
    ),
    "senate-trades": Log(  # who sold last does not like; paper, exchanges and options say nothing
        expected_rows(
            "0011", ["POND", FARM, "REED", "POND"], [1, 1, 1, 0],
            [NOVEMBER_10_2020, TWO_DAYS_ON, DECEMBER_31_2012, NOVEMBER_10_2020],
        ),  # Zed stands first in the file
        {"POND": "Pond & Reed Inc.", FARM: FARM, "REED": "Reed Corp. (NYSE)"},
        (("Stock",), ("Non-Public Stock",), ()),
        duplicates=2,
    ),
    "house-trades": Log(  # one however written; no options, no exchanges, no 0009-06-09
        expected_rows(
            "001", ["POND", MOSS, "REED"], [0, 1, 0], [NOVEMBER_10_2020, TWO_DAYS_ON, TWO_DAYS_ON],
        ),
        {"POND": "Pond & Reed plc", MOSS: MOSS, "REED": "Reed Note Call"},
        duplicates=1,
    ),
    "popquorn": Log(  # 9 stands before 10
        expected_rows("011", "1280 530 1280".split(), [5, 1, 2]),
        {"530": 'A "deep" pond, is it?', "1280": "Moss."},
    ),
}  # fmt: skip


def module(name: str) -> Any:
    return import_module(f"coldbench.datasets.{name.replace('-', '_')}")


@pytest.mark.parametrize("name", LOGS)
def test_a_log_is_read_in_the_form_that_is_published(place: Any, name: str) -> None:
    place(name)
    log, items = load(name)
    dataset = registry.find("datasets", name)()
    texts, tags = dict(zip(items.ids, items.text, strict=True)), items.tags
    assert LOGS[name] == Log(
        *(rows(log, items), texts, tags if any(tags) else None),
        *(log.duplicates, dataset.ordered, dataset.explicit),
    )
    assert list(texts) == list(LOGS[name].texts)


def test_a_coat_is_told_by_its_attributes_but_not_by_where_the_shop_showed_it(place: Any) -> None:
    place("coat", ("0 4 0", "0 4 2"))
    _, coats = load("coat")
    assert (coats.text[2], coats.tags[2]) == ("women's jacket, many colours", ("women", "multi"))


def test_a_film_without_a_plot_keeps_its_title_and_genres(place: Any) -> None:
    place("ml-100k")
    place("ml-100k-plots")
    log, films = load("ml-100k-plots")
    quiet, moss = "The Quiet Pond (1990): A \U0001f438 sits.", "Moss (1992): It grows."
    assert films.text == (quiet, "Étang (1991): Action", moss)
    plain, plain_films = load("ml-100k")
    assert log.hash() == plain.hash() and films.tags == plain_films.tags == (("Action",),) * 3
    assert rows(log, films)[:2] == expected_rows("00", "12", [5, 3], [881250900, 881250949])


def test_a_book_has_five_shelves_at_most(place: Any) -> None:
    numbers = range(10, 17)
    more = "".join(f"70,{number},{number}\n" for number in numbers)
    named = "".join(f"{number},shelf-{number}\n" for number in numbers)
    place("goodbooks-10k", ("70,7,20\n", more), ("8,frogs\n", f"8,frogs\n{named}"))
    _, books = load("goodbooks-10k")
    assert books.tags[0] == ("fantasy", "shelf-16", "shelf-15", "shelf-14", "shelf-13")


def test_lastfm_can_be_a_log_of_likes_alone(place: Any) -> None:
    place("lastfm")
    log, _ = load("lastfm", positive_only=True)
    assert log.ratings.tolist() == [1.0] * 5
    assert not registry.find("datasets", "lastfm")(positive_only=True).explicit


def test_a_fragment_of_mind_is_not_taken_for_mind_small(place: Any) -> None:
    place("mind-small", folder="mind")
    with pytest.raises(UserError, match=r"MINDsmall_train\.zip is not to be had"):
        load("mind-small")


def test_no_senators_name_is_kept(place: Any) -> None:
    place("senate-trades")
    log, assets = load("senate-trades")
    for name in ("Fernweh", "Zed", "Zweig", "Ann", "Paper"):
        assert name not in repr((log, assets))


def test_the_groups_of_those_who_rate_comments_are_known(place: Any) -> None:
    place("popquorn")
    people = registry.find("datasets", "popquorn")().people().rows()
    woman, man = ("Woman", "Asian", ">65", "Other"), ("Man", "White", "35-39", "College degree")
    assert people == [woman, man], "9 stands before 10, as in the log"


DAMAGED = [
    ("ml-latest-small", "2,7,0.5,", "2,7,5.5,", r"ratings\.csv:4:5: value '5\.5', .*0\.5 to 5"),
    ("ml-latest-small", ",Children\n", "\n", r"movies\.csv:3:3: .*3 fields, found 2"),
    ("ml-1m", "2::7::1::", "2::7::1.5::", r"ratings\.dat:2:7: value '1\.5', .*a whole number"),
    ("ml-1m", "::Comedy", "", r"movies\.dat:2:4: .*expected 3 fields, found 2"),
    ("ml-1m", "978300300", "978300300000", r"ratings\.dat:2:10: .*expected a time in seconds"),
    ("book-crossing", "1.000000", "0.000000", r"book_ratings\.dat:3:5: .*from 1 to 10"),
    ("book-crossing", "1991\tHeron", "19\tO\tHeron", r"items_info\.dat:4:.*9 fields, found 11"),
    ("book-crossing", "\t2001\t", "\tMMI\t", r"items_info\.dat:5:.*9 fields, found 10"),
    ("goodbooks-10k", "2,3,2\n", "2,3,\n", r"ratings\.csv:5:5: value '', .*from 1 to 5"),
    ("goodbooks-10k", ",-750.0,", ",long ago,", r"books\.csv:3:25: value 'long ago'"),
    ("goodbooks-10k", "70,6,30", "70,6", r"book_tags\.csv:4:4: .*3 fields, found 2"),
    ("goodbooks-10k", "6,fantasy", "6", r"tags\.csv:4:1: .*2 fields, found 1"),
    ("coat", "5 0 0", "5 0 6", r"train\.ascii:2:5: value '6', .*from 0 to 5"),
    ("coat", "1 2 0", "1 2", r"test\.ascii:1:3: .*3 fields, found 2"),
    ("coat", "0 1 1 0 0 0 0", "0 2 1 0 0 0 0",
     r"item_features\.ascii:2:3: value '2', .*from 0 to 1"),
    ("coat", "1 0 0 0 1 1", "1 0 0 1 1 1", r"features\.ascii:1:1: .*one flag of jackettype"),
    ("coat", "gender:women", "women", r"features_map\.txt:2:1: .*2 fields, found 1"),
    ("amazon-beauty", "B0MINT B0FERN", "B0MINT  B0FERN", r"sequence\.txt:1:22: .*an id"),
    ("amazon-beauty", "A10USER B0FERN B0PEAR", "A10USER", r"sequence\.txt:2:1: value 'A10USER'"),
    ("amazon-beauty", "B0MINT \n", "\n", r"phase_0\.txt:2:1: value '', expected an id"),
    ("amazon-beauty", "pear hand", "p\udce9ar", r"phase_0\.txt:4:9: .*expected UTF-8"),
    ("msweb", "V,1012,1", "V,1013,1", r"msweb\.data:14:3: value '1013', .*an area"),
    ("msweb", "V,1012,1", "V,1012", r"msweb\.data:14:1: value 'V', expected fields I and 3"),
    ("msweb", 'C,"10002"', 'D,"10002"', r"msweb\.data:11:1: value 'D'"),
    ("msweb", 'C,"10002",10002\n', "", r"msweb\.data:11:3: value '1007', .*a visitor"),
    ("msweb", 'A,1003,1,"Never', 'A,1012,1,"Never', r"msweb\.data:9:3: .*an area once"),
    ("msweb", 'C,"10001"', 'C,""', r"msweb\.data:13:3: value '', expected an id"),
    ("msweb", '"/boats"', '"/boats', r"msweb\.data:10:10: .*quotes in pairs"),
    ("lastfm", "\t900", "\t0", r"user_artists\.dat:2:6: value '0', .*from 1 to inf"),
    ("lastfm", "\t900", "\t9.5", r"user_artists\.dat:2:6: value '9\.5', .*a whole number"),
    ("lastfm", "23\tNever", "Never", r"artists\.dat:5:23: .*4 fields, found 3"),
    ("far-trans", "5,Buy", "5,buy", r"transactions\.csv:2:15: value 'buy', .*one of Buy, Sell"),
    ("far-trans", "2019-03-01", "01/03/2019", r"transactions\.csv:3:19: .*date like %Y-%m-%d"),
    ("far-trans", ",2020-07-15", "", r"asset_information\.csv:2:56: .*9 fields, found 8"),
    ("far-trans", "OLD", "\udcceLD", r"asset_information\.csv:3:6: .*expected UTF-8"),
    ("mind-small", "N2-0 N1-0", "N2 N1", r"behaviors\.tsv:3:32: .*not 'N2'; .*no clicks"),
    ("mind-small", "N3-0 N1-1", "N3-0  N1-1", r"behaviors\.tsv:1:35: .*N7-0, not ''"),
    ("mind-small", "N3-0 N1-1", "N3-0 N1-2", r"behaviors\.tsv:1:35: .*not 'N1-2'"),
    ("mind-small", "11/9/2019", "2019-11-09", r"behaviors\.tsv:2:6: .*date like %m/%d/%Y"),
    ("mind-small", "\tNo.\thttps://n\t[]\t[]\nN3", "\nN3", r"news\.tsv:2:16: .*8 fields, found 4"),
    ("senate-trades", "Purchase,$1 - $2,,Zed", "Gift,$1 - $2,,Zed", r"csv:2:45: value 'Gift'"),
    ("senate-trades", "10/01/2012", "2012-10-01", r"csv:7:1: value '2012-10-01', .*%m/%d/%Y"),
    ("house-trades", "2021,2020-11-11,,REED", "2021,0010-11-11,,REED", r"csv:8:17: .*0010-11"),
    ("house-trades", "exchange", "gift", r"csv:8:45: value 'gift', .*one of purchase"),
    ("house-trades", "None Zed Fernweh", "", r"csv:6:61: value '', expected an id"),
    ("popquorn", "Moss.,5.0", "Moss.,6.0", r"raw_data\.csv:3:14: value '6\.0', .*from 1 to 5"),
    ("popquorn", "1280,9", "1280,nine", r"raw_data\.csv:3:6: value 'nine', .*whole number"),
    ("senate-trades", ",Bo Paper,", ",,", r"all_transactions\.csv:7:97: value '', .*an id"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message"), DAMAGED)
def test_a_damaged_row_is_named(place: Any, name: str, old: str, new: str, message: str) -> None:
    place(name, (old, new))
    with pytest.raises(BadFile, match=message):
        load(name)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("ml-100k-plots", "[[[1", "[[1", r"metadata\.json:1:\d+: value .*expected JSON"),
        ("ml-100k-plots", '"Plot": "It grows."', '"Plot": null',
         r"metadata\.json: record 3 is .*expected \[\[number"),
        ("ml-100k-plots", '[3, "Moss (1992)", "03"]', '["3"]', r"metadata\.json: record 3 is"),
        ("popquorn", "1280,9,Moss", "1280,9,Fern", "item 1280 has more than one text; fix"),
        ("mind-small", "N3-0", "N77-0", "'N77' among them"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_as_a_whole_is_named(
    place: Any, name: str, old: str, new: str, message: str
) -> None:
    place(name, (old, new))
    with pytest.raises(UserError, match=message):
        load(name)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe[", b"{}", b"[" * 200_000], ids=["16", "one", "deep"]
)
def test_what_is_no_list_of_plots_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plots.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)):
        module("ml-100k-plots").read_plots(path)


@pytest.mark.parametrize("name", ["amazon-beauty", "msweb"])
def test_an_empty_file_is_named(place: Any, name: str) -> None:
    place(name, *((text, "") for text in PUBLISHED[name].values()))
    with pytest.raises(BadFile, match=r":1:1: value '', expected at least one"):
        load(name)


def original(originals: Any, name: str, file: str) -> Path:
    path: Path = originals(name) / file
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


def test_the_original_of_the_senate_has_66_names_and_27_who_trade_in_10_assets(
    originals: Any,
) -> None:
    path = original(originals, "senate-trades", "all_transactions.csv")
    trades = module("senate-trades").read_trades(path)
    assert (trades.height, trades["user"].n_unique()) == (8_350, 66)
    traded = trades.filter(pl.col("type") != "N/A")
    assert (traded["user"].n_unique(), traded["item"].n_unique()) == (51, 2_122)
    assets = traded.group_by("user").agg(pl.col("item").n_unique())["item"]
    assert (assets >= 10).sum() == 27


def test_the_original_of_the_house_has_178_names_of_163_people_and_five_rows_without_a_date(
    originals: Any,
) -> None:
    path = original(originals, "house-trades", "all_transactions.csv")
    trades = module("house-trades").read_trades(path)
    counts = trades.height, trades["user"].n_unique(), trades["time"].null_count()
    assert counts == (14_180, 163, 5)
    assert trades["type"].eq("purchase").sum() == 7_371
    written = pl.read_csv(path, infer_schema=False)
    names = written.group_by("representative").agg(pl.col("asset_description").n_unique())
    assets = names["asset_description"]
    assert (len(assets), (assets >= 10).sum(), (assets >= 30).sum()) == (178, 97, 58)


def test_the_original_of_far_trans_has_806_assets(originals: Any) -> None:
    path = original(originals, "far-trans", "asset_information.csv")
    assets = module("far-trans").read_assets(path)
    assert assets.height == assets["item"].n_unique() == 806
    assert all(text == " ".join(text.split()) != "" for text in assets["text"])
