"""The effort table: whose strokes count, what is summed, and the files it is written to."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.case_log import CaseStatus
from napari_brainseg.session.correction_start import correction_start
from napari_brainseg.session.effort import (
    EffortRow,
    effort,
    effort_of_workspace,
    summary,
    to_csv,
    to_json,
    write_csv,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace


def row(version: str | None = "v1", **facts: object) -> EffortRow:
    given = {
        "patient": "P", "model_version": version, "editor": "Ada", "seconds": 10.0, "strokes": 2,
        "voxels_added": 30, "voxels_removed": 4, "tools": {"brush": 2}, "status": "corrected",
        "created": 0.0, **facts,
    }  # fmt: skip
    return EffortRow(**given)  # type: ignore[arg-type]


@pytest.fixture
def case(
    make_study: Callable[..., Study],
    predict_mask: Callable[..., Prediction],
    catalogue: Catalogue,
) -> Case:
    made = Case(make_study(), catalogue)
    made.set_prediction(predict_mask(made.study))
    return made


def paint(case: Case, tool: str, *box: slice, value: int = 1) -> None:
    assert case.correction is not None
    case.correction.data[box] = value
    assert case.correction.commit(tool) is not None


def test_a_case_s_strokes_in_force_are_counted_and_all_its_time(
    case: Case, catalogue: Catalogue
) -> None:
    correction = case.start_correction("prediction", "Ada")
    paint(case, "brush", slice(0, 1), slice(0, 2), slice(0, 5))
    correction.editor = "Bob"
    paint(case, "eraser", slice(0, 1), slice(0, 1), slice(0, 3), value=0)
    paint(case, "brush", slice(1, 2), slice(0, 2), slice(0, 5))
    paint(case, "lasso", slice(1, 2), slice(5, 6), slice(0, 5))
    seconds = correction.meter.seconds
    correction.undo()
    with catalogue.write() as connection:
        for spent in (30.0, 12.0):
            connection.execute(
                insert(tables.visits).values(case_id=case.id, opened=0.0, seconds=spent)
            )
    (found,) = effort(catalogue)
    assert found.patient == case.patient
    assert found.base == "prediction"
    assert found.model_version == case.prediction.model_version  # type: ignore[union-attr]
    assert (found.strokes, found.undone) == (3, 1)
    assert (found.voxels_added, found.voxels_removed, found.voxels) == (20, 3, 23)
    assert found.tools == {"brush": 2, "eraser": 1}
    assert found.editor == "Bob"
    assert found.seconds == pytest.approx(seconds)
    assert found.reading_seconds == 42.0
    assert found.status == "corrected"
    assert found.image_sha256 == case.image_sha256
    start = correction_start(catalogue, correction.id)
    assert (start.editor, start.created) == ("Ada", found.created)


def test_a_correction_that_was_set_aside_does_not_count(case: Case, catalogue: Catalogue) -> None:
    case.start_correction("truth", "Ada")
    paint(case, "brush", slice(0, 1), slice(0, 2), slice(0, 5))
    case.discard_correction()
    assert effort(catalogue) == ()
    case.start_correction("empty", "Ada")
    (found,) = effort(catalogue)
    assert (found.base, found.model_version, found.strokes) == ("empty", None, 0)
    assert not found.is_begun
    case.mark(CaseStatus.APPROVED)
    (found,) = effort(catalogue)
    assert found.is_begun


def test_nothing_corrected_gives_nothing(catalogue: Catalogue) -> None:
    assert effort(catalogue) == ()
    assert summary(()) == ()


def test_summary_has_medians_by_version_and_leaves_out_what_was_not_begun() -> None:
    rows = (
        row(seconds=10.0, strokes=1),
        row(seconds=30.0, strokes=4, voxels_added=0),
        row(seconds=20.0, strokes=0, status="approved"),
        row(strokes=0, status="in progress"),
        row("v2", seconds=5.0),
        row(None, base="truth"),
    )
    first, second, truth = summary(rows)
    assert (first.model_version, first.cases) == ("v1", 3)
    assert (first.seconds, first.strokes, first.voxels) == (20.0, 1, 34)
    assert (second.model_version, second.cases, second.seconds) == ("v2", 1, 5.0)
    assert (truth.model_version, truth.base) == (None, "truth")


def test_csv_can_be_read_back_and_says_its_units(tmp_path: Path) -> None:
    rows = (row(patient='Ångström, "A"', tools={"brush": 2, "eraser": 1}), row(None, base="empty"))
    path = tmp_path / "effort.csv"
    write_csv(rows, path)
    raw = path.read_bytes()
    assert raw.decode("utf-8") == to_csv(rows)
    assert raw.count(b"\r\n") == 3
    first, second = csv.DictReader(io.StringIO(raw.decode(), newline=""))
    assert first["patient"] == 'Ångström, "A"'
    assert first["editing (s)"] == "10.0"
    assert first["added (voxels)"] == "30"
    assert first["tools (strokes)"] == "brush: 2; eraser: 1"
    assert first["started (UTC)"] == "1970-01-01T00:00:00+00:00"
    assert second["model_version"] == ""


def test_json_has_cases_and_medians() -> None:
    found = json.loads(to_json([row(), row("v2")]))
    assert [c["model_version"] for c in found["cases"]] == ["v1", "v2"]
    assert found["medians"][0]["cases"] == 1


def test_effort_of_a_workspace_without_a_window(
    case: Case, workspace: Workspace, tmp_path: Path
) -> None:
    case.start_correction("truth", "Ada")
    paint(case, "brush", slice(0, 1), slice(0, 2), slice(0, 5))
    assert effort_of_workspace(workspace.root) == effort_of_workspace(workspace.catalogue)
    assert effort_of_workspace(workspace.root)[0].strokes == 1
    with pytest.raises(BrainSegError, match="no workspace"):
        effort_of_workspace(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
