"""`coldbench describe` and `validate`: counts that can be checked by eye, and every problem."""

import json
import struct
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from coldbench import registry

about: Any = import_module("coldbench.benchmarks.commands.describe")

Ask = Callable[..., Any]
LOG = """\
user,item,rating,time
ann,p1,5,10
ann,p2,4,20
ann,p3,1,20
bob,p1,2,10
bob,p1,3,20
"""
ITEMS = "item,title,kind\np1,Lamp,a|b\np2,Chair,a\np3,,c\n"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(LOG)
    return tmp_path


def described(ask: Ask, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ask("describe", *words, "--json").stdout)
    return document


def test_a_small_log_is_described_as_by_eye(ask: Ask) -> None:
    Path("items.csv").write_text(ITEMS)
    document = described(ask, "log.csv", "--with", "items=items.csv", "--with", "tags=kind")
    per_user = document.pop("interactions_per_user")
    assert [per_user[part] for part in ("least", "median", "most", "mean")] == [1, 2, 3, 2]
    per_item = document.pop("interactions_per_item")
    assert [per_item[part] for part in ("least", "median", "most")] == [1, 1, 2]
    letters = document["text"].pop("characters")
    assert [letters[part] for part in ("least", "median", "most")] == [2, 4, 5]
    assert document == {
        "name": "log",
        "domain": "yours",
        "licence": "yours",
        "users": 2,
        "items": 3,
        "interactions": 4,
        "duplicates_dropped": 1,
        "density": 4 / 6,
        "can_be_met": {
            "query": 10,
            "at_k": {"0": 0, "1": 0, "2": 0, "4": 0, "8": 0, "16": 0},
            "users_too_short": 2,
            "why": "fewer than 16 + 10 = 26 interactions",
        },
        "labels": {
            "kind": "ratings",
            "scale": [1, 5],
            "like_above": 3.5,
            "likes": 0.5,
            "users_of_one_label": 1,
            "ratings": {"1": 1, "3": 1, "4": 1, "5": 1},
        },
        "times": {
            "known": True,
            "first": "1970-01-01T00:00:10",
            "last": "1970-01-01T00:00:20",
            "at_once": 0.25,
        },
        "popularity": {"top_1%": 0.5, "top_10%": 0.5, "top_50%": 0.5, "gini": pytest.approx(1 / 6)},
        "text": {"items_without_text": 1, "tags": 3, "vectors": None},
        "columns_left_alone": [],
        "refused": "",
    }


def test_users_can_be_met_at_k_who_have_as_many_interactions_and_a_query(ask: Ask) -> None:
    lengths = {"a": 9, "b": 10, "c": 13, "d": 14, "e": 25, "f": 26}
    rows = [f"{user},p{i},3,{i}" for user, length in lengths.items() for i in range(length)]
    Path("log.csv").write_text("\n".join(["user,item,rating,time", *rows]))
    met = described(ask, "log.csv")["can_be_met"]
    assert met["at_k"] == {"0": 5, "1": 4, "2": 4, "4": 3, "8": 2, "16": 1}
    assert met["users_too_short"] == 5


def test_likes_alone_have_no_scale_and_a_log_may_have_no_times(ask: Ask) -> None:
    document = described(ask, "log.csv", "--with", "rating=none", "--with", "time=none")
    assert document["labels"] == {"kind": "likes only"}
    assert document["times"] == {"known": False, "order": "unknown: at random"}
    assert document["text"]["items_without_text"] == 3
    _, out, _ = ask("describe", "log.csv", "--with", "rating=none", "--with", "time=none")
    assert "likes only" in out and "at random" in out and "3.5" not in out


def test_many_different_ratings_are_not_told_one_by_one(ask: Ask) -> None:
    rows = [f"a,p{i},{1 + i / 10},{i}" for i in range(21)]
    Path("log.csv").write_text("\n".join(["user,item,rating,time", *rows]))
    assert "ratings" not in described(ask, "log.csv")["labels"]
    ask("describe", "log.csv", "--figure", "log.png")


