"""Anchors: what others published, replayed. The rows' sums, the replay itself, TALLRec's table.

With COLDBENCH_TEST_DATA, a folder of the originals, TALLRec's own rows too.
"""

import json
import os
import re
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from coldbench import registry
from coldbench.encoder import Items
from coldbench.errors import UserError
from tests import console

anchor: Any = import_module("coldbench.benchmarks.anchors._anchor")
few: Any = import_module("coldbench.benchmarks.anchors._tallrec_few")
films: Any = import_module("coldbench.benchmarks.anchors._tallrec")
language: Any = import_module("coldbench.benchmarks.anchors.tallrec_lm")
line: Any = import_module("coldbench.datasets._movies").line
replays: Any = import_module("coldbench.benchmarks.anchors.replay")
show: Any = import_module("coldbench.benchmarks.anchors.show")
simple: Any = import_module("coldbench.benchmarks.anchors._tallrec_simple")
tallrec: Any = import_module("coldbench.benchmarks.anchors.tallrec")
Row: Any = import_module("coldbench.benchmarks.anchors.row").Row

MADE_UP = '''"""Three splits of three users. Split 1 fails while a file says so."""
from pathlib import Path
import polars as pl
from .row import Row
NAME = "made-up"
SPLITS = 3
HERE = Path(__file__).parent

def measure(split):
    with (HERE / "measured.txt").open("a") as log:
        log.write(str(split))
    if split == 1 and (HERE / "broken").exists():
        raise ValueError("no such film")
    return pl.DataFrame({"user": [0, 1, 2], "value": [0.25, 0.5, 0.75]})

def rows(measured):
    return [Row(NAME, "theirs", "auc", 0.6), Row(NAME, "ours", "auc", None, 0.5).measured(measured)]
'''


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    path = tmp_path / "made_up.py"
    path.write_text(MADE_UP, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def parts() -> Any:
    """TALLRec's train, valid and test rows."""
    return films.train_valid_test()


def quiet(*_: object) -> None:
    pass


def test_a_row_is_a_mean_over_users_and_splits_with_interval_and_spread() -> None:
    values = pl.DataFrame(
        {"split": [0, 0, 1, 1, 1], "user": [7, 8, 7, 9, 8], "value": [0.2, 0.4, 0.4, 0.6, None]}
    )
    row = Row("a", "r", "auc", published=0.7, chance=0.5).measured(values)
    assert (row.published, row.chance) == (0.7, 0.5)
    assert row.ours == pytest.approx(0.4)
    assert row.spread == pytest.approx(np.std([0.3, 0.5], ddof=1))
    assert row.low < 0.4 < row.high


def test_one_split_has_no_spread_and_one_user_no_interval() -> None:
    row = Row("a", "r", "auc").measured(pl.DataFrame({"split": [0], "user": [3], "value": [1 / 3]}))
    assert row.spread is None
    record = row.as_json()
    assert record["ours"] == 0.333333
    assert (record["low"], record["high"], record["published"]) == (None, None, None)
    assert list(record) == "anchor row metric published chance ours low high spread note".split()


def test_the_table_is_grouped_by_anchor_and_its_numbers_are_aligned() -> None:
    rows = [Row("a", "theirs", "auc", 0.6), Row("a", "ours", "auc", None, 0.5, 0.7, 0.6, 0.8, 0.01)]
    first, head, theirs, ours = (
        show.plain([*rows, Row("b", "x", "mae")]).split("\n\n")[0].split("\n")
    )
    assert first == "a"
    assert theirs.index("0.6000") + 6 == head.index("published") + len("published")
    assert ours.index("[0.600, 0.800]") + 14 == head.index("95 % interval") + len("95 % interval")
    assert "| theirs | auc | 0.6000 |" in show.markdown(rows)


@pytest.mark.slow
def test_a_failing_split_loses_no_other_and_a_replay_goes_on_where_it_stopped(
    made_up: Path,
) -> None:
    folder, broken = made_up.parent / "runs", made_up.with_name("broken")
    broken.touch()
    rows, failed = replays.replay(anchor.named([str(made_up)]), folder, 1, quiet)
    assert failed == ["made-up failed: split 1: ValueError: no such film"]
    assert [(row.row, row.ours) for row in rows] == [("failed", None)]
    assert len(list((folder / "measured").glob("made_up-*.parquet"))) == 2

    broken.unlink()
    rows, failed = replays.replay(anchor.named([str(made_up)]), folder, 1, quiet)
    assert made_up.with_name("measured.txt").read_text() == "0121", "only split 1 was measured anew"
    assert not failed
    assert [(row.row, row.ours, row.spread) for row in rows] == [
        ("theirs", None, None),
        ("ours", pytest.approx(0.5), 0.0),
    ]
    kept = json.loads((folder / "anchors.json").read_text())
    assert kept == [row.as_json() for row in rows]

    made_up.write_text(MADE_UP.replace("0.25", "0.35"), encoding="utf-8")
    replays.replay(anchor.named([str(made_up)]), folder, 1, quiet)
    assert made_up.with_name("measured.txt").read_text() == "0121012", "changed code measures anew"


@pytest.mark.slow
def test_the_command_prints_the_table_and_ends_with_1_where_an_anchor_failed(made_up: Path) -> None:
    def ask() -> subprocess.CompletedProcess[str]:
        return console.coldbench(made_up.parent, "anchors", made_up.name, "-j", "1")

    made_up.with_name("broken").touch()
    done = ask()
    assert done.returncode == 1
    assert done.stderr == "made-up failed: split 1: ValueError: no such film\n"
    made_up.with_name("broken").unlink()
    done = ask()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"\[1/1\] made_up split 1: \d", done.stdout)
    assert re.search(r"ours +auc +0\.5000  0\.5000  \[0\.\d+, 0\.\d+\]   0\.000", done.stdout)
    assert "| theirs | auc | 0.6000 |" in (made_up.parent / "runs/anchors/anchors.md").read_text()


