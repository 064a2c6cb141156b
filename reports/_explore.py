"""The plotting library of the site's page to explore: Vega-Lite, as a package carries it.

Nothing of it is in this repository: `vl-convert-python` (the extra `site`) has it, and makes one
file of it that asks nothing of a network. The cache keeps that file: making it takes seconds.
"""

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from coldbench.cache import home

PACKAGE = "vl-convert-python"
SCRIPT, LICENCE = "vega.js", "vega-licence.txt"


def is_here() -> bool:
    return find_spec("vl_convert") is not None


def write_library(folder: Path) -> list[Path]:
    """vega.js and its licence, into `folder`."""
    kept = home() / "site" / f"vega-{metadata.version(PACKAGE)}.js"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".part")
        partial.write_text(_bundle(), encoding="utf-8")
        partial.replace(kept)
    licence = Path(__file__).with_name("_vega_licence.txt")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, source in ((SCRIPT, kept), (LICENCE, licence)):
        path = folder / name
        path.write_bytes(source.read_bytes())
        written.append(path)
    return written


def _bundle() -> str:
    import vl_convert

    text: str = vl_convert.javascript_bundle()
    return f"/* licence: {LICENCE} */\n(() => {{{text}}})();\n"  # its names are not the page's
