"""An archive is believed for what can be made again of it, and for nothing else."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coldbench.cell import Spec, read_run
from coldbench.errors import UserError
from tests import console, fake_run
from tests.console import asked

archives: Any = import_module("coldbench.benchmarks.archive")
verifying: Any = import_module("coldbench.benchmarks.verify")
OPTIONS: Any = import_module("coldbench.benchmarks.run").RunOptions("cpu")
Files = dict[str, bytes]
Finding = Any
Look = Callable[..., list[Finding]]
SETTING = "mine user-cold (shots = [0, 4], query = 8)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log of ratings, a run of three methods on it, and its archive."""
    home = tmp_path_factory.mktemp("archive")
    rng = np.random.default_rng(0)
    rows = [
        (user, item, 1 + int(rng.integers(3)) + 2 * ((user + item) % 2))
        for user in range(60)
        for item in rng.permutation(40)[:24]
    ]
    pl.DataFrame(rows, ["user", "item", "rating"], orient="row").write_csv(home / "mine.csv")
    grid = (
        'datasets = ["mine.csv"]\nmethods = ["random", "item-bias", "fold-in"]\n'
        'protocol = {preset = "user-cold", shots = [0, 4], query = 8}\n'
    )
    (home / "small.toml").write_text(grid)
    for words in (["run", "small.toml", "--no-timing"], ["archive", "runs/small"]):
        asked(home, *words)
    return home


@pytest.fixture(scope="module")
def files(folder: Path) -> Files:
    with zipfile.ZipFile(folder / "small.coldbench.zip") as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture
def looked_at(folder: Path, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """What verify says of these files, their manifest made to fit by a forger who knows how."""
    monkeypatch.chdir(folder)

    def verified(rerun: int = 0, **changed: bytes | None) -> list[Finding]:
        forged = {name: changed.get(name, content) for name, content in files.items()}
        kept = {name: content for name, content in forged.items() if content is not None}
        manifest = json.loads(kept.pop("manifest.json"))
        manifest["files"] = {name: sha256(content).hexdigest() for name, content in kept.items()}
        path = tmp_path / "forged.zip"
        write_zip(path, {"manifest.json": json.dumps(manifest).encode()} | kept)
        return list(verifying.verify(archives.Archive.read(path), tmp_path / "run", rerun, OPTIONS))

    return verified


def write_zip(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def fingerprint(files: Files, method: str) -> str:
    specs = [Spec(**fields) for fields in json.loads(files["plan.json"])]
    return next(spec.fingerprint for spec in specs if spec.method == method)


def scores_of(files: Files, method: str) -> str:
    return f"scores/{fingerprint(files, method)}/scores.parquet"


def refusals(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.what, finding.words) for finding in findings if not finding.sound]


def test_what_was_archived_is_verified_its_cells_run_again_and_its_bytes_are_the_same(
    folder: Path,
) -> None:
    again = console.coldbench(folder, "archive", "runs/small", "-o", "again.zip")
    assert "no rating of it is in the archive; its licence: yours" in again.stdout
    assert (folder / "again.zip").read_bytes() == (folder / "small.coldbench.zip").read_bytes()
    done = asked(folder, "verify", "again.zip", "--rerun", "3", "--json")
    verdict = json.loads(done.stdout)
    assert verdict["verified"] is True
    reruns = [row["words"] for row in verdict["findings"] if row["what"] == "rerun"]
    assert len(reruns) == 3
    assert all(words.endswith("scores differ by at most 0.0e+00") for words in reruns)


def test_no_user_no_answer_and_no_path_of_the_machine_is_in_an_archive(
    folder: Path, files: Files
) -> None:
    for name, content in files.items():
        assert str(folder).encode() not in content, name
        if name.startswith("scores/") and not name.endswith("top.parquet"):
            columns = pl.read_parquet(io.BytesIO(content)).columns
            assert {*columns} <= {"shots", "score", "above", "tied", "candidates"}, name


def test_an_archive_from_before_a_column_was_measured_is_verified_and_no_other_column_may_lack(
    files: Files, looked_at: Look
) -> None:
    name = "frames/costs.parquet"
    later = ["flops_per_user", "tokens_per_user", "joules_per_user"]
    costs = pl.read_parquet(io.BytesIO(files[name])).drop(later)
    records = json.loads(files["records.json"])
    for record in records.values():
        record["timing"] = {k: v for k, v in record["timing"].items() if k not in later}
    older = {"records.json": json.dumps(records).encode(), name: parquet(costs)}
    assert not refusals(looked_at(**older))
    lacking = older | {name: parquet(costs.drop("state_bytes_per_user"))}
    assert [what for what, _ in refusals(looked_at(**lacking))] == ["figures"]


def test_a_file_that_was_changed_dropped_or_added_is_named(files: Files, tmp_path: Path) -> None:
    name, path = "frames/table.parquet", tmp_path / "torn.zip"
    for changed, words in (
        (files | {name: files[name] + b" "}, f"{name} is not the file that its manifest names"),
        ({n: c for n, c in files.items() if n != name}, f"{name} is missing"),
        (files | {"more.json": b"{}"}, "more.json is not in its manifest"),
    ):
        write_zip(path, changed)
        with pytest.raises(UserError, match=words):
            archives.Archive.read(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"PK\x03\x04" + b"\0" * 99])
