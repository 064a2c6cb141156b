"""Loaders of shops, portals, news, music, finance and comments, on made-up files of their form.

With COLDBENCH_TEST_DATA, a folder of the originals, the counts of the originals too.
"""

from importlib import import_module
from typing import Any

import polars as pl
import pytest

from coldbench import registry
from coldbench.errors import BadFile, UserError
from tests.published import PUBLISHED, load, rows

DAY = 86_400


def module(name: str) -> Any:
    return import_module(f"coldbench.datasets.{name.replace('-', '_')}")


def test_of_a_coat_rated_twice_the_rating_under_lot_is_kept(place: Any) -> None:
    place("coat")
    log, coats = load("coat")
    assert rows(log, coats) == [
        (0, "0", 1.0, None),
        (0, "1", 2.0, None),
        (1, "0", 5.0, None),
        (1, "1", 3.0, None),
    ]
    assert log.duplicates == 1
    assert not registry.find("datasets", "coat").ordered


def test_a_coat_is_told_by_its_attributes_but_not_by_where_the_shop_showed_it(place: Any) -> None:
    place("coat", ("0 4 0", "0 4 2"))
    _, coats = load("coat")
    assert coats.text == (
        "men's parka, navy",
        "women's bomber jacket",
        "women's jacket, many colours",
    )
    assert coats.tags == (("men", "parkas", "navy"), ("women", "bomber"), ("women", "multi"))


def test_amazon_beauty_keeps_a_shoppers_order_and_has_likes_alone(place: Any) -> None:
    place("amazon-beauty")
    log, products = load("amazon-beauty")
    assert rows(log, products) == [
        (0, "B0FERN", 1.0, None),
        (0, "B0PEAR", 1.0, None),
        (1, "B0PEAR", 1.0, None),
        (1, "B0MINT", 1.0, None),
        (1, "B0FERN", 1.0, None),
    ], "A10USER stands before A9USER, as text"
    dataset = registry.find("datasets", "amazon-beauty")
    assert dataset.ordered and not dataset.explicit


def test_a_product_without_a_name_is_called_by_its_id(place: Any) -> None:
    place("amazon-beauty")
    _, products = load("amazon-beauty")
    assert products.ids == ("B0FERN", "B0MINT", "B0PEAR"), "what nobody bought is left out"
    assert products.text == ("fern soap bar 3 oz", "B0MINT", "pear hand cream")


def test_msweb_is_read_line_by_line_visitors_above_their_visits(place: Any) -> None:
    place("msweb")
    log, areas = load("msweb")
    assert rows(log, areas) == [
        (0, "1012", 1.0, None),
        (0, "1007", 1.0, None),
        (1, "1007", 1.0, None),
    ]
    assert areas.text == ('Ponds, Reeds and "Moss" (/ponds)', "Boats (/boats)")
    dataset = registry.find("datasets", "msweb")
    assert not dataset.explicit and not dataset.ordered


def test_an_artist_of_lastfm_is_liked_where_played_above_the_users_own_median(place: Any) -> None:
    place("lastfm")
    log, artists = load("lastfm")
    assert rows(log, artists) == [
        (0, "21", 1.0, None),
        (0, "20", 0.0, None),
        (0, "22", 0.0, None),
        (1, "20", 1.0, None),
        (1, "21", 0.0, None),
    ]
    assert artists.text == ("The Quiet Pond", '"Été" 三船', "Reed & Moss")
    assert registry.find("datasets", "lastfm")().explicit


def test_lastfm_can_be_a_log_of_likes_alone(place: Any) -> None:
    place("lastfm")
    log, _ = load("lastfm", positive_only=True)
    assert log.ratings.tolist() == [1.0] * 5
    assert not registry.find("datasets", "lastfm")(positive_only=True).explicit


def test_of_several_trades_of_far_trans_the_last_counts(place: Any) -> None:
    place("far-trans")
    log, assets = load("far-trans")
    march_2019, january_2018 = 17_956 * DAY, 17_533 * DAY
    assert rows(log, assets) == [
        (0, "XS03", 1.0, march_2019),
        (0, "GR01", 0.0, march_2019 + 8 * DAY),
        (1, "GR02", 0.0, january_2018),
        (1, "XS03", 0.0, january_2018),
    ]
    assert log.duplicates == 2


