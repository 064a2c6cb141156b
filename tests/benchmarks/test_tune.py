"""A search spends the same on every method, looks at no cold user, and goes on where it stopped."""

import json
import math
import sys
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
from coldbench.encoder import Encoder
from coldbench.errors import Unavailable, UserError
from coldbench.method import from_params
from coldbench.results.trials import Trial, add_trial, best_of, curve, read_trials
from coldbench.seeds import Seeds
from tests.console import asked

tuning: Any = import_module("coldbench.benchmarks.tuning.search")
bench_module: Any = import_module("coldbench.benchmarks.tuning.bench")
spaces: Any = import_module("coldbench.benchmarks.tuning.space")
grids: Any = import_module("coldbench.benchmarks.grid")
plans: Any = import_module("coldbench.benchmarks.plan")
splits: Any = import_module("coldbench.benchmarks.splits")
sources: Any = import_module("coldbench.benchmarks.dataset_names")
COLDBENCH = [str(Path(sys.executable).with_name("coldbench"))]
BROKEN = '''"""Broken: learns for some parameters alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from coldbench.method import Method, Space


@dataclass
class Broken(Method[torch.Tensor]):
    size: int = 0
    space: ClassVar[Space] = {SPACE}

    def meta_train(self, warm, valid, items, seeds):
        if self.size % 2:
            raise RUIN("no odd size\\nsecond line")
        self.items, self.learned = items, {}

    def adapt(self, support):
        return support.labels

    def score(self, state, items):
        return 0.4 + 0.01 * self.size * torch.ones(items.shape)
'''


def told(*values: float | None, params: Sequence[dict[str, Any]] = ()) -> list[Trial]:
    each = params or [{"x": 0.1 * n} for n in range(1, len(values) + 1)]
    return [
        Trial("d", "p", "log-loss", 0, "m", n, own, "done" if v else "failed", "", v, [v], 1.0)
        for n, (v, own) in enumerate(zip(values, each, strict=True), 1)
    ]


def planned(methods: list[str], metric: str = "log-loss", **more: Any) -> Any:
    stated = {
        "datasets": ["synthetic"], "methods": methods, "encoder": "vectors",
        "protocol": {"shots": [0, 2, 4], "query": 5, "valid_users": 0.3},
        "dataset_params": {"synthetic": {"n_users": 60, "n_items": 40, "per_user": 20}},
    }  # fmt: skip
    grid = grids.Grid.of(stated | more)
    return tuning.studies(grid, plans.resolve(grid, "cpu"), metric)


def quietly(trial: Trial, so_far: Sequence[Trial]) -> None: ...


def without_seconds(trials: Sequence[Trial]) -> list[Trial]:
    return [replace(trial, seconds=0.0) for trial in trials]


# spaces


def test_every_space_names_parameters_of_its_method_and_both_ends_can_be_had() -> None:
    tried = 0
    for name in registry.names("methods"):
        method = registry.find("methods", name)
        if not method.space:
            continue
        defaults = method().params()
        spaces.checked(name, method.space, defaults)
        for key, among in method.space.items():
            for value in among:  # both ends, or every choice
                params = from_params(method, name, {key: value}).params()
                assert params[key] == value
                assert json.loads(json.dumps(value)) == value
            known = defaults[key] is None or spaces._place(among, defaults[key]) is not None
            assert known, f"{name}: the default of {key}, {defaults[key]}, is not in its space"
        tried += 1
    assert tried >= 4