def test_what_is_no_archive_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no archive of coldbench, or a torn one"):
        archives.Archive.read(path)


def test_a_changed_score_is_named_by_the_figure_it_no_longer_gives(
    files: Files, looked_at: Look
) -> None:
    name = scores_of(files, "fold-in")
    frame = pl.read_parquet(files[name])
    score = frame["score"].to_numpy().copy()
    score[-1] = 1 - score[-1]
    forged = parquet(frame.with_columns(score=pl.Series(score)))
    what, words = refusals(looked_at(**{name: forged}))[0]
    assert what == "figures"
    assert "fold-in" in words and "is claimed as" in words


def test_a_changed_figure_is_named_with_what_the_scores_give(files: Files, looked_at: Look) -> None:
    frame = pl.read_parquet(files["frames/table.parquet"])
    best = (pl.col("method") == "fold-in") & (pl.col("metric") == "auc") & (pl.col("shots") == 4)
    assert frame.filter(best).height == 1
    raised = frame.with_columns(
        value=pl.when(best).then(pl.col("value") + 0.001).otherwise("value")
    )
    ((what, words),) = refusals(looked_at(**{"frames/table.parquet": parquet(raised)}))
    assert what == "figures"
    assert words.startswith("table: mine, user-cold (shots = [0, 4], query = 8), fold-in, auc, ")
    assert "value is claimed as" in words


def test_a_changed_version_user_or_state_is_named(files: Files, looked_at: Look) -> None:
    plan = json.loads(files["plan.json"])
    plan[2]["versions"]["torch"] = "9.9"
    with pytest.raises(UserError, match="not of the same cells"):
        looked_at(**{"plan.json": json.dumps(plan).encode()})
    manifest = json.loads(files["manifest.json"])
    manifest["splits"] = dict.fromkeys(manifest["splits"], "0" * 32)
    ((what, words),) = refusals(looked_at(**{"manifest.json": json.dumps(manifest).encode()}))
    assert (what, words[:4]) == ("splits", "mine")
    assert "other users, items or answers than the data set gives here" in words


def test_scores_too_few_outside_the_scale_or_absent_are_named(
    files: Files, looked_at: Look, tmp_path: Path
) -> None:
    name = scores_of(files, "fold-in")
    frame = pl.read_parquet(files[name])
    for forged, words in (
        (parquet(frame.slice(1)), "were asked for"),
        (parquet(frame.with_columns(score=pl.lit(1.5, pl.Float32))), "outside 0..1"),
        (b"no parquet", "parquet"),
        (None, "it is done and has no scores"),
    ):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        ((what, reason),) = refusals(looked_at(**{name: forged}))
        assert what == "scores"
        assert words in reason