def test_an_asset_of_far_trans_is_told_by_its_latest_record(place: Any) -> None:
    place("far-trans")
    _, assets = load("far-trans")
    told = dict(zip(assets.ids, zip(assets.text, assets.tags, strict=True), strict=True))
    assert told == {
        "GR01": ("POND S.A. (CR): stock, Basic Materials, Water", ("stock", "Basic Materials")),
        "GR02": ('ΛΙΜΝΗ "ΔΙΕΘΝΕΣ", ΟΜΟΛΟΓΙΑΚΟ: mutual fund, Bond', ("mutual fund", "Bond")),
        "XS03": ("MOSS23: bond, Corporate, Real Estate - Development", ("bond", "Corporate")),
    }


def test_news_of_mind_is_clicked_or_passed_over_and_the_last_time_counts(place: Any) -> None:
    place("mind-small")
    log, news = load("mind-small")
    noon = 18_212 * DAY + 12 * 3600  # of November 12, 2019
    assert rows(log, news) == [
        (0, "N2", 0.0, noon - 35_115),
        (0, "N3", 0.0, noon + 8_086),
        (0, "N1", 1.0, noon + 8_086),
        (1, "N1", 0.0, 18_209 * DAY),
    ], "clicks of the history have no time: N9 is not there"
    assert log.duplicates == 1


def test_news_of_mind_is_its_title_and_abstract_on_one_line(place: Any) -> None:
    place("mind-small")
    _, news = load("mind-small")
    assert news.text == ('Frogs "Win". The frogs won.', "Is It Late? No.", "Rain Today")
    assert news.tags == (("sports", "pond_polo"), ("news", "newsus"), ("weather",))


def test_a_fragment_of_mind_is_not_taken_for_mind_small(place: Any) -> None:
    place("mind-small", folder="mind")
    with pytest.raises(UserError, match=r"MINDsmall_train\.zip is not to be had"):
        load("mind-small")


def test_a_senator_who_sold_last_does_not_like_and_paper_exchanges_and_options_say_nothing(
    place: Any,
) -> None:
    place("senate-trades")
    log, assets = load("senate-trades")
    november, december_2012 = 18_576 * DAY, 15_705 * DAY
    farm = "... Farms III, LLC (Moss, ME)"
    assert rows(log, assets) == [
        (0, "POND", 1.0, november),
        (0, farm, 1.0, november + 2 * DAY),
        (1, "REED", 1.0, december_2012),
        (1, "POND", 0.0, november),
    ], "Zed stands first in the file"
    assert log.duplicates == 2
    assert assets.text == ("Pond & Reed Inc.", farm, "Reed Corp. (NYSE)")
    assert assets.tags == (("Stock",), ("Non-Public Stock",), ())


def test_no_senators_name_is_kept(place: Any) -> None:
    place("senate-trades")
    log, assets = load("senate-trades")
    for name in ("Fernweh", "Zed", "Zweig", "Ann", "Paper"):
        assert name not in repr((log, assets))


def test_a_member_of_the_house_is_one_however_written_and_rows_without_a_date_are_left_out(
    place: Any,
) -> None:
    place("house-trades")
    log, assets = load("house-trades")
    november, moss = 18_576 * DAY, "Moss (2020 Trust FBO ... Children)"
    assert rows(log, assets) == [
        (0, "POND", 0.0, november),
        (0, moss, 1.0, november + 2 * DAY),
        (1, "REED", 0.0, november + 2 * DAY),
    ], "neither options, nor exchanges, nor 0009-06-09 and 20221-11-18"
    assert log.duplicates == 1
    assert assets.text == ("Pond & Reed plc", moss, "Reed Note Call")


def test_comments_of_popquorn_are_rated_by_people_whose_groups_are_known(place: Any) -> None:
    place("popquorn")
    log, comments = load("popquorn")
    assert rows(log, comments) == [
        (0, "1280", 5.0, None),
        (1, "530", 1.0, None),
        (1, "1280", 2.0, None),
    ]
    assert comments.text == ('A "deep" pond, is it?', "Moss.")
    people = registry.find("datasets", "popquorn")().people()
    assert people.rows() == [
        ("Woman", "Asian", ">65", "Other"),
        ("Man", "White", "35-39", "College degree"),
    ], "9 stands before 10, as in the log"


