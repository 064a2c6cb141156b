"""A search spends the same on every method, looks at no cold user, and goes on where it stopped."""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coldbench import registry
from coldbench.cell import read_run
from coldbench.encoder import Encoder, Items
from coldbench.errors import Unavailable, UserError
from coldbench.results.trials import Trial, add_trial, best_of, curve, read_trials
from coldbench.seeds import Seeds
from coldbench.splits.split import Split
from tests import fake_run
from tests.console import asked

tuning: Any = import_module("coldbench.benchmarks.tuning.search")
bench_module: Any = import_module("coldbench.benchmarks.tuning.bench")
grids: Any = import_module("coldbench.benchmarks.grid")
plans: Any = import_module("coldbench.benchmarks.plan")
splits: Any = import_module("coldbench.benchmarks.splits")
sources: Any = import_module("coldbench.benchmarks.dataset_names")
BROKEN = '''"""Broken: learns for some parameters alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from coldbench.method import Method, Space


@dataclass
class Broken(Method[torch.Tensor]):
    size: int = 0
    space: ClassVar[Space] = {"size": (0, 9)}

    def meta_train(self, warm, valid, items, seeds):
        if self.size % 2:
            raise RUIN("no odd size\\nsecond line")
        self.items, self.learned = items, {}

    def adapt(self, support):
        return support.labels

    def score(self, state, items):
        return 0.4 + 0.01 * self.size * torch.ones(items.shape)
'''


def trials_of(*values: float) -> list[Trial]:
    return [fake_run.trial(value, number) for number, value in enumerate(values, 1)]


def planned(methods: list[str], metric: str = "log-loss", **more: Any) -> Any:
    stated = {
        "datasets": ["synthetic"], "methods": methods, "encoder": "vectors",
        "protocol": {"shots": [0, 2, 4], "query": 5, "valid_users": 0.3},
        "dataset_params": {"synthetic": {"n_users": 60, "n_items": 40, "per_user": 20}},
    }  # fmt: skip
    grid = grids.Grid.of(stated | more)
    return tuning.studies(grid, plans.resolve(grid, "cpu"), metric)


def whole_of(metric: str) -> tuple[Split, Items]:
    """All users of a search, the cold ones too, and the items."""
    spec = planned(["ridge"], metric)[0].spec
    dataset = sources.Source.of("synthetic", spec.dataset_params).dataset()
    log, catalogue = dataset.load()
    return splits.cut(spec, dataset, log)[1], Encoder("vectors").items(catalogue)


def quietly(trial: Trial, so_far: Sequence[Trial]) -> None: ...


def without_seconds(trials: Sequence[Trial]) -> list[Trial]:
    return [replace(trial, seconds=0.0) for trial in trials]


# the log


def test_a_line_that_a_kill_cut_off_is_no_trial_and_is_written_over(tmp_path: Path) -> None:
    first, two = trials_of(0.5, 0.4)
    add_trial(tmp_path, first)
    with (tmp_path / "trials.jsonl").open("a") as log:
        log.write('{"dataset": "d", "prot')
    assert read_trials(tmp_path) == [first]
    add_trial(tmp_path, two)
    assert read_trials(tmp_path) == [first, two]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    add_trial(tmp_path, trials_of(0.5)[0])
    with (tmp_path / "trials.jsonl").open("a") as log:
        log.write('{"x": 1}\n')
    with pytest.raises(UserError, match=r"trials\.jsonl:2: is no trial"):
        read_trials(tmp_path)


def test_the_curve_keeps_the_best_of_each_method_apart() -> None:
    first, others = trials_of(0.5, 0.6, 0.4), trials_of(0.3)
    table = curve([*first, *(replace(trial, method="n") for trial in others)])
    assert table["best"].to_list() == [0.5, 0.5, 0.4, 0.3]
    assert table["seconds"].to_list() == [1.0, 2.0, 3.0, 1.0]
    higher = curve([replace(trial, metric="auc") for trial in first])
    assert higher["best"].to_list() == [0.5, 0.6, 0.6]