def test_popularity_knows_all_alike_from_one_for_all() -> None:
    assert about.popularity_of(np.full(100, 7))["gini"] == pytest.approx(0)
    assert about.popularity_of(np.full(100, 7))["top_10%"] == pytest.approx(0.1)
    single = about.popularity_of(np.eye(100, dtype=int)[0])
    assert single["gini"] == pytest.approx(0.99) and single["top_1%"] == 1


def test_json_is_one_document_and_nothing_else_with_a_figure_too(ask: Ask) -> None:
    _, out, err = ask("describe", "log.csv", "--json", "--figure", "figures/log.png")
    assert json.loads(out)["users"] == 2
    assert err == "figures/log.png\n"


def test_people_are_told_the_same_in_words(ask: Ask) -> None:
    out = " ".join(ask("describe", "log.csv").stdout.split())
    for words in (
        "users 2 items 3",
        "interactions 4: 66.67% of all pairs",
        "duplicates dropped 1",
        "users too short 2: fewer than 16 + 10 = 26 interactions",
        "50% likes, rated above 3.5 of 1 to 5; 1 users like all or nothing",
        "1970-01-01T00:00:10 to 1970-01-01T00:00:20",
    ):
        assert words in out


@pytest.mark.parametrize("options", [[], ["--with", "rating=none"]])
def test_the_figure_is_a_png_of_a_sane_size_with_something_on_it(
    ask: Ask, options: list[str]
) -> None:
    Path("$x^$.csv").write_text(LOG)  # no formula
    ask("describe", "$x^$.csv", *options, "--figure", "log.png")
    content = Path("log.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) < 1_000_000
    width, height = struct.unpack(">2I", content[16:24])
    assert 900 <= width <= 2000 and 400 <= height <= 800
    pixels = imread("log.png")[..., :3]
    blue = (pixels[..., 2] - pixels[..., 0] > 0.5).mean(0)
    panels = 2 if options else 3
    for panel in range(panels):
        assert blue[panel * width // panels : (panel + 1) * width // panels].any(), "empty panel"


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_the_figure_may_be_svg_or_pdf(ask: Ask, ending: str) -> None:
    ask("describe", "log.csv", "--figure", f"log.{ending}")
    assert Path(f"log.{ending}").read_bytes()[:5] in (b"<?xml", b"%PDF-")


def test_a_figure_of_another_ending_is_told(ask: Ask) -> None:
    _, _, err = ask("describe", "log.csv", "--figure", "log.xyz", code=2)
    assert "--figure log.xyz: end its name in .png, .svg or .pdf" in err
    assert not Path("log.xyz").exists()


def test_registered_datasets_are_described_too(ask: Ask) -> None:
    document = described(ask, "synthetic", "--with", "n_users=5", "--with", "per_user=7")
    assert (document["name"], document["users"], document["interactions"]) == ("synthetic", 5, 35)
    facts = registry.find("datasets", "synthetic")
    assert (document["domain"], document["licence"]) == (facts.domain, facts.licence)
    assert document["text"]["vectors"] == 8


def test_a_sound_file_is_told_with_its_counts_and_duplicates(ask: Ask) -> None:
    _, out, err = ask("validate", "log.csv", "--with", "scale=[1, 5]")
    line = "log.csv: sound: 2 users, 3 items, 4 interactions, 1 duplicates dropped"
    assert out == f"{line} (the last was kept)\n" and err == ""
    Path("log.csv").write_text(LOG.replace("bob,p1,2,10\n", ""))
    assert ask("validate", "log.csv").stdout == "log.csv: sound: 2 users, 3 items, 4 interactions\n"


def test_every_problem_of_both_files_is_told_and_the_end_is_2(ask: Ask) -> None:
    Path("log.csv").write_text(LOG.replace(",5,", ",6,").replace("ann,p3", "ann,"))
    Path("items.csv").write_text(ITEMS.replace("p2,", " p2,").replace(",c", ""))
    _, out, err = ask("validate", "log.csv", "--with", "items=items.csv", code=2)
    lines = out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "log.csv:2:8",
        "log.csv:4:5",
        "items.csv:3:1",
        "items.csv:4:4",
        "log.csv",
    ]
    assert lines[-1] == "log.csv: 4 problems" and err == ""


def test_the_logs_problems_are_told_where_the_table_of_items_cannot_be_looked_at(ask: Ask) -> None:
    Path("log.csv").write_text(LOG.replace(",5,", ",6,"))
    Path("items.csv").write_text(ITEMS)
    words = ["--with", "items=items.csv", "--with", "text={titel}"]
    _, out, _ = ask("validate", "log.csv", *words, code=2)
    first, second, last = out.splitlines()
    assert first.startswith("log.csv:2:8: value '6'") and "did you mean 'title'?" in second
    assert last == "log.csv: 2 problems"


def test_what_is_wrong_between_two_sound_files_is_told(ask: Ask) -> None:
    Path("items.csv").write_text(ITEMS.replace("p2,", "p9,"))
    _, out, _ = ask("validate", "log.csv", "--with", "items=items.csv", code=2)
    assert "items.csv: 1 items of the log are not in the table of items, 'p2' among them" in out


def test_of_several_files_each_is_told_and_one_that_is_bad_makes_the_end_2(ask: Ask) -> None:
    Path("bad.csv").write_text("user,item\nann,\n")
    _, out, _ = ask("validate", "bad.csv", "log.csv", "--with", "rating=none", code=2)
    assert "bad.csv:2:5: value ''" in out and "bad.csv: 1 problems" in out
    assert "log.csv: sound" in out


def test_a_thousand_problems_of_one_kind_are_one_line(ask: Ask) -> None:
    Path("log.csv").write_text("user,item,rating\n" + "ann,,5\n" * 1500)
    first, last = ask("validate", "log.csv", code=2).stdout.splitlines()
    assert first.startswith("log.csv:2:5: value ''") and first.endswith("(and 999 more like it)")
    assert last == "log.csv: 1,000 problems or more"


def test_each_kind_of_problem_has_its_line_and_each_column(ask: Ask) -> None:
    rows = ["ann,,5", ",p1,5", "ann,,6", "bob,p2,6", "bob,p2"]
    Path("log.csv").write_text("\n".join(["user,item,rating", *rows]))
    *lines, last = ask("validate", "log.csv", code=2).stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"log.csv:{at}" for at in ("2:5", "3:1", "4:6", "6:5")
    ]
    assert [line.count("(and 1 more like it)") for line in lines] == [1, 0, 1, 0]
    assert last == "log.csv: 6 problems"