def test_two_texts_of_a_comment_are_named(place: Any) -> None:
    place("popquorn", ("1280,9,Moss", "1280,9,Fern"))
    with pytest.raises(UserError, match="item 1280 has more than one text; fix"):
        load("popquorn")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("coat", "5 0 0", "5 0 6", r"train\.ascii:2:5: value '6', .*from 0 to 5"),
        ("coat", "1 2 0", "1 2", r"test\.ascii:1:3: .*3 fields, found 2"),
        (
            "coat",
            "0 1 1 0 0 0 0",
            "0 2 1 0 0 0 0",
            r"item_features\.ascii:2:3: value '2', .*from 0 to 1",
        ),
        ("coat", "1 0 0 0 1 1", "1 0 0 1 1 1", r"features\.ascii:1:1: .*one flag of jackettype"),
        ("coat", "gender:women", "women", r"features_map\.txt:2:1: .*2 fields, found 1"),
        ("amazon-beauty", "B0MINT B0FERN", "B0MINT  B0FERN", r"sequence\.txt:1:22: .*an id"),
        (
            "amazon-beauty",
            "A10USER B0FERN B0PEAR",
            "A10USER",
            r"sequence\.txt:2:1: value 'A10USER'",
        ),
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
        (
            "mind-small",
            "\tNo.\thttps://n\t[]\t[]\nN3",
            "\nN3",
            r"news\.tsv:2:16: .*8 fields, found 4",
        ),
        ("senate-trades", "Purchase,$1 - $2,,Zed", "Gift,$1 - $2,,Zed", r"csv:2:45: value 'Gift'"),
        ("senate-trades", "10/01/2012", "2012-10-01", r"csv:7:1: value '2012-10-01', .*%m/%d/%Y"),
        ("house-trades", "2021,2020-11-11,,REED", "2021,0010-11-11,,REED", r"csv:8:17: .*0010-11"),
        ("house-trades", "exchange", "gift", r"csv:8:45: value 'gift', .*one of purchase"),
        ("house-trades", "None Zed Fernweh", "", r"csv:6:61: value '', expected an id"),
        ("popquorn", "Moss.,5.0", "Moss.,6.0", r"raw_data\.csv:3:14: value '6\.0', .*from 1 to 5"),
        ("popquorn", "1280,9", "1280,nine", r"raw_data\.csv:3:6: value 'nine', .*whole number"),
        ("senate-trades", ",Bo Paper,", ",,", r"all_transactions\.csv:7:97: value '', .*an id"),
    ],
)
def test_a_damaged_row_is_named(place: Any, name: str, old: str, new: str, said: str) -> None:
    place(name, (old, new))
    with pytest.raises(BadFile, match=said):
        load(name)


def test_an_item_that_no_table_tells_of_is_named(place: Any) -> None:
    place("mind-small", ("N3-0", "N77-0"))
    with pytest.raises(UserError, match="'N77' among them"):
        load("mind-small")


@pytest.mark.parametrize("name", ["amazon-beauty", "msweb"])
def test_an_empty_file_is_named(place: Any, name: str) -> None:
    place(name, *((text, "") for text in PUBLISHED[name].values()))
    with pytest.raises(BadFile, match=r":1:1: value '', expected at least one"):
        load(name)


def test_the_original_of_the_senate_has_66_names_and_27_who_trade_in_10_assets(
    originals: Any,
) -> None:
    path = originals("senate-trades") / "all_transactions.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    rows = module("senate-trades").read_trades(path)
    assert (rows.height, rows["user"].n_unique()) == (8_350, 66)
    traded = rows.filter(pl.col("type") != "N/A")
    assert (traded["user"].n_unique(), traded["item"].n_unique()) == (51, 2_122)
    assets = traded.group_by("user").agg(pl.col("item").n_unique())["item"]
    assert (assets >= 10).sum() == 27


def test_the_original_of_the_house_has_178_names_of_163_people_and_five_rows_without_a_date(
    originals: Any,
) -> None:
    path = originals("house-trades") / "all_transactions.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    rows = module("house-trades").read_trades(path)
    assert (rows.height, rows["user"].n_unique(), rows["time"].null_count()) == (14_180, 163, 5)
    assert rows["type"].eq("purchase").sum() == 7_371
    written = pl.read_csv(path, infer_schema=False)
    assets = written.group_by("representative").agg(pl.col("asset_description").n_unique())
    told = assets["asset_description"]
    assert (len(told), (told >= 10).sum(), (told >= 30).sum()) == (178, 97, 58)


def test_the_original_of_far_trans_has_806_assets(originals: Any) -> None:
    path = originals("far-trans") / "asset_information.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    assets = module("far-trans").read_assets(path)
    assert assets.height == assets["item"].n_unique() == 806
    assert all(text == " ".join(text.split()) != "" for text in assets["text"])
