"""Every picture shows the frame it is of, is the same twice, and survives the words of others."""

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

import coldbench
from coldbench.cell import Spec, write_plan
from coldbench.errors import UserError
from coldbench.results.critical_difference import critical
from coldbench.results.paired import ALPHA
from coldbench.results.results import Results, read
from coldbench.results.trials import add_trial
from tests import fake_run

ACROSS = {"rolling", "elicitation"}  # of several protocols: test_rolling.py, test_elicitation.py
room: Any = import_module("coldbench.reports._figures")
draw: Any = import_module("coldbench.reports._svg")
settings: Any = import_module("coldbench.reports._setting").settings
HOSTILE = r"""=<b style="x:y" id="z">$x_1$ \frac{1}{2} 100% & _a_ ^2"""
FRAMES = {
    "wins": "pairs", "profile": "profiles", "control": "controls", "popularity": "subgroups",
    "groups": "subgroups", "calibration": "reliability", "exposure": "exposure", "steps": "steps",
    "kshot": "table", "gains": "gains", "tuning": "trials",
}  # fmt: skip


def whole(run: Path, **more: Any) -> Path:
    """The fake run with what a real one keeps beside its scores, and an adapter of two ranks."""
    fake_run.build(run, **more)
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    specs = [Spec(**fields) for fields in plan]
    first = next(spec for spec in specs if spec.method == "ridge")
    for rank in (1, 4):
        for seed in (0, 1):
            which = replace(first, method="lora", params={"rank": rank}, seed=seed)
            timing = {"shots": 2, "adapt_ms_p50": 1.0, "adapt_ms_p95": 2.0,
                      "state_bytes_per_user": 512.0 * rank}  # fmt: skip
            scores = fake_run.made_up("ridge", seed, more.get("users", 30))
            fake_run.write_cell(run, which, "done", scores=scores, timing=timing, family="peft")
            specs.append(which)
    write_plan(run, specs)
    for spec in specs:
        folder, split = run / "cells" / spec.fingerprint, run / "splits" / spec.split_key
        if not (folder / "scores.parquet").is_file():
            continue
        scores = pl.read_parquet(folder / "scores.parquet").filter(shots=2)
        scores.with_columns(score=pl.col("score").reverse()).write_parquet(
            folder / "swapped.parquet"
        )
        if not split.is_dir():
            split.mkdir(parents=True)
            people = pl.DataFrame({"user": sorted(set(scores["user"]))}).with_columns(
                activity=10 + pl.int_range(pl.len()), entropy=pl.lit(0.5),
                kind=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit(HOSTILE)).otherwise(
                    pl.lit("others")),
            )  # fmt: skip
            people.write_parquet(split / "users.parquet")
            items = {"item": np.arange(6, dtype=np.int32), "seen": np.array([0, 1, 5, 9, 20, 40])}
            pl.DataFrame(items).write_parquet(split / "items.parquet")
        if spec.method in ("ridge", "lora") and spec.seed == 0:
            steps = [
                scores.select(
                    pl.lit(step, pl.Int32).alias("step"), pl.lit(query).alias("query"),
                    "user", "item", "label", pl.col("score") * (1 - 0.1 * step),
                )
                for step in range(3) for query in (True, False)
            ]  # fmt: skip
            pl.concat(steps).write_parquet(folder / "trace.parquet")
        fake_run.reseal(folder)
    search(run, specs[0].dataset)
    return run


