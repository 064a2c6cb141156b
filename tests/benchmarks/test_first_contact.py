"""What a newcomer types first: wrong keys, bare seeds, repeated options, names; remedies work."""

import importlib.util
import json
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from coldbench import registry
from coldbench.errors import UserError, printable

cli: Any = import_module("coldbench.benchmarks.cli")
grids: Any = import_module("coldbench.benchmarks.grid")
names: Any = import_module("coldbench.benchmarks.run_names")
asked: Any = import_module("coldbench.benchmarks.commands.grid_options")
command: Any = import_module("coldbench.benchmarks.commands.command")
listing: Any = import_module("coldbench.benchmarks.commands.listing")
STATED = {"datasets": ["synthetic"], "methods": ["ridge", "maml"], "encoder": "vectors"}


def grid(*changes: str, **more: Any) -> Any:
    return grids.Grid.of(STATED | more, list(changes))


@pytest.mark.parametrize(
    ("bare", "readings"),
    [(0, [(0,)]), (1, [(1,), (0,)]), (3, [(3,), (0, 1, 2)]), (20, [(20,), tuple(range(20))]),
     (21, [(21,), (0, 1, 2)])],
)  # fmt: skip
def test_bare_seeds_are_refused_and_both_readings_work(
    bare: int, readings: list[tuple[int, ...]]
) -> None:
    with pytest.raises(UserError, match="may be a seed or a count") as error:
        grid(f"seeds={bare}")
    remedies = re.findall(r"'(seeds=[^']+)'", str(error.value))
    assert [grid(remedy).seeds for remedy in remedies] == readings


def test_bare_seeds_in_a_file_and_of_one_method_are_refused_too() -> None:
    with pytest.raises(UserError, match="may be a seed or a count"):
        grid(seeds=3)
    with pytest.raises(UserError, match="may be a seed or a count") as error:
        grid("seeds_for.maml=2")
    (_, many) = re.findall(r"'(seeds_for[^']+)'", str(error.value))
    assert grid(many).seeds_for == {"maml": (0, 1)}


@pytest.mark.parametrize(("seed", "sound"), [(-1, False), (2**63 - 1, True), (2**63, False)])
def test_a_seed_is_a_number_that_a_frame_can_hold(seed: int, sound: bool) -> None:
    if sound:
        assert grid(f"seeds=[{seed}]").seeds == (seed,)
    else:
        with pytest.raises(UserError, match="from 0 to 2"):
            grid(seeds=[seed])


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ("shots=[0,1]", "protocol.shots"),
        ("protocol.seeds=[0]", "seeds"),
        ("qeury=3", "protocol.query"),
        ("pooling=last", "encoder.pooling"),
        ("inner_steps=3", "params.maml.inner_steps"),
        ("tau=1.0", "params.ridge.tau"),
        ("method_params.ridge.tau=1.0", "params"),
        ("dataset=coat", "datasets"),
    ],
)
def test_a_wrong_key_is_told_the_right_one_and_that_one_works(change: str, right: str) -> None:
    with pytest.raises(UserError, match="did you mean") as error:
        grid(change)
    (hint,) = re.findall(r"did you mean '([^']+)'", str(error.value))
    assert hint == right
    key, _, value = change.partition("=")
    if "." not in key.removeprefix("protocol."):
        grid(f"{hint}={value}")
    else:
        grid(f"{hint}.{key.partition('.')[2]}={value}")


def test_a_key_like_none_there_is_gets_no_false_hint() -> None:
    with pytest.raises(UserError) as error:
        grid("zzzz=1")
    assert "did you mean" not in str(error.value)


def test_what_belongs_in_a_table_is_said() -> None:
    with pytest.raises(UserError, match=r"set params\.METHOD\.inner_steps"):
        grid("params.inner_steps=3")
    with pytest.raises(UserError, match=r"set params\.maml\.NAME"):
        grid("params.maml=3")


def test_one_key_set_twice_is_an_error_and_two_of_a_table_are_not() -> None:
    with pytest.raises(UserError, match=r"protocol\.query is given twice"):
        grid("protocol.query=3", "protocol.query=4")
    assert grid("protocol.query=3", "protocol.shots=[0]").protocol[0]["query"] == 3


def test_a_change_of_the_protocol_reaches_every_one_of_several() -> None:
    several = ["user-cold", {"preset": "item-cold"}]
    changed = grid("protocol.query=3", protocol=several)
    assert changed.protocol == tuple({"preset": p, "query": 3} for p in ("user-cold", "item-cold"))
    alike = [{"preset": "warm", "query": 3}, {"preset": "warm", "query": 4}]
    assert len(grid("protocol.query=5", protocol=alike).protocol) == 1


# -d and -m


