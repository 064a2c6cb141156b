"""The pages of docs/ do what they say."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coldbench import registry
from coldbench.errors import UserError
from coldbench.files.locate import sha256
from coldbench.testing.checks import CHECKS
from tests import console

ROOT = Path(__file__).resolve().parents[2]
FIRST = ("README.md", "CONTRIBUTING.md", "AGENTS.md", "SECURITY.md")
PAGES = (*FIRST, *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")))
FOLDERS = ("benchmarks", "coldbench", "datasets", "docs", "examples", "methods", "reports", "tests")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def ask(folder: Path, *words: str) -> str:
    done = console.coldbench(folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def code_of(page: str, number: int = 0) -> str:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.S)
    return blocks[number]


@pytest.mark.slow
def test_the_method_of_the_page_is_listed_checked_run_and_reported(tmp_path: Path) -> None:
    code = code_of("add-a-method.md")
    assert len(code.splitlines()) < 60
    (tmp_path / "taste.py").write_text(code, encoding="utf-8")
    listed = json.loads(ask(tmp_path, "list", "methods", "--json", "--include", "taste.py"))
    assert "taste" in [row["name"] for row in listed]
    assert "taste" in ask(tmp_path, "check", "taste.py")
    words = ["-d", "synthetic", "-m", "taste,item-bias,constant", "--set", "encoder=vectors"]
    ask(tmp_path, "run", *words, "--include", "taste.py", "--no-timing", "--name", "mine")
    ask(tmp_path, "report", "mine")
    report = tmp_path / "runs/mine/report"
    for name in ("report.md", "results.csv", "index.html"):
        assert "taste" in (report / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_module_of_the_page_passes_every_check(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text(code_of("add-a-method.md", 1), encoding="utf-8")
    (row,) = (line for line in ask(tmp_path, "check", "reader.py").splitlines() if "reader" in line)
    assert re.fullmatch(r"\| reader \| (\d+) of \1 \|  \|  \|", row), "all passed, none exempt"


def test_the_dataset_of_the_page_reads_its_files_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLDBENCH_DATA", str(tmp_path))
    code, shelf = code_of("add-a-dataset.md"), tmp_path / "my-shop"
    shelf.mkdir()
    for name, text in (
        ("ratings.csv", "user,product,stars,seconds\nann,7,4.5,1600000000\nbob,7,1,1600000000\n"),
        ("products.csv", 'product,title\n7,"Lamp, small"\n'),
    ):
        (shelf / name).write_text(text, encoding="utf-8")
        code = code.replace(f"<of {name}>", sha256(shelf / name))
    (tmp_path / "my_shop.py").write_text(code, encoding="utf-8")
    spec = spec_from_file_location("my_shop", tmp_path / "my_shop.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    log, items = module.MyShop().load()
    assert log.ratings.tolist() == [4.5, 1] and items.text == ("Lamp, small",)
    (shelf / "ratings.csv").write_text("another", encoding="utf-8")
    with pytest.raises(UserError, match="SHA-256"):
        module.MyShop().load()


def blocks_of(page: str) -> list[tuple[str, str]]:
    """What stands between fences, with its language, in order."""
    return re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.S)


def shown(console: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console, and the lines that the page says it prints."""
    for part in re.split(r"^\$ ", console, flags=re.M)[1:]:
        joined = part.replace("\\\n", " ")
        command, _, printed = joined.partition("\n")
        yield command, printed.splitlines()


@pytest.mark.slow
def test_the_page_on_your_data_can_be_followed_from_its_file_to_its_reports(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def bash(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euc", command], cwd=tmp_path, env={**os.environ, "PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    kinds = [kind for kind, _ in blocks_of("your-data.md")]
    assert kinds.count("python") == kinds.count("toml") == 1 and kinds.count("console") == 3
    for kind, text in blocks_of("your-data.md"):
        if kind == "python":
            subprocess.run([sys.executable, "-c", text], cwd=tmp_path, check=True)
        elif kind == "toml":
            (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
        elif kind == "sh":
            done = bash(text)
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            for command, printed in shown(text):
                done = bash(command)
                assert printed and "Traceback" not in done.stderr
                for line in printed:
                    assert line in done.stdout, f"{command} says {done.stdout}{done.stderr}"
    report = (tmp_path / "runs/shop/report/report.md").read_text(encoding="utf-8")
    assert "fold-in has the best" in report or "ridge has the best" in report
    scores = list((tmp_path / "runs").rglob("scores.parquet"))
    assert len(scores) == 8 + 6 and (tmp_path / "shop.png").is_file()


def test_the_page_on_your_data_names_every_option_and_every_usual_column() -> None:
    page = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
    claims = import_module("coldbench.datasets._claims")
    options = page.partition("## Options")[2].partition("## ")[0]
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|(.*?)\|", options, re.M)))
    known = [
        field.name
        for name in ("csv", "parquet", "recbole")
        for field in fields(registry.find("datasets", name))
    ]
    assert set(named) == set(known) - {"path"}
    for what, names in claims.USUAL.items():
        row = re.search(rf"^\| {what}\b.*?\| (.*) \|$", page, re.M)
        assert row and {name.replace(" ", "") for name in row[1].split(", ")} == set(names.split())


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", text_of(page)):
        assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    for path in re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./*-]*\w", text_of(page)):
        assert list(ROOT.glob(path)), f"{page} names {path}"


def test_every_make_target_of_a_page_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for verb in re.findall(r"(?:`|^ +)make ([a-z-]+)", text_of(page), re.M):
            assert re.search(rf"^{verb}:", makefile, re.M), f"{page}: make {verb}"


def test_every_command_of_a_page_exists_with_its_options() -> None:
    app = import_module("coldbench.benchmarks.cli").app
    helps: dict[str, str] = {"--version": ""}
    for page in PAGES:
        whole = text_of(page).replace("\\\n", " ")
        commands = re.findall(r"^ +(?:\.venv/bin/)?coldbench (.*)|`coldbench ([^`]*)`", whole, re.M)
        for words in (f"{block}{inline}".split() for block, inline in commands):
            verb = words[0]
            if verb not in helps:
                shown = CliRunner().invoke(app, [verb, "--help"])
                assert shown.exit_code == 0, f"{page}: coldbench {verb}"
                helps[verb] = shown.output
            for option in (word for word in words[1:] if re.fullmatch(r"--[a-z][a-z-]+", word)):
                assert option in helps[verb], f"{page}: coldbench {verb} {option}"
    assert len(helps) > 12


def test_the_first_pages_count_what_there_is() -> None:
    stated = re.search(r"and more than (\d+) methods,", text_of("README.md"))
    assert stated and len(registry.names("methods")) > int(stated[1])
    assert f"{len(CHECKS)} checks of a method's contract" in text_of("docs/start.md")