@pytest.mark.parametrize(
    ("space", "params", "said"),
    [
        ({}, {}, "nothing to tune"),
        ({"y": (0, 1)}, {"x": 1}, "names 'y', which is no parameter"),
        ({"x": (1, 0)}, {"x": 1}, "must be (low, high) or a list"),
        ({"x": []}, {"x": 1}, "must be (low, high) or a list"),
        ({"x": [None, 1]}, {"x": 1}, "offers None, which a grid cannot say"),
    ],
)
def test_a_space_that_cannot_be_searched_is_one_line(
    space: dict[str, Any], params: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as error:
        spaces.checked("m", space, params)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_what_is_tried_lies_in_the_space_and_reads_well() -> None:
    space = {"rate": (1e-4, 1.0), "share": (0.0, 0.5), "steps": (1, 8), "kind": [None, "a", 2.0]}
    past: list[Trial] = []
    for n in range(40):
        params = spaces.propose(space, past, 5, higher=False)
        assert 1e-4 <= params["rate"] <= 1 and 0 <= params["share"] <= 0.5
        assert params["steps"] in range(1, 9) and params["kind"] in (None, "a", 2.0)
        assert type(params["steps"]) is int and params["rate"] == float(f"{params['rate']:.3g}")
        past.append(replace(told(0.5 + 0.01 * n)[0], params=params, number=n + 1))
    rates = np.log10([trial.params["rate"] for trial in past])
    assert (rates < -2).sum() > 5 and (rates > -2).sum() > 5, "not by its logarithm"


def test_the_search_finds_the_valley_and_from_the_same_past_goes_the_same_way() -> None:
    def value(x: float) -> float:
        return 0.1 + (x - 0.7) ** 2

    def search(seed: int) -> list[Trial]:
        past = told(value(0.0), params=[{"x": 0.0}])
        for n in range(2, 40):
            own = spaces.propose({"x": (0.0, 1.0)}, past, seed, higher=False)
            past.append(replace(told(value(own["x"]))[0], params=own, number=n))
        return past

    once, again, other = search(0), search(0), search(1)
    assert once == again and once != other
    best = best_of(once)
    assert best and abs(best.params["x"] - 0.7) < 0.05
    late = [abs(trial.params["x"] - 0.7) for trial in once[20:]]
    early = [abs(trial.params["x"] - 0.7) for trial in once[1:11]]
    assert np.mean(late) < np.mean(early), "it learns nothing from its trials"
    up = spaces.propose({"x": (0.0, 1.0)}, once, 0, higher=True)
    assert up != spaces.propose({"x": (0.0, 1.0)}, once, 0, higher=False)


def test_a_default_that_is_no_place_in_the_space_and_a_failure_are_passed_over() -> None:
    past = told(0.5, None, 0.4, params=[{"x": None}, {"x": 0.3}, {"x": 0.2}])
    assert 0 <= spaces.propose({"x": (0.0, 1.0)}, past, 0, higher=False)["x"] <= 1
    assert spaces._place((1e-5, 0.1), 0.0) == 1e-5, "no weight decay is the least there is"
    assert spaces._place((0.1, 2.0), None) is None and spaces._place([0, 1], False) is None


# the log


def test_a_line_that_a_kill_cut_off_is_no_trial_and_is_written_over(tmp_path: Path) -> None:
    one, two = told(0.5, 0.4)
    add_trial(tmp_path, one)
    with (tmp_path / "trials.jsonl").open("a") as log:
        log.write('{"dataset": "d", "prot')
    assert read_trials(tmp_path) == [one]
    add_trial(tmp_path, two)
    assert read_trials(tmp_path) == [one, two]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    add_trial(tmp_path, told(0.5)[0])
    with (tmp_path / "trials.jsonl").open("a") as log:
        log.write('{"x": 1}\n')
    with pytest.raises(UserError, match=r"trials\.jsonl:2: is no trial"):
        read_trials(tmp_path)


def test_the_curve_keeps_the_best_of_each_method_apart() -> None:
    some, others = told(0.5, 0.6, 0.4), told(0.3)
    table = curve([*some, *(replace(trial, method="n") for trial in others)])
    assert table["best"].to_list() == [0.5, 0.5, 0.4, 0.3]
    assert table["seconds"].to_list() == [1.0, 2.0, 3.0, 1.0]
    higher = curve([replace(trial, metric="auc") for trial in some])
    assert higher["best"].to_list() == [0.5, 0.6, 0.6]


# honesty


def test_a_trial_is_learnt_chosen_and_judged_on_three_groups_none_of_them_cold() -> None:
    study = planned(["ridge"])[0]
    bench = tuning.Bench.of(study.spec, "log-loss")
    dataset = sources.Source.of("synthetic", study.spec.dataset_params).dataset()
    _, whole = splits.cut(study.spec, dataset, dataset.load()[0])

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
    bench = tuning.Bench.of(study.spec, metric)
    trial = bench.trial(study.spec, 2, {"tau": 3.0})
    dataset = sources.Source.of("synthetic", study.spec.dataset_params).dataset()
    log, catalogue = dataset.load()
    _, whole = splits.cut(study.spec, dataset, log)
    chosen_by, judged = bench_module.halves(whole.valid, Seeds.of(0).split)
    method = registry.find("methods", "ridge")(tau=3.0)
    items = Encoder("vectors").items(catalogue)
    method.meta_train(whole.warm, chosen_by, items, Seeds.of(0))
    values: list[list[float]] = [[] for _ in range(len(judged))]
    for shots in (0, 2, 4):
        for user, batch in enumerate(judged.batches(shots, 1)):
            scores = method.score(method.adapt(batch.support), batch.query.items)[0].tolist()
            labels = batch.query.labels[0].tolist()
            if metric == "log-loss":
                each = [
                    -y * math.log(p) - (1 - y) * math.log(1 - p)
                    for p, y in zip(scores, labels, strict=True)
                ]
                values[user].append(sum(each) / len(each))
                continue
            likes = [p for p, y in zip(scores, labels, strict=True) if y > 0.625]
            dislikes = [p for p, y in zip(scores, labels, strict=True) if y <= 0.625]
            pairs = [(a > b) + 0.5 * (a == b) for a in likes for b in dislikes]
            values[user].append(sum(pairs) / len(pairs) if pairs else math.nan)
    by_user = np.mean(values, 1)
    assert np.allclose(np.array(trial.by_user, float), by_user, atol=1e-5, equal_nan=True)
    assert trial.value == pytest.approx(float(np.nanmean(by_user)), abs=1e-5)


def test_few_valid_users_are_a_clear_error() -> None:
    study = planned(["ridge"], protocol={"shots": [0, 2], "query": 5, "valid_users": 0.05})[0]
    with pytest.raises(UserError, match="only 3 valid users are long enough"):
        tuning.Bench.of(study.spec, "log-loss")


@pytest.mark.parametrize(
    ("methods", "metric", "more", "said"),
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
    methods: list[str], metric: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        planned(methods, metric, **more)


# budgets


def test_methods_take_turns_and_get_the_same_number_of_trials(tmp_path: Path) -> None:
    order: list[str] = []

    def tell(trial: Trial, so_far: Sequence[Trial]) -> None:
        order.append(f"{trial.method} {trial.number}")

    searched = planned(["ridge", "knn"])
    found = tuning.tune(searched, "log-loss", tmp_path, tuning.Budget(3, None), tell)
    assert order == ["ridge 1", "knn 1", "ridge 2", "knn 2", "ridge 3", "knn 3"]
    assert found["ridge"][0].params == {"tau": None}, "the first has the defaults"
    assert found["knn"][0].params == {"temperature": 0.1, "nearness": None}
    assert all(trial.status == "done" for trials in found.values() for trial in trials)


def test_the_budget_that_ends_first_ends_it_and_is_named() -> None:
    spent = told(0.5, 0.4, 0.3)  # of a second each
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
        found = tuning.tune(searched, "log-loss", tmp_path, budget, quietly)["ridge"]
    assert len(found) == 1 and budget.ended(found) == "needs the package no-such"
    assert len(tuning.tune(searched, "log-loss", tmp_path, budget, quietly)["ridge"]) == 3


# the command

SMALL = "-d synthetic --set encoder=vectors --with n_users=80 --with per_user=30".split()


@pytest.mark.slow
def test_a_tuned_grid_runs_beside_the_defaults_and_its_report_shows_the_search(
    tmp_path: Path,
) -> None:
    words = ["tune", "ridge,knn", *SMALL, "--set", "protocol.valid_users=0.3", "--name", "found"]
    said = asked(tmp_path, *words, "--trials", "4").stdout
    assert said.count("[ridge ") == said.count("[knn ") == 4 and "ended by 4 trials" in said
    folder = tmp_path / "runs" / "found"
    for end in ("png", "svg", "csv"):
        assert (folder / f"tuning.{end}").stat().st_size > 100
    assert (folder / "tuning.png").read_bytes().startswith(b"\x89PNG")
    text = (folder / "tuned.toml").read_text(encoding="utf-8")
    made = tomllib.loads(text)
    assert made["seeds"] == [0] and made["methods"][:2] == ["item-bias", "ridge"]
    for word in ("user-cold", "seed 0", "log-loss", "Commit", "torch", "4 trials", "valid users"):
        assert word in text, word
    trials = read_trials(folder)
    best = best_of([trial for trial in trials if trial.method == "ridge"])
    assert best is not None
    if best.number > 1:
        assert made["params"]["ridge:tuned"] == {"tau": best.params["tau"]}
        assert f"in trial {best.number};" in " ".join(text.replace("#", "").split())
    again = asked(tmp_path, *words, "--trials", "4").stdout
    assert "[ridge" not in again, "trials were run twice"
    asked(tmp_path, "run", "runs/found/tuned.toml", "--no-timing", "-j", "1")
    cells = read_run(folder)
    assert [cell.name for cell in cells] == made["methods"]
    assert all(cell.status == "done" for cell in cells)
    for cell in cells:
        known = made["params"].get(cell.name, {})
        assert {key: cell.spec.params[key] for key in known} == known
    asked(tmp_path, "report", "found", "--format", "html")
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "What a search for parameters brought" in page
    assert (folder / "report" / "figures" / "run-tuning.csv").is_file()


@pytest.mark.slow
def test_a_method_of_ones_own_is_searched_and_its_failures_are_told(tmp_path: Path) -> None:
    own = BROKEN.replace("SPACE", '"size": (0, 9)').replace("RUIN", "ValueError")
    (tmp_path / "broken.py").write_text(own, encoding="utf-8")
    words = ["tune", "broken", *SMALL, "--include", "broken.py", "--trials", "8", "--name", "own"]
    done = asked(tmp_path, *words)
    failed = [trial for trial in read_trials(tmp_path / "runs/own") if trial.status == "failed"]
    assert failed and all(trial.reason == "ValueError: no odd size" for trial in failed)
    assert "ValueError: no odd size: size = " in done.stdout
    assert done.stdout.rstrip().endswith("tuned.toml --include broken.py")
    assert f"({len(failed)} failed)" in (tmp_path / "runs/own/tuned.toml").read_text()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    own = BROKEN.replace("SPACE", '"size": (0, 9)').replace("RUIN", "KeyboardInterrupt")
    (tmp_path / "broken.py").write_text(own, encoding="utf-8")
    words = ["tune", "broken", *SMALL, "--include", "broken.py", "--trials", "20", "--name", "own"]
    done = asked(tmp_path, *words, code=130)
    assert "the same command goes on where it stopped" in done.stderr
    kept = read_trials(tmp_path / "runs/own")
    assert kept and all(trial.status == "done" for trial in kept)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tune", "popularity", "-d", "synthetic"], "popularity has nothing to tune"),
        (["tune", "ridge", "-d", "synthetc"], "did you mean 'synthetic'"),
        (["tune", "rige", "-d", "synthetic"], "did you mean 'ridge'"),
        (["tune", "ridge", "-d", "synthetic", "--metric", "ece"], "ece is pooled"),
        (["tune", "ridge", "-d", "synthetic", "--protocol", "user-cool"], "did you mean"),
        (["tune", "ridge", "-d", "synthetic", "--trials", "0"], "--trials must be 1"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    tmp_path: Path, words: list[str], said: str, told: Any
) -> None:
    done = told(tmp_path, *words)
    assert done.code == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == "" and list(tmp_path.iterdir()) == []


# presets of a grid's own


def test_a_grid_may_have_presets_of_its_own_and_a_misspelt_one_is_an_error() -> None:
    stated = {"datasets": ["synthetic"], "methods": ["ridge", "ridge:soft"]}
    grid = grids.Grid.of(stated | {"params": {"ridge:soft": {"tau": 9.0}}, "encoder": "vectors"})
    specs = plans.resolve(grid, "cpu")
    assert [(spec.name, spec.method, spec.params["tau"]) for spec in specs] == [
        ("ridge", "ridge", None), ("ridge:soft", "ridge", 9.0),
    ]  # fmt: skip
    with pytest.raises(UserError, match="no preset 'ridge:soft'"):
        grids.Grid.of(stated)


def test_torch_is_left_with_its_generator_where_it_was() -> None:
    study = planned(["ridge"])[0]
    before = torch.random.get_rng_state()
    tuning.Bench.of(study.spec, "log-loss").trial(study.spec, 1, {"tau": 1.0})
    assert torch.equal(before, torch.random.get_rng_state())
    assert {field.name for field in fields(Trial)} >= {"params", "value", "seconds", "status"}
