"""`coldbench fetch` says whose data it is before it downloads, and what lies where after."""

import hashlib
import io
import json
import os
import re
import runpy
import sys
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from coldbench import registry
from coldbench.errors import UserError

fetch: Any = import_module("coldbench.benchmarks.commands.fetch").fetch
app: Any = import_module("coldbench.benchmarks.cli").app
Verbosity: Any = import_module("coldbench.benchmarks.commands.verbosity").Verbosity
web: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "hostile.py"))
CONTENT = b"0\t0\n0\t1\n1\t1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOURCE = '''
"""A toy."""

import numpy as np

from coldbench.dataset import Dataset, File
from coldbench.files.locate import Patience, locate
from coldbench.interactions import Catalogue, Interactions

LOG = File("log.tsv", {sha256!r}, urls=({address!r},))
SPARE = File("spare.zip", {sha256!r}, urls=("https://example.org/spare.zip",))


class Toy(Dataset):
    domain, licence, citation, size = "toys", "for play only", "Toymaker 2024", "2 users"
    scale, like_above = (0.0, 1.0), 0.5
    files = (LOG, SPARE)

    def load(self):
        path = locate("toy", LOG, patience=Patience(0.25, 2, 0.01))
        users, items = np.loadtxt(path, dtype=np.int64).T
        ones = np.ones(len(users), np.float32)
        films = Catalogue(("a", "b"), ("A", "B"), ((), ()))
        return Interactions.from_rows(users, items, ones, None, 2), films
'''


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("COLDBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLDBENCH_DATA", raising=False)
    monkeypatch.delenv("COLDBENCH_OFFLINE", raising=False)
    monkeypatch.setattr(registry, "_included", {})
    with web["served"]() as site:
        toy(site, tmp_path)
        yield site
    sys.modules.pop("coldbench_included_datasets_toy", None)


def toy(site: Any, tmp_path: Path, sha256: str = SHA256) -> None:
    """A dataset "toy" whose one file lies at an address of the site."""
    address = site.at("/log.tsv", web["whole"](CONTENT))
    path = tmp_path / "toy.py"
    path.write_text(SOURCE.format(sha256=sha256, address=address).lstrip())
    registry.include(path, "datasets")
    sys.modules.pop("coldbench_included_datasets_toy", None)


def test_licence_citation_and_source_are_said_before_anything_is_asked(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    def tell(to: Any) -> None:
        said.append(capsys.readouterr().out)
        web["whole"](CONTENT)(to)

    address = site.at("/log.tsv", tell)
    assert fetch(["toy"], offline=False, as_json=False)
    for word in ("toy", "for play only", "Toymaker 2024", address, "example.org/spare.zip"):
        assert word in said[0]
    assert "users" not in said[0]


def test_then_each_file_has_its_path_size_and_hash_and_the_log_its_counts(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert fetch(["toy"], offline=False, as_json=False)
        said = capsys.readouterr().out
        assert f"{tmp_path}/cache/data/toy/log.tsv, 12 bytes, hash right\n" in said
        assert "spare.zip: not here and not needed\n" in said
        assert "2 users, 2 items, 3 interactions\n" in said
    assert len(site.asked) == 1, "the second time nothing was asked"


def test_a_hash_that_is_noted_now_is_said_to_be(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy(site, tmp_path, sha256="")
    for told in ("its hash was not known: noted now in log.tsv.sha256", "hash right"):
        assert fetch(["toy"], offline=False, as_json=False)
        assert f"log.tsv, 12 bytes, {told}\n" in capsys.readouterr().out


def test_a_member_is_as_right_as_its_archive(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for known, told in ((True, "hash right"), (False, "its hash was not known: noted now")):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as made:
            made.writestr("log.tsv", CONTENT)
        address = site.at("/log.zip", web["whole"](packed.getvalue()))
        sha256 = hashlib.sha256(packed.getvalue()).hexdigest() if known else ""
        archive = f'File("{known}.zip", {sha256!r}, urls=({address!r},))'
        path = tmp_path / "toy.py"
        line = f'LOG = File("{known}.tsv", archive={archive}, inside="log.tsv")'
        path.write_text(re.sub("LOG = File.*", line, path.read_text()))
        sys.modules.pop("coldbench_included_datasets_toy", None)
        assert fetch(["toy"], offline=False, as_json=False)
        assert f"{known}.tsv, 12 bytes, {told}" in capsys.readouterr().out


def test_a_file_of_the_users_own_without_a_known_hash_is_not_called_right(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy(site, tmp_path, sha256="")
    mine = tmp_path / "cache" / "data" / "toy" / "log.tsv"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(CONTENT)
    assert fetch(["toy"], offline=True, as_json=False)
    assert f"no hash is known to check it by; SHA-256 {SHA256}" in capsys.readouterr().out


def test_json_is_one_document_and_nothing_else(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(["toy", "synthetic"], offline=False, as_json=True)
    out, err = capsys.readouterr()
    toys, made = json.loads(out)
    assert toys["name"] == "toy" and toys["licence"] == "for play only"
    assert toys["sources"] == [f"{site.address}/log.tsv", "https://example.org/spare.zip"]
    assert toys["files"] == [
        {
            "name": "log.tsv",
            "path": f"{tmp_path}/cache/data/toy/log.tsv",
            "bytes": 12,
            "sha256": SHA256,
            "hash": "right",
        }
    ]
    assert (toys["users"], toys["items"], toys["interactions"]) == (2, 2, 3)
    assert made["files"] == [] and made["users"] == 300
    assert err == ""


def test_a_dataset_made_here_says_so(site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(["synthetic"], offline=True, as_json=False)
    assert "made here: no files to fetch" in capsys.readouterr().out


def test_offline_nothing_is_asked_and_the_next_dataset_is_looked_for_all_the_same(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not fetch(["toy", "synthetic"], offline=True, as_json=False)
    out, err = capsys.readouterr()
    assert err.startswith("coldbench: toy: log.tsv is not to be had: ")
    assert "no download: offline" in err and err.count("\n") == 1
    assert "300 users" in out
    assert site.asked == []
    assert fetch(["toy"], offline=False, as_json=False), "offline was for one call"


def test_an_unknown_name_is_said_before_the_known_ones_are_fetched(
    site: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="did you mean 'synthetic'"):
        fetch(["toy", "synthetik"], offline=False, as_json=False)
    assert capsys.readouterr().out == "" and site.asked == []


def test_the_command_ends_with_2_where_a_dataset_is_not_to_be_had(site: Any) -> None:
    site.at("/log.tsv", web["status"](404))
    runner = typer.testing.CliRunner()
    done = runner.invoke(app, ["fetch", "toy", "--json"])
    assert done.exit_code == 2
    assert "answers 404" in json.loads(done.stdout)[0]["error"]
    assert runner.invoke(app, ["fetch", "synthetic", "--offline"]).exit_code == 0


def test_a_quiet_fetch_says_only_what_failed_and_a_verbose_one_each_hash(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(["toy"], Verbosity.QUIET, offline=False, as_json=False)
    assert capsys.readouterr().out == "" and "COLDBENCH_QUIET" not in os.environ
    assert fetch(["toy"], Verbosity.VERBOSE, offline=False, as_json=False)
    assert f"SHA-256 {SHA256}\n" in capsys.readouterr().out
    site.at("/log.tsv", web["whole"](b"another"))
    (tmp_path / "cache/data/toy/log.tsv").unlink()
    assert not fetch(["toy"], Verbosity.QUIET, offline=False, as_json=False)
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("coldbench: ")
