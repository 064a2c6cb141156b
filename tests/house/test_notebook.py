"""The notebook of examples/ does what it shows: runs, adds a method, draws, loads."""

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "coldbench.ipynb"
TINY = (
    'DATASET = {"datasets": "synthetic", "encoder": "vectors", "shots": [0, 4, 16], '
    '"name": "notebook", "timing": False, '
    '"dataset_params": {"synthetic": {"n_users": 60, "per_user": 30}}}'
)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook as it ends on a small dataset, in a kernel of its own."""
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient, ipykernel: coldbench[test]")
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient, ipykernel: coldbench[test]")
    pytest.importorskip("ipykernel", reason="needs nbclient, ipykernel: coldbench[test]")
    folder = tmp_path_factory.mktemp("notebook")
    book = nbformat.read(NOTEBOOK, 4)
    first = next(cell for cell in book.cells if cell.cell_type == "code")
    assert first.source.startswith("DATASET = ")
    first.source = TINY
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name.lower()))
        patch.setenv("OMP_NUM_THREADS", "1")
        where = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(book, timeout=120, kernel_name="python3", resources=where).execute()
    return book


def outputs(book: Any, kind: str) -> list[str]:
    """All that its cells show of a kind, in order."""
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    return [output["data"][kind] for output in shown if kind in output.get("data", {})]


@pytest.mark.slow
def test_the_notebook_shows_its_tables_with_the_method_it_has_written(executed: Any) -> None:
    tables = [table for table in outputs(executed, "text/html") if "minus item-bias" in table]
    assert len(tables) == 2
    assert "<td>taste</td>" not in tables[0] and "<td>taste</td>" in tables[1]


@pytest.mark.slow
def test_the_notebook_shows_its_figures(executed: Any) -> None:
    assert len(outputs(executed, "image/png")) == 2


@pytest.mark.slow
def test_the_notebook_loads_the_run_with_the_method_it_has_written(executed: Any) -> None:
    assert "taste" in executed.cells[-1]["outputs"][-1]["data"]["text/plain"]


def test_the_notebook_has_the_method_of_the_page_and_outputs_of_real_data() -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs nbclient, ipykernel: coldbench[test]")
    book = nbformat.read(NOTEBOOK, 4)
    page = (ROOT / "docs/add-a-method.md").read_text(encoding="utf-8")
    (method,) = (cell.source for cell in book.cells if cell.source.startswith("%%writefile"))
    assert method.partition("\n")[2] in page
    assert "ml-100k" in outputs(book, "text/html")[0] and len(outputs(book, "image/png")) == 2
    assert not any("stderr" in str(cell.get("outputs")) for cell in book.cells)