def test_a_wrong_name_says_what_is_near_it(tmp_path: Path) -> None:
    assert [known.path.stem for known in anchor.named(["tallrec", "tallrec-movie"])] == ["tallrec"]
    with pytest.raises(UserError, match="did you mean 'tallrec"):
        anchor.named(["talrec"])
    with pytest.raises(UserError, match="no file"):
        anchor.named([str(tmp_path / "mine.py")])
    (tmp_path / "tallrec.py").write_text("NAME = 'x'\n")
    with pytest.raises(UserError, match="rename yours"):
        anchor.named([str(tmp_path / "tallrec.py")])


def test_tallrecs_rows_are_as_many_and_as_liked_as_published(parts: Any) -> None:
    assert len(films.every_row().places) == 90_570
    assert [len(part.places) for part in parts] == [8000, 1000, 1000]
    assert [len(np.unique(part.users)) for part in parts] == [80, 14, 16]
    valid, test = (part.likes[part.places].mean() for part in parts[1:])
    assert (valid, test) == (pytest.approx(0.658), pytest.approx(0.528))


def test_neighbouring_parts_of_tallrecs_rows_share_one_user(parts: Any) -> None:
    train, valid, test = (set(part.users.tolist()) for part in parts)
    assert (len(train & valid), len(valid & test), len(train & test)) == (1, 1, 0)


def test_a_row_is_ten_films_of_its_user_and_the_next(parts: Any) -> None:
    test = parts[2]
    assert test.strips.shape == (1000, 11)
    assert (test.log.users[test.strips] == test.users[:, None]).all()
    assert (np.diff(test.log.times[test.strips], axis=1) >= 0).all()
    batch = next(test.as_episodes().batches(10))
    assert (batch.support.items.shape, batch.query.items.shape) == ((256, 10), (256, 1))
    assert batch.query.labels[:, 0].tolist() == test.likes[test.places[:256]].tolist()


def test_a_film_reads_as_its_title_alone(parts: Any) -> None:
    text = parts[2].films.text
    assert not any(
        re.search(r": (Drama|Comedy|Action|Thriller|Romance|Horror)", title) for title in text
    )
    assert np.mean([bool(re.search(r"\((19\d\d)\)$", title)) for title in text]) > 0.99


def test_constant_is_chance_and_what_needs_no_training_measures_as_before(parts: Any) -> None:
    test = parts[2]
    scored = {
        "constant": np.full(1000, 0.5),
        "history like-rate": simple.like_rate(test),
        "item like-rate": simple.item_like_rate(test),
    }
    asked = {"samples": 0, "user": test.users, "label": test.likes[test.places], "split": 0}
    frames = [
        pl.DataFrame({"row": n, **asked, "score": s.astype(float)}) for n, s in scored.items()
    ]
    rows = {(row.row, row.metric): row for row in tallrec.rows(pl.concat(frames))}
    assert rows["TALLRec LLaMA-7B, 64 rows", "auc-pooled"].published == 0.6748
    for metric in ("auc-pooled", "auc"):
        row = rows["constant", metric]
        assert row.ours == row.low == row.high == row.chance == 0.5
    levels = {key: round(row.ours, 3) for key, row in rows.items() if row.ours not in (None, 0.5)}
    assert levels == {
        ("history like-rate", "auc-pooled"): 0.726,
        ("history like-rate", "auc"): 0.541,
        ("item like-rate", "auc-pooled"): 0.700,
        ("item like-rate", "auc"): 0.760,
    }
    assert rows["history like-rate", "auc-pooled"].low < 0.6724, "16 users: TALLRec's lies inside"


