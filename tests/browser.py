"""A real browser that opens one page and reports everything that goes wrong on it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WATCH = """
window.__blocked = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.__blocked.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""
# a table, or every one, as a reader meets it; a row's cells in the order of the heads
TABLES = """(only) => [...document.querySelectorAll("table")].filter(
  (_, at) => only === null || at === only).map((table) => ({
  id: table.closest("[id]")?.id ?? "",
  heads: [...table.querySelectorAll("thead th")].map((head) => head.innerText.trim()),
  rows: [...table.querySelectorAll("tbody tr[data-method]")].map((row) => ({
    method: row.dataset.method,
    shown: row.getClientRects().length > 0,
    failed: row.cells.length < table.querySelectorAll("thead th").length,
    cells: [...row.cells].map((cell) => ({
      text: cell.innerText.trim().split(/\\s+/).join(" "),
      sort: cell.dataset.sort ?? null,
    })),
  })),
}))"""
OPEN = "() => document.querySelectorAll('details').forEach((one) => { one.open = true; })"
WIDTHS = "() => [document.documentElement.scrollWidth, window.innerWidth]"
# the elements with words of their own: what they are, their colour and the colours behind them
COLOURS = """() => {
  const found = [];
  for (const node of document.body.querySelectorAll("*")) {
    if (node.closest("svg, script") || !node.getClientRects().length) continue;
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
    const behind = [];
    for (let one = node; one; one = one.parentElement) {
      behind.push(getComputedStyle(one).backgroundColor);
    }
    const name = `${node.tagName.toLowerCase()}.${node.className}`;
    found.push([name, getComputedStyle(node).color, behind]);
  }
  return found;
}"""


def missing() -> str:
    """What to install before a page can be opened; "" where nothing is missing."""
    if find_spec("playwright") is None:
        return "playwright is not installed: pip install -c constraints.txt -e '.[test]'"
    if not any(map(shutil.which, NAMES)):
        return f"no Chromium here (looked for {', '.join(NAMES)}): apt install chromium"
    return ""


@contextmanager
def launched() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    binary = next(path for path in map(shutil.which, NAMES) if path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """An open page and all that a reader would not want to happen on it."""

    def __init__(self, page: "Page", place: Path | str) -> None:
        """place: a file, which may ask for nothing, or http://..., which may ask its own server."""
        self.page = page
        self.address = place if isinstance(place, str) else place.as_uri()
        self.heard: list[str] = []
        page.on("pageerror", lambda error: self.heard.append(f"error: {error}"))
        page.on("console", lambda said: self.heard.append(f"console: {said.text}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", self._dialog)
        page.context.on("page", lambda _: self.heard.append("a new window"))
        page.add_init_script(WATCH)
        page.goto(self.address)

    def troubles(self) -> list[str]:
        blocked = [f"blocked: {what}" for what in self.page.evaluate("window.__blocked")]
        hacked = self.page.evaluate("window.__hacked ?? null")
        return self.heard + blocked + ["foreign code ran"] * (hacked is not None)

    def tables(self) -> dict[str, dict[str, Any]]:
        self.page.evaluate(OPEN)
        return {table["id"]: table for table in self.page.evaluate(TABLES, None)}

    def words(self) -> str:
        """All that stands on the page with every fold open, in single spaces."""
        self.page.evaluate(OPEN)
        return " ".join(self.page.locator("body").inner_text().split())

    def _asked(self, address: str) -> None:
        own = self.address.startswith("http") and address.startswith(self.address)
        if address != self.address and not own:
            self.heard.append(f"request: {address}")

    def _dialog(self, dialog: Any) -> None:
        self.heard.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def visit(browser: "Browser", place: Path | str, **how: Any) -> Iterator[Visit]:
    """how: as of playwright's new_context: viewport, color_scheme, java_script_enabled, ..."""
    context = browser.new_context(**how)
    context.set_default_timeout(20_000)
    try:
        yield Visit(context.new_page(), place)
    finally:
        context.close()


def barriers(browser: "Browser", page: Path, how: str) -> list[tuple[str, list[str]]]:
    """What axe-core finds on a page with every fold open, in the colours of `how`."""
    package = find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        pytest.skip("axe-core is not installed: pip install axe-playwright-python")
    axe = Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    with visit(browser, page, color_scheme=how, bypass_csp=True) as opened:
        opened.page.evaluate(OPEN)
        opened.page.add_script_tag(content=axe)
        found = opened.page.evaluate("() => axe.run(document)")["violations"]
    return [(one["id"], [node["html"][:90] for node in one["nodes"]][:3]) for one in found]


def contrast(ink: str, behind: list[str]) -> float:
    """The ratio of WCAG between a text and what is behind it, the nearest first."""
    ground: tuple[float, ...] = (255.0, 255.0, 255.0)
    for colour in reversed(behind):
        ground = _over(colour, ground)
    dark, light = sorted(map(_light, (ground, _over(ink, ground))))
    return (light + 0.05) / (dark + 0.05)


def _over(colour: str, ground: tuple[float, ...]) -> tuple[float, ...]:
    *rgb, alpha = _rgba(colour)
    return tuple(alpha * a + (1 - alpha) * b for a, b in zip(rgb, ground, strict=True))


def _rgba(colour: str) -> list[float]:
    numbers = [float(x) for x in colour[colour.index("(") + 1 : -1].replace("/", ",").split(",")]
    return numbers if len(numbers) == 4 else [*numbers, 1.0]


def _light(rgb: tuple[float, ...]) -> float:
    linear = [
        x / 255 / 12.92 if x <= 0.04045 * 255 else ((x / 255 + 0.055) / 1.055) ** 2.4 for x in rgb
    ]
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