# honesty


def test_a_trial_is_learnt_chosen_and_judged_on_three_groups_none_of_them_cold() -> None:
    bench = tuning.Bench.of(planned(["ridge"])[0].spec, "log-loss")
    whole, _ = whole_of("log-loss")

    def who(episodes: Any) -> set[int]:
        return set(episodes.users.ids[episodes.user_index].tolist())

    chosen_by, judged = who(bench.split.valid), who(bench.split.cold)
    assert chosen_by | judged == who(whole.valid) and not chosen_by & judged
    assert abs(len(chosen_by) - len(judged)) <= 1
    assert who(whole.cold) and not (chosen_by | judged) & who(whole.cold)
    warm = set(bench.split.warm.ids.tolist())
    assert not warm & (chosen_by | judged | who(whole.cold))
    assert bench.split.cold.users is whole.valid.users or who(bench.split.cold) <= who(whole.valid)


@pytest.mark.parametrize("metric", ["log-loss", "auc"])
def test_a_value_is_the_mean_over_users_and_K_computed_one_by_one(metric: str) -> None:
    study = planned(["ridge"], metric)[0]
    trial = tuning.Bench.of(study.spec, metric).trial(study.spec, 2, {"tau": 3.0})
    whole, items = whole_of(metric)
    chosen_by, judged = bench_module.halves(whole.valid, Seeds.of(0).split)
    method = registry.find("methods", "ridge")(tau=3.0)
    method.meta_train(whole.warm, chosen_by, items, Seeds.of(0))
    values: list[list[float]] = [[] for _ in range(len(judged))]
    for shots in (0, 2, 4):
        for user, batch in enumerate(judged.batches(shots, 1)):
            scores = method.score(method.adapt(batch.support), batch.query.items)[0].tolist()
            pairs = list(zip(scores, batch.query.labels[0].tolist(), strict=True))
            if metric == "log-loss":
                each = [-y * math.log(p) - (1 - y) * math.log(1 - p) for p, y in pairs]
            else:
                likes, dislikes = ([p for p, y in pairs if (y > 0.625) == up] for up in (1, 0))
                each = [(a > b) + 0.5 * (a == b) for a in likes for b in dislikes]
            values[user].append(sum(each) / len(each) if each else math.nan)
    by_user = np.mean(values, 1)
    assert np.allclose(np.array(trial.by_user, float), by_user, atol=1e-5, equal_nan=True)
    assert trial.value == pytest.approx(float(np.nanmean(by_user)), abs=1e-5)


def test_few_valid_users_are_a_clear_error() -> None:
    study = planned(["ridge"], protocol={"shots": [0, 2], "query": 5, "valid_users": 0.05})[0]
    with pytest.raises(UserError, match="only 3 valid users are long enough"):
        tuning.Bench.of(study.spec, "log-loss")


@pytest.mark.parametrize(
    ("methods", "metric", "more", "line"),
    [
        (["popularity"], "log-loss", {}, "popularity has nothing to tune"),
        (["ridge"], "auc-pooled", {}, "auc-pooled is pooled over users"),
        (["ridge"], "log-los", {}, "did you mean 'log-loss'"),
        (["ridge"], "auc", {"seeds": [0, 1]}, "one seed at a time"),
        (["ridge"], "auc", {"protocol": ["user-cold", "warm"]}, "one protocol at a time"),
        (["ridge"], "auc", {"params": {"ridge": {"tau": 1.0}}}, "nothing to tune"),
    ],
)
def test_what_cannot_be_searched_is_said_before_work_begins(
    methods: list[str], metric: str, more: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError, match=line):
        planned(methods, metric, **more)


# budgets