def test_columns_that_nobody_reads_are_named_everywhere(ask: Ask) -> None:
    Path("log.csv").write_text(LOG.replace("time", "time,note,price").replace("0\n", "0,,\n"))
    assert ask("validate", "log.csv").stdout.endswith("; columns left alone: note, price\n")
    assert "columns left alone note, price" in " ".join(ask("describe", "log.csv").stdout.split())
    assert described(ask, "log.csv")["columns_left_alone"] == ["note", "price"]
    run = ["run", "-d", "log.csv", "-m", "constant", "--dry-run", "--set", "encoder=vectors"]
    assert "log.csv: columns left alone: note, price" in ask(*run).stderr
    words = ["--with", "rating=none", "--with", "time=none"]
    output = ask("validate", "log.csv", *words).stdout
    assert ", likes only, no times; columns left alone: rating, time, note, price" in output


def test_a_log_of_one_class_is_described_and_not_run(ask: Ask) -> None:
    Path("log.csv").write_text("user,item,rating\n" + "".join(f"ann,p{i},5\n" for i in range(30)))
    _, out, _ = ask("describe", "log.csv")
    assert "100% likes" in out and "cannot be run" in out
    assert "all are likes" in described(ask, "log.csv")["refused"]
    assert "all are likes" in ask("validate", "log.csv", code=2).stdout
    assert "all are likes" in ask("run", "-d", "log.csv", "-m", "constant", code=2).stderr
