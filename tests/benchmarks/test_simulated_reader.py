"""What the tools save: an oracle corrects the default model's masks of the ten reference patients.

    BRAINSEG_DATA=.../kaggle_3m python -m pytest tests/benchmarks/test_simulated_reader.py -s

Two readers start from the same predictions and go on until DSC 0.95 against the truth: one has
brush and eraser only, the other all tools (see `oracle_reader`, `oracle_hand`). A stroke is one
action of the history: one press-drag-release of a brush or an outline, a click, or a key; where
growing from seeds is used, its scribbles count as gestures besides. Set ``BRAINSEG_EFFORT_OUT``
to a folder to get the rows as JSON and CSV.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from napari_brainseg.core.formats import discover

REFERENCE_TEN = (
    "TCGA_HT_7616_19940813", "TCGA_CS_6668_20011025", "TCGA_CS_4944_20010208",
    "TCGA_HT_7879_19981009", "TCGA_DU_7014_19860618", "TCGA_DU_6408_19860521",
    "TCGA_DU_6404_19850629", "TCGA_DU_5851_19950428", "TCGA_CS_6667_20011105",
    "TCGA_HT_7692_19960724",
)  # fmt: skip
READERS = ("brush", "all")
HERE = Path(__file__).parent
COUNTS = ("strokes", "gestures", "voxels")


@pytest.fixture(scope="module")
def rows(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One row for each patient and reader; the readers work side by side."""
    there = {folder.patient for folder in discover(data_root).folders}
    patients = [patient for patient in REFERENCE_TEN if patient in there] or sorted(there)[:2]
    scratch = tmp_path_factory.mktemp("simulated")
    script = str(HERE / "oracle_reader.py")
    found: list[dict[str, Any]] = []
    with ExitStack() as files:
        running = [
            subprocess.Popen(
                [sys.executable, script, str(data_root), str(scratch / reader), reader, *patients],
                stdout=subprocess.PIPE,
                stderr=files.enter_context((scratch / f"{reader}.err").open("w")),
                text=True,
            )
            for reader in READERS
        ]
        outputs = [process.communicate()[0] for process in running]
    for process, reader, output in zip(running, READERS, outputs, strict=True):
        assert process.returncode == 0, (scratch / f"{reader}.err").read_text()
        found += [json.loads(line) for line in output.splitlines()]
    if folder := os.environ.get("BRAINSEG_EFFORT_OUT"):
        write(Path(folder), found)
    return found


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "simulated_reader.json").write_text(json.dumps(rows, indent=2))
    with (folder / "simulated_reader.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_what_all_tools_save(rows: list[dict[str, Any]]) -> None:
    by_patient: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_patient.setdefault(row["patient"], {})[row["reader"]] = row
    title = "DSC    brush: end strokes  voxels  travel    all: end strokes gestures  voxels  travel"
    print(f"\n{'patient':22s} {title}")
    for patient, readers in by_patient.items():
        brush, every = readers["brush"], readers["all"]
        used = ", ".join(f"{n} {tool}" for tool, n in every["tools"].items())
        print(
            f"{patient:22s} {brush['dsc_start']:.3f}      {brush['dsc_end']:.3f} "
            f"{brush['strokes']:7d} {brush['voxels']:7d} {brush['travel_px']:7.0f}"
            f"        {every['dsc_end']:.3f} {every['strokes']:7d} {every['gestures']:8d} "
            f"{every['voxels']:7d} {every['travel_px']:7.0f}   {used}"
        )
    for count in (*COUNTS, "travel_px"):
        brush_only, with_all = (sum(r[count] for r in rows if r["reader"] == x) for x in READERS)
        ratio = brush_only / with_all if with_all else float("nan")
        print(f"{count:12s} brush {brush_only:9.0f}   all {with_all:9.0f}   ratio {ratio:.2f}")
    for row in rows:
        assert row["dsc_end"] >= row["dsc_start"]
        if not row["reached"]:
            print(
                f"{row['patient']}: the reader with {row['reader']} gave up at {row['dsc_end']:.3f}"
            )
