"""Tables of what was found: for the terminal, as CSV and as JSON. The same findings give the same bytes."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

Row = Mapping[str, object]


def write_tables(folder: Path, name: str, rows: Sequence[Row]) -> list[Path]:
    """`name`.csv and `name`.json in the folder."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    paths = [folder / f"{name}.csv", folder / f"{name}.json"]
    paths[0].write_text(text.getvalue(), encoding="utf-8")
    paths[1].write_text(json.dumps(list(rows), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return paths


def terminal_table(rows: Sequence[Row], columns: Mapping[str, str]) -> Table:
    """The columns (field -> heading) of the rows."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, heading in enumerate(columns.values()):
        table.add_column(heading, justify="right" if at else "left", no_wrap=True)
    for row in rows:
        table.add_row(*[_cell(row[field]) for field in columns])
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") or "0"
    return str(value)