def test_a_few_shot_method_learns_from_the_drawn_rows_alone(parts: Any) -> None:
    train, _, test = parts
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(len(test.films), 8, generator=generator)
    items = Items(torch.nn.functional.normalize(features), test.films)
    drawn, ridge = train.part(np.arange(0, 8000, 500)), registry.find("methods", "ridge")
    score = few.few_shot(ridge(), drawn, test, items, seed=3)
    assert score.shape == (1000,)
    assert ((score > 0) & (score < 1)).all()
    assert (score == few.few_shot(ridge(), drawn, test, items, seed=3)).all()
    other = train.part(np.arange(1, 8000, 500))
    assert (score != few.few_shot(ridge(), other, test, items, seed=3)).any()


def test_the_rows_to_choose_by_are_those_of_other_users(parts: Any) -> None:
    drawn = parts[0].part(np.random.default_rng(0).choice(8000, 64, replace=False))
    held = few._of_some_users(drawn, 0)
    assert not set(drawn.users[held]) & set(drawn.users[~held])
    assert 16 <= held.sum() < 32


def test_a_language_model_is_taught_with_so_many_rows_and_untuned_with_none(
    parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = []

    def few_shot(learner: Any, drawn: Any, test: Any, items: Any, seed: int) -> Any:
        assert (learner.shots, seed) == (10, 0)
        taught.append((type(learner).__name__, learner.meta_steps > 0, len(drawn.places)))
        if taught[-1] == ("Instruct", True, 64):
            return np.linspace(1, 0, len(test.places))
        return np.linspace(0, 1, len(test.places))

    monkeypatch.setattr(language, "few_shot", few_shot)
    monkeypatch.setattr(language, "train_valid_test", lambda: parts)
    frames = [language.measure(at).with_columns(split=pl.lit(at)) for at in range(language.SPLITS)]
    tuned = ("Instruct", "Preference", "SoftPrompt")
    assert taught[:2] == [("Instruct", False, 16), ("SoftPrompt", False, 16)]
    assert taught[2:] == [(name, True, n) for n in (16, 64, 256) for name in tuned]
    rows = {(row.row, row.metric): row for row in language.rows(pl.concat(frames))}
    assert rows["TALLRec LLaMA-7B, 16 rows", "auc-pooled"].published == 0.6724
    likes = parts[2].likes[parts[2].places]
    counted, asked = simple.like_rate(parts[2]), np.linspace(0, 1, 1000)
    for row, scores in {
        "history like-rate": counted,
        "instruct:untuned": asked,
        "soft-prompt:untuned": asked,
        "instruct, 64 rows": -asked,
        "preference, 256 rows": asked,
    }.items():
        assert rows[row, "auc-pooled"].ours == pytest.approx(_auc(scores, likes))
        assert rows[row, "auc"].ours is not None
    kept = "untuned: no step lowered the loss of the rows to choose by; 1 draw; TALLRec-7B's 0.6724"
    assert rows["instruct, 16 rows", "auc-pooled"].note.startswith(kept)
    assert rows["instruct, 64 rows", "auc-pooled"].note.startswith("1 draw; TALLRec-7B's 0.6748 is")


def _auc(scores: Any, likes: Any) -> float:
    """The share of pairs of a like and a dislike in order, a tie half of one."""
    apart = np.sign(scores[likes > 0][:, None] - scores[likes == 0])
    return float((1 + apart.mean()) / 2)


@pytest.mark.skipif("COLDBENCH_TEST_DATA" not in os.environ, reason="no originals here")
@pytest.mark.parametrize(("name", "at"), [("valid", 1), ("test", 2)])
def test_every_row_is_tallrecs_own(parts: Any, name: str, at: int) -> None:
    path = Path(os.environ["COLDBENCH_TEST_DATA"]) / "tallrec" / f"{name}.json"
    rows, likes = parts[at], parts[at].likes
    ours = [
        (rows.films.text[rows.log.items[place]], bool(likes[place]), int(likes[strip[:-1]].sum()))
        for place, strip in zip(rows.places, rows.strips, strict=True)
    ]
    assert ours == [_told(row) for row in json.loads(path.read_text(encoding="utf-8"))]


def _told(row: dict[str, str]) -> tuple[str, bool, int]:
    """The film asked for as the catalogue writes it, whether it is liked, how many were before."""
    liked = row["input"].split("\n")[0].removeprefix("User Preference: ")
    asked = re.search(r'the target movie "(.*)"\?$', row["input"])
    assert asked
    return line(asked[1]), row["output"] == "Yes.", len(re.findall(r'"(?=, "|$)', liked))
