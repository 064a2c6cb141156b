"""Analyses are found by their files: a new one needs no line elsewhere."""

import re
from pathlib import Path

from coldbench.results import results

FOLDER = Path(results.__file__).parent


def test_every_file_with_the_rows_of_a_setting_is_a_frame_of_its_own_name() -> None:
    files = [p.read_text(encoding="utf-8") for p in FOLDER.glob("*.py")]
    made = [text for text in files if "\ndef rows(setting: Setting)" in text]
    stated = [re.findall(r'^FRAME = "(\w+)"$', text, re.M) for text in made]
    assert sorted(name for names in stated for name in names) == sorted(results.ANALYSES)
    assert len(made) == len(results.ANALYSES) > 10