def search(run: Path, dataset: str) -> None:
    """What `coldbench tune` leaves of two methods: one that gains, one that fails at first."""
    for method, values in (("ridge", [0.62, 0.6, 0.7, 0.59]), (HOSTILE, [None, 0.61, 0.64])):
        for number, value in enumerate(values, 1):
            trial = replace(
                fake_run.trial(value, number, {"tau": number}), dataset=dataset, seconds=0.5,
                protocol="user-cold", method=method, by_user=[value, value],
                reason="" if value else f"ValueError: {HOSTILE}",
            )  # fmt: skip
            add_trial(run, trial)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read(whole(tmp_path_factory.mktemp("runs") / "toy", users=60), resamples=100)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Results:
    run = tmp_path_factory.mktemp("runs") / "evil"
    return read(whole(run, dataset=HOSTILE, limit=30), resamples=50)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A run of before: scores and timings alone."""
    return read(fake_run.build(tmp_path_factory.mktemp("runs") / "old"), resamples=50)


def picture(results: Results, name: str) -> Any:
    setting = import_module("coldbench.reports._setting").settings(results)[0]
    return (
        room.OF_SETTING[name].draw(setting)
        if name in room.OF_SETTING
        else room.OF_RUN[name].draw(results)
    )


def every(results: Results) -> list[Any]:
    settings = [drawing for many in room.pictures(results).values() for drawing in many]
    return [*settings, *room.run_pictures(results)]


def words(figure: Any) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_whole_run_has_every_picture_in_reading_order(results: Results) -> None:
    names = [drawing.name for drawing in every(results)]
    one_protocol = [name for name in room.OF_RUN if name not in ACROSS]
    assert names == [*room.OF_SETTING, *one_protocol]
    for drawing in every(results):
        assert drawing.title and drawing.caption and drawing.how, drawing.name


@pytest.mark.parametrize("name", FRAMES)
def test_the_table_of_a_picture_is_of_the_frame_it_shows(results: Results, name: str) -> None:
    frame, shown = getattr(results, FRAMES[name]), picture(results, name).table
    same = [column for column in shown.columns if column in frame.columns]
    if name == "exposure":  # value, low and high are the headline's, from another frame
        same = ["method", "popularity", "coverage", "gini"]
    assert len(shown) and len(same) >= 4
    assert shown.join(frame, on=same, how="anti", nulls_equal=True).is_empty()


def test_a_tuning_curve_never_worsens_and_counts_what_its_frame_leaves_out(
    results: Results,
) -> None:
    drawing = picture(results, "tuning")
    ridge = drawing.table.filter(method="ridge")
    assert ridge["best"].to_list() == [0.62, 0.6, 0.6, 0.59]
    assert ridge["seconds"].to_list() == [0.5, 1.0, 1.5, 2.0]
    other = drawing.table.filter(method=HOSTILE)
    assert other["best"].to_list() == [None, 0.61, 0.61]
    # from the best, .59, to the worst first value, .62, and half as far beyond: .7 and .64 are out
    assert "2 of 7 trials outside the frame" in words(drawing.figure)
    assert "2 valid users" in drawing.caption and "1 failed" in drawing.caption


def test_wins_are_starred_exactly_where_the_difference_is_significant(results: Results) -> None:
    drawing = picture(results, "wins")
    axes = drawing.figure.axes[0]
    methods = [label.get_text() for label in axes.get_yticklabels()]
    assert methods == [label.get_text() for label in axes.get_xticklabels()]
    texts = {tuple(map(float, t.get_position())): t.get_text() for t in axes.texts}
    pairs = results.pairs.iter_rows(named=True)
    assert len(texts) == 2 * len(results.pairs) == len(methods) * (len(methods) - 1)
    starred = 0
    for row in pairs:
        sure = row["p_holm"] is not None and row["p_holm"] < ALPHA
        starred += sure
        row_at, other = methods.index(row["method"]), methods.index(row["other"])
        assert texts[other, row_at] == f"{100 * row['helped']:.0f}{'*' * sure}"
        assert texts[row_at, other] == f"{100 * row['harmed']:.0f}{'*' * sure}"
    assert 0 < starred < len(results.pairs)


def of_sets(run: Path, names: str) -> Results:
    plan: list[dict[str, Any]] = []
    for dataset in names:
        fake_run.build(run, dataset=dataset, users=40 + len(plan))
        plan += json.loads((run / "plan.json").read_text(encoding="utf-8"))
    (run / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    return read(run, resamples=20)


def test_bars_join_the_methods_that_were_computed_to_be_alike(tmp_path: Path) -> None:
    results = of_sets(tmp_path / "many", "abcdefgh")
    for one in settings(results):
        vars(one)["detectable"] = 0.01  # none is left out as too small
    table = results.table.filter(pl.col("method") != "chance", metric=results.headline)
    wide = table.drop_nulls("value").pivot("method", index=["dataset", "shots"], values="value")
    methods = wide.columns[2:]
    groups = critical(wide.select(methods).to_numpy(), methods)
    drawing = picture(results, "critical")
    assert groups.blocks == 16 and "16 blocks" in drawing.caption
    assert "WARNING" not in drawing.caption
    rank = dict(groups.ranks.iter_rows())
    assert drawing.table["rank"].to_list() == pytest.approx(groups.ranks["rank"].to_list())
    bars = [line for line in drawing.figure.axes[0].lines if line.get_linewidth() > 2]
    assert groups.alike and len(bars) == len(groups.alike)
    for line, group in zip(bars, groups.alike, strict=True):
        ends = [float(x) for x in line.get_xdata()]
        assert ends[0] < rank[group[0]] and rank[group[-1]] < ends[1]
        inside = [m for m, at in rank.items() if ends[0] <= at <= ends[1]]
        assert set(group) <= set(inside)


def test_a_set_too_small_to_judge_by_is_in_no_critical_difference(tmp_path: Path) -> None:
    results = of_sets(tmp_path / "two", "ab")
    for one, detectable in zip(settings(results), (0.01, 1.0), strict=True):
        vars(one)["detectable"] = detectable
    caption = picture(results, "critical").caption
    assert "; 2 blocks, each a data set under a protocol at one K (all of one)" in caption
    assert "Left out, since too small to judge: b, user-cold." in caption


def test_a_critical_difference_of_few_blocks_warns_in_figure_and_caption(results: Results) -> None:
    drawing = picture(results, "critical")
    assert "WARNING: only 2 blocks" in drawing.caption
    assert any("only 2 blocks" in text for text in words(drawing.figure))


def test_seeds_that_move_one_thing_are_set_beside_those_that_move_all(tmp_path: Path) -> None:
    run = tmp_path / "vary"
    specs = [Spec(**f) for f in json.loads((fake_run.build(run) / "plan.json").read_text())]
    for spec in [s for s in specs if s.method == "ridge"]:
        fields = spec.protocol_fields | {"vary": "init"}
        name = 'user-cold (vary = "init")'
        which = replace(spec, protocol=name, protocol_fields=fields)
        fake_run.write_cell(run, which, "done", scores=fake_run.made_up("ridge", spec.seed, 25))
        specs.append(which)
    write_plan(run, specs)
    results = read(run, resamples=20)
    table = picture(results, "variance").table
    assert set(table["protocol"]) == {"user-cold"}
    assert set(table["source"]) == {"all", "users", "init"}
    for source, protocol in (("all", "user-cold"), ("init", name)):
        of = results.users.filter(method="ridge", protocol=protocol, shots=2)
        means = [of.filter(seed=seed)[results.headline].mean() for seed in (0, 1)]
        shown = table.filter(method="ridge", source=source)["sd"].item()
        assert shown == pytest.approx(np.std(means, ddof=1))  # type: ignore[arg-type]
    assert picture(results, "critical").table["method"].n_unique() == 4
    assert "2 blocks" in picture(results, "critical").caption  # a section of one axis is none


def test_health_counts_every_cell_of_the_grid(results: Results) -> None:
    table = picture(results, "health").table
    states = table.select("done", "failed", "unavailable", "missing").sum().row(0)
    assert sum(states) == len(results.cells)
    assert states == (12, 2, 0, 2)


def test_ranks_of_an_adapter_are_rows_of_one_line(results: Results) -> None:
    table = picture(results, "ranks").table
    assert table["rank"].to_list() == [1, 4]
    assert set(table["adapter"]) == {"lora"}
    assert table["state_bytes_per_user"].to_list() == [512, 2048]


def test_what_a_run_of_before_did_not_keep_is_left_out(bare: Results) -> None:
    names = {drawing.name for drawing in every(bare)}
    gone = {"control", "popularity", "groups", "exposure", "steps", "ranks", "tuning", *ACROSS}
    assert names == {*room.OF_SETTING, *room.OF_RUN} - gone
    for name in gone:
        assert picture(bare, name) is None


@pytest.mark.slow
def test_a_picture_has_the_same_bytes_whichever_file_is_asked_for_first(results: Results) -> None:
    for drawing in every(results):
        again = picture(results, drawing.name)
        png = again.png
        assert (drawing.svg, drawing.png) == (again.svg, png), drawing.name


@pytest.mark.slow
def test_pictures_of_one_page_share_no_id_and_hold_no_style(
    results: Results, hostile: Results
) -> None:
    seen: set[str] = set()
    for drawing in [*every(results), *every(hostile)]:
        tree = ElementTree.fromstring(draw.inline(drawing.svg))
        attributes = [node.attrib for node in tree.iter()]
        assert not any("style" in names for names in attributes), drawing.name
        ids = [names["id"] for names in attributes if "id" in names]
        assert not seen & set(ids) and len(ids) == len(set(ids)), drawing.name
        seen |= set(ids)
        used = re.findall(r'(?:url\(|href=")#([^")]+)', draw.inline(drawing.svg))
        assert set(used) <= set(ids), drawing.name


def test_words_of_others_are_shown_as_they_are_written(hostile: Results) -> None:
    shown = "".join(ElementTree.fromstring(draw.inline(picture(hostile, "health").svg)).itertext())
    assert HOSTILE[:23] in shown
    groups = picture(hostile, "groups")
    tree = ElementTree.fromstring(draw.inline(groups.svg))
    assert HOSTILE[:29] in "".join(tree.itertext())
    assert HOSTILE in groups.table["bucket"]
    assert b"LIMITED" in groups.svg.encode()


def test_plot_gives_figures_that_are_ones_own(results: Results) -> None:
    from matplotlib.figure import Figure

    assert set(dir(coldbench.plot)) == {*room.OF_SETTING, *room.OF_RUN}
    for name in set(dir(coldbench.plot)) - ACROSS:
        function = getattr(coldbench.plot, name)
        figure = function(results)
        assert isinstance(figure, Figure)
        assert function.__name__ == name and function.__doc__
    assert coldbench.plot.kshot(results, "toy") is not coldbench.plot.kshot(results, "toy")


def test_plot_says_which_sections_there_are_or_what_is_missing(bare: Results) -> None:
    with pytest.raises(UserError, match="no setting is 'moon'; old has: toy, user-cold"):
        coldbench.plot.kshot(bare, "moon")
    with pytest.raises(UserError, match="no steps of toy, user-cold: it needs a method with an"):
        coldbench.plot.steps(bare)
    with pytest.raises(AttributeError, match="no picture 'kshots'; there are kshot, pareto"):
        _ = coldbench.plot.kshots
    two = replace(bare, cells=[*bare.cells, replace(bare.cells[0], spec=replace(
        bare.cells[0].spec, dataset="moon"))])  # fmt: skip
    with pytest.raises(UserError, match="say which dataset and protocol; old has: toy, user-cold"):
        coldbench.plot.kshot(two)
    with pytest.raises(UserError, match="no kshot of moon, user-cold: it needs a cell that is"):
        coldbench.plot.kshot(two, "moon")