def test_repeated_options_add_up_and_a_file_is_one_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a,b.csv").write_text("user,item,rating\n", encoding="utf-8")
    assert asked.names(["ridge", "maml, anil,", ""]) == ["ridge", "maml", "anil"]
    assert asked.names(["a,b.csv", "coat"]) == ["a,b.csv", "coat"]
    assert asked.names(["a,c.csv"]) == ["a", "c.csv"]
    words = ["run", "-d", "synthetic", "-m", "ridge", "-m", "item-bias", "--set", "encoder=vectors"]
    outcome = CliRunner().invoke(cli.app, [*words, "--dry-run", "--json"])
    document = json.loads(outcome.stdout)
    assert [cell["method"] for cell in document["cells"]] == ["ridge", "item-bias"]
    assert {cell["status"] for cell in document["cells"]} == {"missing"}
    assert document["grid"]["methods"] == ["ridge", "item-bias"]
    assert document["run"] == "runs/synthetic+ridge+item-bias"


@pytest.mark.parametrize(
    "words",
    [["report", "x", "--format", "md", "--format", "csv"], ["explain", "r", "c", "--user", "1",
     "--user", "2"], ["run", "quick", "-j", "1", "-j", "2"], ["check", "--all", "--all"]],
)  # fmt: skip
def test_an_option_that_holds_one_value_is_refused_twice(words: list[str]) -> None:
    failed = CliRunner().invoke(cli.app, words).exception
    assert isinstance(failed, UserError) and "is given twice: leave one out" in str(failed)


@pytest.mark.parametrize("char", ["\x7f", "\x9b", "\u202e", "\u2028", "\x1b", "\n"])
def test_a_grid_is_shown_without_what_steers_a_terminal_and_reads_back(char: str) -> None:
    stated = grid(encoder={"name": f"a{char}b"})
    shown = stated.toml()
    assert printable(shown) == shown and shown.count("\n") == 7
    assert tomllib.loads(shown)["encoder"]["name"] == f"a{char}b"


def test_a_file_name_that_no_grid_file_can_hold_is_one_line() -> None:
    with pytest.raises(UserError, match="no UTF-8") as error:
        grid(datasets=["bad\udcff.csv"])
    assert printable(str(error.value)) == str(error.value)


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", ".hidden", "-x", "a/b", "a\\b", "a\nb", "a\tb", "a\0b", "\x1b[31m",
     "\udc80", "\u202egnp", 101 * "x", 34 * "\u20ac", "x "],
)  # fmt: skip
def test_a_name_that_is_no_folder_below_runs_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UserError) as error:
        names.checked(name)
    assert "\n" not in str(error.value) and len(str(error.value)) < 250
    assert printable(str(error.value)) == str(error.value)


@pytest.mark.parametrize("name", ["a", "my run", "quick_2.5", "Ünïcödé", 100 * "x", 33 * "\u20ac"])
def test_a_name_of_up_to_100_bytes_is_kept(name: str) -> None:
    assert names.checked(name) == name


@pytest.mark.parametrize(
    "parts",
    [["coat", "maml:long"], ["ml-100k>coat", "x"], [300 * "x"], [70 * "\u20ac"], ["../../x"],
     ["\udc80"], ["..."], ["a\nb"], ["-"], []],
)  # fmt: skip
def test_a_name_that_is_made_is_always_a_sound_one(parts: list[str]) -> None:
    for longest in (names.SHOWN, names.LONGEST):
        name = names.made(parts, longest)
        assert names.checked(name) == name and len(name.encode()) <= names.LONGEST


def test_two_long_lists_of_methods_share_no_folder_and_short_ones_read_as_they_are() -> None:
    methods = [f"method-{n}" for n in range(20)]
    assert names.made(["coat", *methods]) != names.made(["coat", *methods[:-1]])
    assert names.made(["ml-100k>coat", "maml:long"]) == "ml-100k-to-coat+maml-long"
    assert names.made([60 * "x"]) == 60 * "x" and names.made([61 * "x"]) != 61 * "x"
    assert names.of_file("my, grid") == "my, grid" and names.of_file(".x") == "x"


# what is printed


