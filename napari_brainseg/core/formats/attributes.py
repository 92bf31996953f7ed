"""Clinical attributes from a ``data.csv`` beside the patients."""

from __future__ import annotations

import csv
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ATTRIBUTES_FILE", "attributes_of"]

ATTRIBUTES_FILE = "data.csv"
"""Name of the table in a folder of patients."""

_KEY = "Patient"


def attributes_of(root: Path, patient: str) -> Mapping[str, str]:
    """Look up a patient in the table of its root.

    Parameters
    ----------
    root : Path
        Folder that holds the patients, and ``data.csv`` if there is one.
    patient : str
        Name with or without the study date; kaggle_3m lists patients without it.

    Returns
    -------
    mapping of str to str
        Column to value; columns without a value are left out. Empty without table or row.

    Raises
    ------
    DataError
        If there is a table that cannot be read as one.
    """
    path = root / ATTRIBUTES_FILE
    try:
        stat = path.stat()
    except OSError:
        return {}
    rows = _rows(path, stat.st_mtime_ns, stat.st_size)
    return dict(rows.get(patient) or rows.get(undated(patient)) or {})


@lru_cache(maxsize=8)
def _rows(path: Path, _mtime_ns: int, _size: int) -> dict[str, dict[str, str]]:
    """Read a table once for as long as the file does not change."""
    hint = f"Mend it or move it away; it needs a header with the column {_KEY!r}."
    rows: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if _KEY not in (reader.fieldnames or ()):
                found = ", ".join(reader.fieldnames or ()) or "nothing"
                raise DataError(f"{path} has no column {_KEY!r}, only: {found}.", hint)
            for row in reader:
                name = (row.pop(_KEY) or "").strip()
                values = {
                    column: value.strip()
                    for column, value in row.items()
                    # Cells beyond the header come as a list under None.
                    if column is not None and value and value.strip()
                }
                if rows.setdefault(name, values) is not values:
                    raise DataError(
                        f"{path} lists the patient {name!r} twice (line {reader.line_num}).",
                        "Keep one of the two rows.",
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.", hint) from error
    return rows