def test_methods_take_turns_and_get_the_same_number_of_trials(tmp_path: Path) -> None:
    order: list[str] = []

    def tell(trial: Trial, so_far: Sequence[Trial]) -> None:
        order.append(f"{trial.method} {trial.number}")

    searched = planned(["ridge", "knn"])
    trials_by_method = tuning.tune(searched, "log-loss", tmp_path, tuning.Budget(3, None), tell)
    assert order == ["ridge 1", "knn 1", "ridge 2", "knn 2", "ridge 3", "knn 3"]
    assert trials_by_method["ridge"][0].params == {"tau": None}, "the first has the defaults"
    assert trials_by_method["knn"][0].params == {"temperature": 0.1, "nearness": None}
    assert all(trial.status == "done" for trials in trials_by_method.values() for trial in trials)


def test_the_budget_that_ends_first_ends_it_and_is_named() -> None:
    spent = trials_of(0.5, 0.4, 0.3)  # of a second each
    assert tuning.Budget(3, 99.0).ended(spent) == "3 trials"
    assert tuning.Budget(9, 2.5).ended(spent) == "2.5 seconds"
    assert tuning.Budget(9, 3.5).ended(spent) == ""
    assert tuning.Budget.of(None, None).trials == 50
    assert tuning.Budget.of(None, 60.0).trials is None
    with pytest.raises(UserError, match="--trials must be 1 or more"):
        tuning.Budget.of(0, None)


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    searched, budget = planned(["ridge", "knn"]), tuning.Budget(7, None)
    whole = tuning.tune(searched, "log-loss", tmp_path / "whole", budget, quietly)

    def stop(trial: Trial, so_far: Sequence[Trial]) -> None:
        if (trial.method, trial.number) == ("ridge", 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuning.tune(searched, "log-loss", tmp_path / "cut", budget, stop)
    assert len(read_trials(tmp_path / "cut")) == 7
    rest = tuning.tune(searched, "log-loss", tmp_path / "cut", budget, quietly)
    for name, trials in whole.items():
        assert without_seconds(trials) == without_seconds(rest[name])
    assert len(read_trials(tmp_path / "cut")) == 14


def test_trials_of_another_search_are_not_gone_on_from(tmp_path: Path) -> None:
    budget = tuning.Budget(1, None)
    tuning.tune(planned(["ridge"]), "log-loss", tmp_path, budget, quietly)
    with pytest.raises(UserError, match="holds a search with another seed: name another"):
        tuning.tune(planned(["ridge"], seeds=[1]), "log-loss", tmp_path, budget, quietly)
    with pytest.raises(UserError, match="another metric"):
        tuning.tune(planned(["knn"], "auc"), "auc", tmp_path, budget, quietly)
    more = tuning.tune(planned(["ridge", "knn"]), "log-loss", tmp_path, budget, quietly)
    assert [len(trials) for trials in more.values()] == [1, 1], "a method may join"


def test_a_failed_trial_is_a_row_with_its_reason_and_the_search_goes_on(tmp_path: Path) -> None:
    study = planned(["knn"])[0]
    bench = tuning.Bench.of(study.spec, "log-loss")
    trial = bench.trial(study.spec, 2, {"nearness": "near", "temperature": 0.1})
    assert trial.status == "failed" and trial.value is None and trial.by_user == []
    assert trial.reason and "\n" not in trial.reason
    add_trial(tmp_path, trial)
    assert read_trials(tmp_path) == [trial]


def test_an_unavailable_method_ends_at_once_and_may_be_there_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: Any) -> None:
        raise Unavailable("needs the package no-such")

    searched, budget = planned(["ridge"]), tuning.Budget(3, None)
    with monkeypatch.context() as patch:
        patch.setattr(registry.find("methods", "ridge"), "meta_train", lacking)
        trials = tuning.tune(searched, "log-loss", tmp_path, budget, quietly)["ridge"]
    assert len(trials) == 1 and budget.ended(trials) == "needs the package no-such"
    assert len(tuning.tune(searched, "log-loss", tmp_path, budget, quietly)["ridge"]) == 3


