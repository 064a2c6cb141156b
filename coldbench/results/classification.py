"""scikit-learn's classification report of every method, at its largest K."""

from coldbench.metrics.compute import classification
from coldbench.results.schema import Row, schema
from coldbench.results.setting import Setting

FRAME = "reports"
SCHEMA = schema("method report", "shots")


def rows(setting: Setting) -> list[Row]:
    return [
        {"method": method, "shots": max(by), "report": classification(by[max(by)].predictions)}
        for method, by in setting.scores.items()
    ]
