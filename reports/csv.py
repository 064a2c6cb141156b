"""CSV: results.csv, one number a line for machines, and users.parquet, one evaluated user a row."""

from pathlib import Path

from coldbench.report import Report
from coldbench.results.results import Results

from ._escape import inert


class Csv(Report):
    format = "csv"

    def write(self, results: Results, folder: Path) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        table, users = folder / "results.csv", folder / "users.parquet"
        inert(results.table).write_csv(table)
        results.users.write_parquet(users)
        return [table, users]
