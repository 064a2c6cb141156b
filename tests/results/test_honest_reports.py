"""Reports of runs that are small, broken or hostile: no traceback, no number that is none."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from coldbench import registry
from coldbench.cell import read_run
from coldbench.errors import UserError
from coldbench.results.leaks import AUDITS_READABLE, PERMUTED_SUPPORT, USER_FREE
from coldbench.results.results import Results, read
from coldbench.results.rounding import plain
from tests import fake_run as fake

costs: Any = import_module("coldbench.reports._costs")
values: Any = import_module("coldbench.reports._values")
rooms: Any = import_module("coldbench.reports._setting")
compare: Any = import_module("coldbench.benchmarks.commands.compare").compare
cli: Any = import_module("coldbench.benchmarks.cli")
TEXTS = ["csv", "html", "latex", "markdown"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fake.build(tmp_path / "r")


def keep_plan(run: Path, keep: Any) -> Path:
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    (run / "plan.json").write_text(json.dumps([s for s in plan if keep(s)]), encoding="utf-8")
    return run


def words(results: Results, folder: Path, name: str = "markdown") -> str:
    return registry.find("reports", name)().write(results, folder)[0].read_text(encoding="utf-8")


def tables(results: Results) -> dict[str, Any]:
    every = import_module("coldbench.reports._tables").tables(rooms.settings(results)[0])
    return {table.name: table for table in every}


def row(table: Any, method: str) -> Any:
    return next(row for _, rows in table.groups for row in rows if row.name == method)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_a_run_of_one_user_and_one_seed_is_reported_without_an_interval(
    tmp_path: Path, name: str
) -> None:
    run = keep_plan(fake.build(tmp_path / "one", users=1), lambda spec: spec["seed"] == 0)
    text = words(read(run, resamples=50), tmp_path / "report", name)
    assert "nan" not in text.lower()
    assert "None" not in text
    if name in ("html", "markdown"):
        assert "no interval: one user" in text
        assert "of which nothing can be said: it has been seen of one user" in text
        assert "1 evaluated user of one seed; no interval" in text


def test_two_methods_met_by_one_user_are_compared_without_an_interval(tmp_path: Path) -> None:
    run = keep_plan(fake.build(tmp_path / "one", users=1), lambda spec: spec["seed"] == 0)
    text = compare(run, "ridge", "item-bias")
    assert "nan" not in text
    assert "one user: none" in text
    assert "No test is possible over 1 paired evaluated user, all of them the same user." in text


@pytest.mark.parametrize("metric", ["ndcg@5", "mae"])
def test_a_sure_difference_of_0_is_neither_better_nor_worse(metric: str) -> None:
    change = {"metric": metric, "mean": 0.0, "low": -0.25, "high": 0.25, "p_holm": 0.01,
              "helped": 0.75, "harmed": 0.25}  # fmt: skip
    marks = {x: values.difference(change | {"mean": x}).mark for x in (-1e-6, 0.0, 1e-6)}
    up = metric == "ndcg@5"
    assert marks == {-1e-6: "worse" if up else "better", 0: "", 1e-6: "better" if up else "worse"}


# --- one verdict, two rules


def test_compare_names_its_rule_and_says_the_reports_p(tmp_path: Path) -> None:
    run = fake.build(tmp_path / "r", users=40)
    results = read(run, resamples=50)
    text = compare(run, "ridge", "item-bias")
    gains = results.gains.filter(method="ridge", metric="ndcg@5", shots=2, against="item-bias")
    gain = gains.row(0, named=True)
    line = next(line for line in text.splitlines() if line.startswith("ndcg@5"))
    assert float(line.split()[3]) == pytest.approx(gain["mean"], abs=5e-5)
    assert ("is better than" in text.splitlines()[-1]) == (gain["p"] < 0.05)
    tested = rooms.settings(results)[0].tested("ndcg@5", 2)
    assert f"p {gain['p']:.4f}, not corrected" in text
    assert f"tests {len(tested)} differences to item-bias" in text
    assert f"has p {plain(gain['p_holm'], 4)} after Holm's correction" in text
    text = compare(run, "stuck", "ridge")
    pair = results.pairs.filter(method="ridge", other="stuck").row(0, named=True)
    assert f"tests {len(results.pairs)} pairs of methods" in text
    assert f"has p {plain(pair['p_holm'], 4)} after Holm's correction" in text


def test_compare_as_json_is_one_document_of_the_same_numbers(tmp_path: Path) -> None:
    run = fake.build(tmp_path / "r", users=40)
    shown = CliRunner().invoke(cli.app, ["compare", str(run), "ridge", "item-bias", "--json"])
    [row] = json.loads(shown.stdout)
    assert (row["method"], row["other"], row["shots"], row["n"]) == ("ridge", "item-bias", 2, 80)
    auc = next(line for line in row["metrics"] if line["metric"] == "auc")
    assert auc["difference"] == pytest.approx(auc["method"] - auc["other"])
    text = compare(run, "ridge", "item-bias")
    assert row["verdict"] in text and row["report"] in text
    assert f"{auc['method']:.4f}" in text and f"[{auc['low']:+.4f}, {auc['high']:+.4f}]" in text


def test_the_page_names_its_rule_its_family_and_the_uncorrected_p(tmp_path: Path) -> None:
    results = read(fake.build(tmp_path / "r", users=40), resamples=50)
    setting = rooms.settings(results)[0]
    summary = " ".join(import_module("coldbench.reports._summary").summary(setting))
    for metric, name in (("ndcg@5", "NDCG@5"), ("auc", "AUC per user")):
        rows = setting.tested(metric, 2)
        mine = rows.filter(method="ridge", against="item-bias").row(0, named=True)
        rule = f"Holm's correction over the {len(rows)} differences in {name} (p "
        assert rule in summary
        assert f"has it, p {'< .001' if mine['p'] < 0.001 else plain(mine['p'])}:" in summary
        assert f"By {name}, of 4 methods " in summary
    assert "nothing in this run beats it" not in summary


def test_the_audit_says_what_one_family_of_both_metrics_would_leave(tmp_path: Path) -> None:
    from coldbench.metrics.statistics import holm

    results = read(fake.build(tmp_path / "r", users=12), resamples=50)
    setting = rooms.settings(results)[0]
    both = [setting.tested(metric, 2) for metric in ("ndcg@5", "auc")]
    marks = [value.mark for _, rows in tables(results)["audit"].groups
             for row in rows for value in row.cells if value.mark]  # fmt: skip
    every = pl.concat(both)
    left = int((holm(every["p"].to_numpy()) < 0.05).sum())
    assert (
        f"Each metric is a family of its own: {len(both[0])} differences in NDCG@5 and "
        f"{len(both[1])} differences in AUC per user. Taken as one family of {len(every)}, {left} "
        f"of the {len(marks)} marks would stand."
    ) in tables(results)["audit"].how


def test_p_after_holm_stands_beside_every_difference(tmp_path: Path) -> None:
    results = read(fake.build(tmp_path / "r"), resamples=50)
    value = row(tables(results)["audit"], "ridge").cells[0]
    gain = results.gains.filter(method="ridge", metric="ndcg@5", shots=2, against="item-bias")
    p = gain["p_holm"][0]
    assert value.p == f"p {'< .001' if p < 0.001 else plain(p)}"
    assert f" {value.p.replace('<', '&lt;')} |" in words(results, tmp_path)


def test_limited_users_are_said_by_compare(tmp_path: Path) -> None:
    run = fake.build(tmp_path / "r", limit=30)
    assert "(LIMITED to 30 users a seed: a trial, no result)" in compare(run, "ridge", "stuck")


def test_a_method_that_failed_is_said_to_have_failed_not_to_be_unknown(run: Path) -> None:
    with pytest.raises(UserError, match=r"broken has no finished cell.*failed in meta-train"):
        compare(run, "ridge", "broken")
    with pytest.raises(UserError, match=r"late has no finished cell.*it is missing"):
        compare(run, "ridge", "late")
    with pytest.raises(UserError, match="method in this run"):
        compare(run, "ridge", "rigde")


def test_two_methods_that_share_no_dataset_are_said_to_share_none(tmp_path: Path) -> None:
    specs = [fake.spec("ridge", 0, "films"), fake.spec("constant", 0, "jokes")]
    fake.write_run(tmp_path, specs)
    assert "no dataset and protocol in common" in compare(tmp_path, "ridge", "constant")


# --- what is broken


def swapped(run: Path, spec: Any, name: str = "swapped") -> None:
    scores = fake.made_up(spec.method, spec.seed, 30).filter(shots=2)
    folder = run / "cells" / spec.fingerprint
    scores.with_columns(score=pl.col("score").reverse()).write_parquet(folder / f"{name}.parquet")
    fake.reseal(folder)


@pytest.mark.parametrize("status", ["failed", "damaged"])
def test_what_a_cell_that_is_not_done_left_behind_is_no_result(
    run: Path, tmp_path: Path, status: str
) -> None:
    for cell in read_run(run):
        if cell.spec.method == "ridge":
            for name in ("swapped", "shuffled"):
                swapped(run, cell.spec, name)
        if cell.spec.method == "ridge" and cell.spec.seed == 1:
            for name in ("top", "trace", "shuffled"):
                (cell.folder / f"{name}.parquet").write_bytes(b"torn")
            if status == "failed":  # else the files are not those of its record
                fake.reseal(cell.folder, "failed", "timing")
    results = read(run, ("ndcg@5",), 50)
    assert results.table.filter(method="ridge", shots=2)["seeds"].to_list() == [1]
    assert results.costs.filter(method="ridge")[status].to_list() == [1]
    control = results.controls.filter(method="ridge")
    assert control["others"].count() == control["shuffled"].count() == 1
    many = {"failed": 3, "damaged": 1}[status]  # `broken` has failed under both seeds
    assert f"{many} {status}" in words(results, tmp_path / "report")
    assert "is better than" in (text := compare(run, "ridge", "item-bias")) or "No diff" in text


def test_a_torn_file_of_a_split_costs_its_tables_and_is_told(run: Path) -> None:
    for cell in read_run(run):
        cell.split.mkdir(parents=True, exist_ok=True)
        (cell.split / "users.parquet").write_bytes(b"PAR1")
        (cell.split / "items.parquet").write_bytes(b"")
        (cell.split / "leaks.json").write_text('[{"says": "x", "chec')
    results = read(run, ("ndcg@5",), 50)
    assert results.subgroups.is_empty()
    fact = results.leaks.filter(says=AUDITS_READABLE).row(0, named=True)
    assert (fact["checked"], fact["broken"]) == (2, 2)


def test_a_reason_with_half_a_letter_and_a_terminals_escapes_is_shown_without_them(
    tmp_path: Path,
) -> None:
    reason = "ValueError: \ud800 \x1b[31mred\x1b[0m \x9b2J \x07 end"
    results = read(fake.build(tmp_path / "r", reason=reason), resamples=20)
    for name in TEXTS:
        for path in registry.find("reports", name)().write(results, tmp_path / "report"):
            if path.suffix in (".md", ".html", ".tex", ".csv"):
                text = path.read_text(encoding="utf-8")
                assert not set(text) & {"\x1b", "\x9b", "\x07", "\ud800"}, path
    assert "end" in words(results, tmp_path / "report").split("Cells not done")[1]


def test_own_items_with_shuffled_labels_are_a_control_of_their_own(run: Path) -> None:
    for cell in read_run(run):
        if cell.spec.method in ("ridge", "stuck"):
            swapped(run, cell.spec)
        if cell.spec.method == "ridge":
            start = fake.made_up("ridge", cell.spec.seed, 30).filter(shots=0)
            start.with_columns(shots=pl.lit(2, pl.Int16)).write_parquet(
                cell.folder / "shuffled.parquet"
            )
            fake.reseal(cell.folder)
    results = read(run, resamples=50)
    ridge, stuck = (
        results.controls.filter(method=m).row(0, named=True) for m in ("ridge", "stuck")
    )
    assert ridge["shuffled"] == 0  # its scores are those of K = 0
    assert ridge["labels"] == ridge["own"] > 0
    assert ridge["labels_p"] is not None and ridge["shuffled_p"] is None
    assert ridge["personal"] == pytest.approx(ridge["own"] - ridge["others"], abs=2e-6)
    assert stuck["shuffled"] is None and stuck["others"] is not None
    table = tables(results)["control"]
    assert table.columns[1:] == (
        "another user's labels", "own − another's", "own items, labels shuffled", "own − shuffled",
    )  # fmt: skip
    assert row(table, "ridge").cells[4].number == ridge["own"]
    assert results.leaks.filter(says=PERMUTED_SUPPORT)["checked"].to_list() == [2]
    assert results.leaks.filter(says=USER_FREE)["checked"].to_list() == [4]


def test_the_share_of_ties_in_time_is_said(run: Path, tmp_path: Path) -> None:
    says = "no label was given after what is asked"
    for cell in read_run(run):
        cell.split.mkdir(parents=True, exist_ok=True)
        facts = [{"says": says, "checked": 50, "broken": 0, "tied": 20 + cell.spec.seed}]
        (cell.split / "leaks.json").write_text(json.dumps(facts))
    results = read(run, ("ndcg@5",), 50)
    fact = results.leaks.filter(says=says).row(0, named=True)
    assert (fact["checked"], fact["broken"], fact["tied"]) == (100, 0, 41)
    assert "for 41 % of them the last label and the query share an instant" in words(
        results, tmp_path
    )


def timed(adapt: float | None, score: float | None = 0.5, idle: float | None = 0.0) -> Any:
    return {"adapt_ms_p50": adapt, "score_ms_p50": score, "idle_ms_p50": idle}


def test_a_user_costs_adapting_and_scoring_and_what_does_nothing_costs_nothing() -> None:
    assert costs.cost(timed(0.25)) == 0.75
    assert costs.cost(timed(0.001)) == 0.5  # a microsecond over an empty call: nothing to do
    assert costs.cost(timed(0.00101)) == 0.50101
    assert costs.idle(timed(0.006, idle=0.005))
    assert not costs.idle(timed(0.0061, idle=0.005))
    assert costs.cost(timed(None)) is costs.cost(timed(0.25, None)) is None
    assert not costs.idle(timed(None))


def test_a_tenth_more_time_does_not_decide_who_lies_on_the_frontier() -> None:
    assert costs.frontier([(1.0, 0.70), (1.1, 0.71)]) == [(1.1, 0.71)]
    assert costs.frontier([(1.0, 0.70), (1.11, 0.71)]) == [(1.0, 0.70), (1.11, 0.71)]
    assert costs.frontier([(1.0, 0.70), (2.0, 0.70), (3.0, 0.69)]) == [(1.0, 0.70)]
    assert costs.frontier([]) == []


def test_a_no_op_is_no_throughput(run: Path) -> None:
    for cell in read_run(run):
        if cell.spec.method == "constant" and cell.spec.seed == 0:
            known = cell.timing() | {"adapt_ms_p50": 0.0003, "adapt_users_per_second": 2.69e9}
            (cell.folder / "timing.json").write_text(json.dumps(known))
            fake.reseal(cell.folder)
    results = read(run, ("ndcg@5",), 50)
    table = tables(results)["costs"]
    head = dict(zip(table.columns, row(table, "constant").cells, strict=True))
    assert head["adapt ms p50"].text == "nothing to do"
    assert head["users/s adapted"].text == ""
    assert head["ms a user"].number == 0.125
    assert dict(zip(table.columns, row(table, "ridge").cells, strict=True))["ms a user"].text == (
        "0.375"
    )
    throughput = import_module("coldbench.reports._curves").throughput(rooms.settings(results)[0])
    assert "constant" not in throughput.table["method"].to_list()
    assert "Nothing to do, and left out: constant" in throughput.caption


def test_a_level_of_fewer_seeds_says_so_and_is_not_sorted_among_the_others(run: Path) -> None:
    keep_plan(run, lambda spec: (spec["method"], spec["seed"]) != ("ridge", 1))
    results = read(run, resamples=50)
    shown = tables(results)
    for name, level in (("quality-k2", 1), ("kshot", 0), ("quality-k0", 1)):  # after the rank
        fewer, whole = row(shown[name], "ridge"), row(shown[name], "stuck")
        assert fewer.few == "1 of 2 seeds" and whole.few == "", name
        assert "seeds" not in fewer.cells[level].text, "said once, beside the name"
        assert fewer.cells[level].number is None
        assert whole.cells[level].number is not None
    assert row(shown["audit"], "ridge").cells[0].number is not None  # a difference is paired
    assert np.isfinite(row(shown["everyone"], "stuck").cells[-1].number)


# --- too few users to judge


def test_a_set_whose_users_show_no_small_difference_says_so_wherever_it_is_shown(
    tmp_path: Path,
) -> None:
    run = fake.build(tmp_path / "r", users=6)
    part = rooms.settings(read(run, resamples=50))[0]
    assert part.detectable is not None and part.detectable > 0.05
    claim = f"could detect (80 % power at 5 %, median method): {plain(part.detectable)} NDCG@5, "
    assert f"{claim}above .050: too small to judge." in part.note
    for table in tables(part.results).values():
        assert "too small to judge" in table.caption or "Smallest" not in table.caption
    assert "too small to judge" in import_module("coldbench.reports._summary").summary(part)[-1]
    shown = CliRunner().invoke(cli.app, ["report", str(run), "--format", "csv"])
    assert shown.exit_code == 0
    assert "coldbench: toy, user-cold is too small to judge: only a difference" in shown.stderr


def test_at_a_glance_every_set_that_is_too_small_is_marked(tmp_path: Path) -> None:
    runs = [
        fake.build(tmp_path / name, users=users, dataset=name)
        for name, users in (("few", 6), ("many", 150))
    ]
    results = read(runs, resamples=50)
    table = import_module("coldbench.reports._overview").overview(results)
    cells = {row.name: row.cells[-2].text for row in table.groups[0][1]}
    assert "too small to judge" in cells["few, user-cold, K = 2"]
    assert "too small to judge" not in cells["many, user-cold, K = 2"]