# the command

SMALL = "-d synthetic --set encoder=vectors --with n_users=80 --with per_user=30".split()


@pytest.mark.slow
def test_a_tuned_grid_runs_beside_the_defaults_and_its_report_shows_the_search(
    tmp_path: Path,
) -> None:
    words = ["tune", "ridge,knn", *SMALL, "--set", "protocol.valid_users=0.3", "--name", "found"]
    output = asked(tmp_path, *words, "--trials", "4").stdout
    assert output.count("[ridge ") == output.count("[knn ") == 4 and "ended by 4 trials" in output
    folder = tmp_path / "runs" / "found"
    for end in ("png", "svg", "csv"):
        assert (folder / f"tuning.{end}").stat().st_size > 100
    assert (folder / "tuning.png").read_bytes().startswith(b"\x89PNG")
    text = (folder / "tuned.toml").read_text(encoding="utf-8")
    tuned = tomllib.loads(text)
    assert tuned["seeds"] == [0] and tuned["methods"][:2] == ["item-bias", "ridge"]
    for word in ("user-cold", "seed 0", "log-loss", "Commit", "torch", "4 trials", "valid users"):
        assert word in text, word
    trials = read_trials(folder)
    best = best_of([trial for trial in trials if trial.method == "ridge"])
    assert best is not None
    if best.number > 1:
        assert tuned["params"]["ridge:tuned"] == {"tau": best.params["tau"]}
        assert f"in trial {best.number};" in " ".join(text.replace("#", "").split())
    again = asked(tmp_path, *words, "--trials", "4").stdout
    assert "[ridge" not in again, "trials were run twice"
    asked(tmp_path, "run", "runs/found/tuned.toml", "--no-timing", "-j", "1")
    cells = read_run(folder)
    assert [cell.name for cell in cells] == tuned["methods"]
    assert all(cell.status == "done" for cell in cells)
    for cell in cells:
        known = tuned["params"].get(cell.name, {})
        assert {key: cell.spec.params[key] for key in known} == known
    asked(tmp_path, "report", "found", "--format", "html")
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "What a search for parameters brought" in page
    assert (folder / "report" / "figures" / "run-tuning.csv").is_file()


def search_of(folder: Path, error: str, trials: int, code: int = 0) -> Any:
    """What a search of a method says that raises this error for some parameters."""
    (folder / "broken.py").write_text(BROKEN.replace("RUIN", error), encoding="utf-8")
    words = f"tune broken --include broken.py --trials {trials} --name own".split()
    return asked(folder, *words, *SMALL, code=code)


@pytest.mark.slow
def test_a_method_of_ones_own_is_searched_and_its_failures_are_told(tmp_path: Path) -> None:
    done = search_of(tmp_path, "ValueError", 8)
    failed = [trial for trial in read_trials(tmp_path / "runs/own") if trial.status == "failed"]
    assert failed and all(trial.reason == "ValueError: no odd size" for trial in failed)
    assert "ValueError: no odd size: size = " in done.stdout
    assert done.stdout.rstrip().endswith("tuned.toml --include broken.py")
    assert f"({len(failed)} failed)" in (tmp_path / "runs/own/tuned.toml").read_text()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    done = search_of(tmp_path, "KeyboardInterrupt", 20, code=130)
    assert "the same command goes on where it stopped" in done.stderr
    kept = read_trials(tmp_path / "runs/own")
    assert kept and all(trial.status == "done" for trial in kept)


def test_torch_is_left_with_its_generator_where_it_was() -> None:
    study = planned(["ridge"])[0]
    before = torch.random.get_rng_state()
    tuning.Bench.of(study.spec, "log-loss").trial(study.spec, 1, {"tau": 1.0})
    assert torch.equal(before, torch.random.get_rng_state())
    assert {field.name for field in fields(Trial)} >= {"params", "value", "seconds", "status"}