def test_other_data_here_is_named(folder: Path, looked_at: Look) -> None:
    log = (folder / "mine.csv").read_text()
    try:
        (folder / "mine.csv").write_text(log.replace("0,", "1,", 1))
        ((what, words),) = refusals(looked_at())
    finally:
        (folder / "mine.csv").write_text(log)
    assert what == "data"
    assert "its cells were made from a log with the hash" in words


def test_a_run_without_a_chance_row_is_refused(files: Files, looked_at: Look) -> None:
    gone = fingerprint(files, "random")
    plan = [spec for spec in json.loads(files["plan.json"]) if spec["method"] != "random"]
    records = json.loads(files["records.json"])
    del records[gone]
    findings = looked_at(
        **{
            "plan.json": json.dumps(plan).encode(),
            "records.json": json.dumps(records).encode(),
            "grid.toml": files["grid.toml"].replace(b'"random", ', b""),
        }
    )
    assert [words for what, words in refusals(findings) if what == "rules"] == [
        f"{SETTING} has no chance row: run it with `-m random` among its methods"
    ]


def test_invented_scores_with_figures_that_fit_are_found_by_running_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run = tmp_path / "small"
    shutil.copytree("runs/small", run)
    (fold_in,) = [cell for cell in read_run(run) if cell.name == "fold-in"]
    mixed = (pl.col("label") + pl.col("score")) / 2  # better, and K = 0 is left as it was
    better = pl.when(pl.col("shots") == 4).then(mixed).otherwise("score")
    forged = fold_in.scores().with_columns(score=better.cast(pl.Float32))
    forged.write_parquet(fold_in.folder / "scores.parquet")
    fake_run.reseal(fold_in.folder)
    archives.write(run, tmp_path / "forged.zip")
    archive = archives.Archive.read(tmp_path / "forged.zip")
    findings = list(verifying.verify(archive, tmp_path / "one" / "run", 3, OPTIONS))
    ((what, words),) = refusals(findings)
    assert what == "rerun"
    assert words.startswith(f"{SETTING} fold-in seed 0: by the same code: scores differ by")