def test_what_could_steer_a_terminal_is_escaped_and_plain_text_is_kept() -> None:
    assert printable("\x1b[31mred\r\x07\x9b\udc80\u202e\u2028") == (
        "\\x1b[31mred\\r\\x07\\x9b\\udc80\\u202e\\u2028"
    )
    for plain in ("a\tb\nc", "日本語 ünï", "🧑‍🚀", "می‌خواهم"):
        assert printable(plain) == plain


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("bad \x1b[2J\udc80\nsecond"), "coldbench: bad \\x1b[2J\\udc80 second\n"),
        (FileExistsError(17, "is there"), ""),
        (NotADirectoryError(20, "no"), ""),
    ],
)
def test_what_a_user_can_mend_is_one_printable_line_of_code_2_and_a_fault_of_ours_is_not(
    error: Exception,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(error: Exception = error) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr().err
    assert end.value.code == 2 and shown.count("\n") == 1 and shown in (line or shown)
    monkeypatch.setattr(cli, "app", lambda: fails(FileNotFoundError(2, "gone")))
    with pytest.raises(FileNotFoundError):
        cli.main()


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 130), (EOFError(), 1)])
def test_ctrl_c_ends_with_130_and_a_worker_that_died_is_not_taken_for_it(
    raised: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise raised

    monkeypatch.setattr(listing, "rows", fails)
    done = CliRunner().invoke(cli.app, ["list", "methods"])
    assert done.exit_code == code and "Aborted" not in done.output
    assert ("coldbench: stopped" in done.output) is (code == 130)


def test_one_document_keeps_all_else_off_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with command.one_document(True):
        print("progress")
    command.document({"a": [float("nan"), 1.5], "b": (float("inf"),)})
    streams = capsys.readouterr()
    assert json.loads(streams.out) == {"a": [None, 1.5], "b": [None]}
    assert streams.err == "progress\n"
    with command.one_document(False):
        print("plain")
    assert capsys.readouterr().out == "plain\n"


def test_the_version_is_told_and_the_exit_codes_stand_in_the_help() -> None:
    from coldbench import __version__

    assert CliRunner().invoke(cli.app, ["--version"]).stdout == f"coldbench {__version__}\n"
    page = " ".join(CliRunner().invoke(cli.app, ["--help"]).stdout.split())
    assert cli.CODES in page


@pytest.mark.parametrize("room", listing.ROOMS)
def test_a_list_is_one_line_a_name_and_fits_80_columns(
    room: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = listing.rows(room)
    listing.show(room, rows)
    whole = capsys.readouterr().out.splitlines()
    monkeypatch.setenv("COLUMNS", "80")
    listing.show(room, rows)
    fitted = capsys.readouterr().out.splitlines()
    assert len(whole) == len(fitted) == 1 + len(rows)
    assert all(len(line) <= 80 for line in fitted)
    for row, line in zip(rows, whole[1:], strict=True):
        assert line.startswith(row["name"])
    if room == "datasets":
        assert whole == fitted


def test_of_one_name_all_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = listing.rows("datasets", "ml-100k")
    listing.show_one(row)
    shown = capsys.readouterr().out
    assert all(key in shown for key in ("licence", "citation", "100,000", "above 3.5 of 1 to 5"))


def test_ready_grids_state_seeds_as_lists() -> None:
    for path in grids.READY.glob("*.toml"):
        assert isinstance(tomllib.loads(path.read_text("utf-8")).get("seeds", []), list)


def test_ratios_of_other_suites_stay_in_the_file_of_speeds(tmp_path: Path) -> None:
    path = Path(grids.__file__).parent / "speed" / "conftest.py"
    spec = importlib.util.spec_from_file_location("speed_conftest", path)
    assert spec and spec.loader
    speed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(speed)
    before = [{"suite": "maml", "ratio": 1.0}, {"suite": "lora", "ratio": 2.0}]
    now = [{"suite": "maml", "ratio": 3.0}, {"suite": "data", "ratio": 4.0}]
    out = tmp_path / "speed.json"
    assert speed.beside(now, out) == now
    out.write_text(json.dumps(before), encoding="utf-8")
    assert speed.beside(now, out) == [before[1], *now]
    out.write_text(json.dumps(before)[:-5], encoding="utf-8")
    assert speed.beside(now, out) == now


BROKEN = '''"""Broken: cannot learn."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from coldbench.method import Method, Space


@dataclass
class Broken(Method[torch.Tensor]):
    size: int = 0
    space: ClassVar[Space] = {"size": (0, 3)}

    def meta_train(self, warm, valid, items, seeds):
        raise RuntimeError("never \\x1b[31m")

    def adapt(self, support):
        return support.labels

    def score(self, state, items):
        return torch.zeros(items.shape)
'''


def test_a_search_without_a_trial_ends_with_1_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_included", {})
    Path("cannot_learn.py").write_text(BROKEN, encoding="utf-8")
    words = ["tune", "cannot-learn,ridge", "-d", "synthetic", "--trials", "1", "--json"]
    more = ["--set", "encoder=vectors", "--include", "cannot_learn.py", "--name"]
    done = CliRunner().invoke(cli.app, [*words, *more, "both"])
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert [method["best trial"] for method in document["methods"]] == [None, 1]
    assert document["grid"] == "runs/both/tuned.toml"
    words[1] = "cannot-learn"
    done = CliRunner().invoke(cli.app, [*words, *more, "alone"])
    assert done.exit_code == 1 and json.loads(done.stdout)["grid"] is None
    assert "coldbench: no trial was done: RuntimeError: never \\x1b[31m" in done.stderr
