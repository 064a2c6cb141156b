"""The pages of docs/ do what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COLDBENCH = str(Path(sys.executable).with_name("coldbench"))


def ask(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [COLDBENCH, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def code_of(page: str) -> str:
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.S)
    assert found
    return found[1]


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


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_command_of_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for verb in set(re.findall(r"make ([a-z]+)", text)):
        assert re.search(rf"^{verb}:", makefile, re.M), f"make {verb}"
    for verb in set(re.findall(r"^ +coldbench ([a-z]+)", text, re.M)):
        ask(ROOT, verb, "--help")