def test_a_run_that_is_not_at_its_end_is_not_archived(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs/small", tmp_path / "small")
    shutil.rmtree(next((tmp_path / "small/cells").glob("?" * 16)))
    with pytest.raises(UserError, match="is missing: run it to its end, then archive it"):
        archives.write(tmp_path / "small", tmp_path / "file.zip")


def changed_record(files: Files, method: str, change: Callable[[Any], None]) -> bytes:
    records = json.loads(files["records.json"])
    change(records[fingerprint(files, method)])
    return json.dumps(records).encode()


@pytest.mark.parametrize(
    ("method", "key", "value"),
    [("fold-in", "chance", True), ("fold-in", "like_at", 0.9), ("random", "chance", False)],
)
def test_a_changed_fact_that_metrics_or_rules_follow_is_named(
    files: Files, looked_at: Callable[..., list[Finding]], method: str, key: str, value: Any
) -> None:
    forged = changed_record(files, method, lambda stored: stored["facts"].update({key: value}))
    ((what, words),) = refusals(looked_at(**{"records.json": forged}))
    assert what == "facts"
    assert f"{method} seed 0: {key} is claimed as {value}; here it is " in words


def test_a_finished_cell_that_is_said_to_have_failed_no_longer_gives_its_figures(
    files: Files, looked_at: Callable[..., list[Finding]]
) -> None:
    forged = changed_record(files, "fold-in", lambda stored: stored.update(status="failed"))
    whats = {what for what, _ in refusals(looked_at(**{"records.json": forged}))}
    assert whats == {"figures"}
    strange = changed_record(files, "fold-in", lambda stored: stored.update(status="best"))
    assert ("files", "a cell is said to be best") in refusals(
        looked_at(**{"records.json": strange})
    )


def test_a_bad_cell_that_was_dropped_from_the_plan_is_missed_in_its_grid(
    files: Files, looked_at: Callable[..., list[Finding]]
) -> None:
    gone = fingerprint(files, "fold-in")
    plan = [spec for spec in json.loads(files["plan.json"]) if spec["method"] != "fold-in"]
    records = {k: v for k, v in json.loads(files["records.json"]).items() if k != gone}
    changed = {"plan.json": json.dumps(plan).encode(), "records.json": json.dumps(records).encode()}
    assert refusals(looked_at(**changed)) == [
        ("files", "fold-in seed 0 is in grid.toml but not in the plan")
    ]


def test_a_method_under_anothers_name_is_named(
    files: Files, looked_at: Callable[..., list[Finding]]
) -> None:
    plan = json.loads(files["plan.json"])
    for spec in plan:
        if spec["method"] == "fold-in":
            spec["row"] = "stack"  # in no fingerprint
    found = looked_at(
        **{
            "plan.json": json.dumps(plan).encode(),
            "grid.toml": files["grid.toml"].replace(b'"fold-in"', b'"stack"'),
        }
    )
    assert refusals(found) == [("files", "stack is a row of another method's cells")]


def test_a_changed_user_is_named(files: Files, looked_at: Callable[..., list[Finding]]) -> None:
    frame = pl.read_parquet(files["frames/users.parquet"])
    forged = parquet(frame.with_columns(user=pl.col("user") + 1))
    ((what, words),) = refusals(looked_at(**{"frames/users.parquet": forged}))
    assert (what, words[:6]) == ("figures", "users:")


def test_scores_that_are_no_numbers_and_controls_that_are_missing_are_named(
    files: Files, looked_at: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    name = scores_of(files, "fold-in")
    nan = pl.read_parquet(files[name]).with_columns(score=pl.lit(float("nan"), pl.Float32))
    ((what, words),) = refusals(looked_at(**{name: parquet(nan)}))
    assert what == "scores" and "outside 0..1" in words
    shutil.rmtree(tmp_path / "run")
    control = name.replace("scores.parquet", "swapped.parquet")
    named = refusals(looked_at(**{control: None}))
    assert ("rules", f"{SETTING} fold-in seed 0 has no control 'swapped'") in named


def test_a_trial_on_a_few_users_is_no_result(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "mine.csv", tmp_path)
    shutil.copy(folder / "small.toml", tmp_path)
    for words in (["run", "small.toml", "--no-timing", "--limit", "5"], ["archive", "runs/small"]):
        asked(tmp_path, *words)
    done = asked(tmp_path, "verify", "small.coldbench.zip", code=1)
    assert f"REFUSED rules    {SETTING} is LIMITED to 5 users a seed: a trial" in done.stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"form": 2}, "is of form 2; this reads form 1"),
        ({"files": {}}, "grid.toml is not in its manifest"),
        ({"files": None}, "no archive of coldbench, or a torn one"),
    ],
)
def test_a_manifest_of_another_form_is_refused(
    files: Files, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    forged = json.loads(files["manifest.json"]) | change
    kept = {name: content for name, content in files.items() if name.startswith("g")}
    write_zip(tmp_path / "file.zip", {"manifest.json": json.dumps(forged).encode()} | kept)
    with pytest.raises(UserError, match=words):
        archives.Archive.read(tmp_path / "file.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_unpacks_to_too_much_or_stands_in_it_twice_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.zip"
    with zipfile.ZipFile(path, "w") as file:
        for content in (b"1", b"2"):
            file.writestr("manifest.json", content)
    with pytest.raises(UserError, match="a name stands in it twice"):
        archives.Archive.read(path)
    monkeypatch.setattr(archives, "LARGEST", 10)
    write_zip(path, {"manifest.json": b"0" * 11})
    with pytest.raises(UserError, match="holds more than"):
        archives.Archive.read(path)


def test_a_grid_that_would_run_a_models_own_code_is_not_verified(
    files: Files, looked_at: Callable[..., list[Finding]]
) -> None:
    grid = files["grid.toml"] + b"\n[encoder]\nname = 'minilm'\ntrust_remote_code = true\n"
    with pytest.raises(UserError, match="trusts a model's own code"):
        looked_at(**{"grid.toml": grid.replace(b"\nencoder", b"\n# encoder")})
