"""Every view of a run: it equals the store, does what the reader is promised and no more."""

import json
import re
import runpy
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coldbench import registry
from coldbench.cell import write_plan
from coldbench.results.results import Results, read
from tests.shown import METRICS, Page, printed

fake: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "fake_run.py"))
HOSTILE = r"""<script>alert(1)</script> | **bold** $x_1$ \input{/etc/passwd} =1+1 [a](b) %"""
FORMATS = ("md", "tex", "html")
NAMES = ["csv", "figures", "html", "latex", "markdown"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The dataset's name and the reason of a failure are an attack."""
    run = tmp_path_factory.mktemp("runs") / "evil"
    return read(fake["build"](run, dataset=f"={HOSTILE}", reason=HOSTILE, limit=30), resamples=50)


def written(name: str, results: Results, folder: Path) -> dict[str, bytes]:
    paths = registry.find("reports", name)().write(results, folder)
    assert all(path.is_relative_to(folder) for path in paths)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_csv_is_the_table_number_for_number(results: Results, tmp_path: Path) -> None:
    written("csv", results, tmp_path)
    columns = "dataset protocol method shots metric value low high users seeds status".split()
    back = pl.read_csv(tmp_path / "results.csv", schema=results.table.schema)
    assert back.columns == columns
    assert back.equals(results.table)
    assert pl.read_parquet(tmp_path / "users.parquet").equals(results.users)


@pytest.mark.parametrize("method", ["constant", "item-bias", "ridge", "stuck"])
def test_markdown_shows_the_computed_numbers(results: Results, tmp_path: Path, method: str) -> None:
    text = written("markdown", results, tmp_path)["report.md"].decode()
    quality = text.split("### Quality at K = 2")[1].split("###")[0]
    row = next(line for line in quality.splitlines() if line.startswith(f"| {method} |"))
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[2] in ("", *"123456789"), "the rank"
    levels = [results.table.filter(method=method, metric=name, shots=2) for name in METRICS]
    assert cells[3:-1] == [printed(level.row(0, named=True)) for level in levels]


@pytest.mark.slow
def test_html_shows_the_computed_numbers(results: Results, tmp_path: Path) -> None:
    page = Page(written("html", results, tmp_path)["index.html"].decode())
    level = results.table.filter(method="ridge", metric="ndcg@5", shots=2).row(0, named=True)
    ridge = [cell.strip() for row in page.rows if row.method == "ridge" for cell in row.cells]
    assert printed(level) in ridge
    assert str(level["value"]) in [attributes.get("data-sort") for _, attributes in page.tags]


def test_words_name_the_best_method_what_was_tested_and_why_a_row_has_no_number(
    results: Results, tmp_path: Path
) -> None:
    text = written("markdown", results, tmp_path)["report.md"].decode()
    for words in (
        "On toy, user-cold at K = 2, ridge has the best NDCG@5",
        "differences in it were tested at once",
        "| broken | *failed in meta-train: ValueError: no* |",
        "| late | *missing* |",
    ):
        assert words in text


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_writing_twice_gives_the_same_bytes(results: Results, tmp_path: Path, name: str) -> None:
    again = read(results.cells[0].folder.parents[1], resamples=200)
    assert written(name, results, tmp_path / "a") == written(name, again, tmp_path / "b")


@pytest.mark.slow
def test_the_page_asks_nothing_of_the_network_and_runs_nothing_foreign(
    hostile: Results, tmp_path: Path
) -> None:
    text = written("html", hostile, tmp_path)["index.html"].decode()
    page = Page(text)
    for tag, attributes in page.tags:
        address = attributes.get("src") or attributes.get("href") or ""
        assert re.match(r"$|#|figures/[\w.-]+$", address), (tag, address)
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert "http://" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"', "", text)
    assert "https://" not in text
    assert "<script>alert" not in text
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_markdown_and_latex_show_hostile_words_as_they_are_written(
    hostile: Results, tmp_path: Path
) -> None:
    text = written("markdown", hostile, tmp_path)["report.md"].decode()
    assert "<script" not in text
    assert r"\*\*bold\*\*" in text
    tables = written("latex", hostile, tmp_path)
    assert all(re.fullmatch(r"tables/[\w.-]+\.tex", name) for name in tables)
    for table in tables.values():
        assert rb"\input" not in table
        assert rb" $x" not in table


def test_csv_cells_that_begin_like_a_formula_are_inert(hostile: Results, tmp_path: Path) -> None:
    written("csv", hostile, tmp_path)
    back = pl.read_csv(tmp_path / "results.csv")
    assert set(back["dataset"]) == {f"'={HOSTILE}"}
    assert back["value"].dtype == pl.Float64


@pytest.mark.slow
def test_a_limited_run_is_stamped_everywhere(hostile: Results, tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for name in NAMES:
        files |= written(name, hostile, tmp_path)
    for path, content in files.items():
        if path.endswith((".html", ".md", ".tex", ".svg")):
            assert b"LIMITED" in content, path
    assert set(pl.read_csv(tmp_path / "results.csv")["status"]) >= {"limited"}


@pytest.mark.slow
def test_a_run_without_a_finished_cell_is_still_reported(tmp_path: Path) -> None:
    write_plan(tmp_path, [fake["spec"]("ridge", 0)])
    results = read(tmp_path)
    for name in NAMES:
        written(name, results, tmp_path / "report")
    assert "no cell is done yet" in (tmp_path / "report" / "index.html").read_text()


def fewer_seeds(folder: Path) -> Results:
    """Of a run whose method ridge has one seed of two."""
    run = fake["build"](folder / "few")
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    fewer = [spec for spec in plan if (spec["method"], spec["seed"]) != ("ridge", 1)]
    (run / "plan.json").write_text(json.dumps(fewer), encoding="utf-8")
    return read(run, resamples=100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("markdown", "| ridge (1 of 2 seeds) | "),
        ("latex", r"ridge {\scriptsize (1 of 2 seeds)} & "),
        ("html", "ridge<small>1 of 2 seeds</small></th>"),
    ],
)
def test_fewer_seeds_are_said_once_in_a_row(tmp_path: Path, name: str, said: str) -> None:
    files = written(name, fewer_seeds(tmp_path), tmp_path / "out")
    texts = [text.decode() for file, text in files.items() if Path(file).suffix[1:] in FORMATS]
    lines = [line for text in texts for line in text.splitlines() if said in line]
    assert len(lines) > 4
    assert all(line.count("1 of 2 seeds") == 1 for line in lines)


def test_the_leaderboard_marks_a_level_of_fewer_seeds_and_says_what_the_mark_is(
    tmp_path: Path, results: Results
) -> None:
    settings = import_module("coldbench.reports._setting").settings
    leaderboard = import_module("coldbench.reports._leaderboard").leaderboard
    table = leaderboard(settings(fewer_seeds(tmp_path)))
    marked = [row.name for _, rows in table.groups for row in rows if "†" in row.cells[2].text]
    assert marked == ["ridge"] and "†: of fewer seeds" in table.how
    assert "†" not in leaderboard(settings(results)).how


def test_a_row_with_fewer_seeds_is_placed_by_its_paired_difference(tmp_path: Path) -> None:
    results = fewer_seeds(tmp_path)
    setting = import_module("coldbench.reports._setting").settings(results)[0]
    own = results.table.filter(method="ridge", metric=results.headline, shots=2).row(0, named=True)
    base = results.table.filter(method="item-bias", metric=results.headline, shots=2)["value"][0]
    gap = results.gains.filter(
        method="ridge", metric=results.headline, shots=2, against="item-bias"
    )["mean"][0]
    placed = setting.levels.filter(method="ridge", shots=2).row(0, named=True)
    assert placed["placed"] and own["seeds"] == 1
    assert placed["value"] == pytest.approx(base + gap) != own["value"]
    assert placed["high"] - placed["low"] == pytest.approx(own["high"] - own["low"])
    others = setting.levels.filter(pl.col("method") != "ridge")
    assert not others["placed"].any()
    assert "ridge (1 of 2 seeds)" in setting.note


@pytest.mark.slow
def test_every_cell_stands_on_the_page_and_every_figure_links_files_that_are_there(
    results: Results, tmp_path: Path
) -> None:
    files = written("html", results, tmp_path)
    text = files["index.html"].decode()
    for cell in results.cells:
        assert cell.spec.fingerprint in text
    links = [a["href"] for t, a in Page(text).tags if (a.get("href") or "").startswith("figures/")]
    drawn = {path.rpartition(".")[0] for path in files if path.startswith("figures/")}
    assert {str(link) for link in links} <= files.keys()
    assert {f"{name}.csv" for name in drawn} == {
        link for link in links if str(link).endswith("csv")
    }


def test_several_runs_are_reported_side_by_side_in_a_folder_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    fake["build"](tmp_path / "runs/one")
    fake["build"](tmp_path / "runs/two", dataset="toys")
    app = import_module("coldbench.benchmarks.cli").app
    done = CliRunner().invoke(app, ["report", "one", "two", "--format", "md"])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "runs/one+two/report/report.md").read_text(encoding="utf-8")
    assert text.startswith("# coldbench: one + two")
    assert "Every dataset at a glance" in text
    assert "## toy, user-cold" in text and "## toys, user-cold" in text


def test_who_beats_whom_counts_the_significant_pairs_by_the_sign_of_their_mean(
    results: Results,
) -> None:
    tables = import_module("coldbench.reports._detail_tables").closer
    setting = import_module("coldbench.reports._setting").settings(results)[0]
    table = next(table for table in tables(setting) if table.name == "everyone")
    rows = [row for _, group in table.groups for row in group if row.cells]
    shown = {row.name: [cell.number for cell in row.cells[:3]] for row in rows}
    sure = results.pairs.filter(pl.col("p_holm") < 0.05)
    for method, (beats, _, beaten) in shown.items():
        first = sure.filter(method=method)["mean"].to_list()
        second = [-mean for mean in sure.filter(other=method)["mean"]]
        assert beats == sum(mean > 0 for mean in first + second)
        assert beaten == sum(mean < 0 for mean in first + second)
    assert any(beats for beats, _, _ in shown.values())
