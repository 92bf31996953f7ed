"""A long session, after which the study root is what it was: names, content, sizes, times."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.dataset.phantom import write_phantoms
from napari_brainseg.core.dataset.rebuild import rebuild, verify
from napari_brainseg.core.editing import Edit
from napari_brainseg.core.segmentation.inference import Prediction, Progress
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle


@pytest.fixture
def desk(
    make_bundle: Callable[..., Bundle], predict_mask: Callable[..., Prediction], tmp_path: Path
) -> Iterator[Desk]:
    def predict(study: Study, bundle: Bundle, *, progress: Any, **_: object) -> Prediction:
        progress(Progress("Predicting", 1, 1))
        assert study.truth is not None
        return predict_mask(study, np.roll(study.truth.data, 3, axis=2), version=bundle.version)

    made = Desk(
        predictor=predict,
        bundled=lambda: (default,),
        preferences=Preferences(tmp_path / "preferences.json"),
    )
    default = make_bundle()
    yield made
    made.close()


def everything(root: Path) -> dict[str, tuple[int, int, str]]:
    """Size, time of change and hash of every entry below a folder; of folders the time only."""
    found = {}
    for path in sorted((root, *root.rglob("*"))):
        facts = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root.parent))] = (
            facts.st_size,
            facts.st_mtime_ns,
            hashlib.sha256(content).hexdigest(),
        )
    return found


def stroke(desk: Desk, z: int, rows: slice, columns: slice, value: int) -> None:
    """As the window paints: into the array, then the end of the stroke."""
    assert desk.case is not None
    correction = desk.case.correction
    assert correction is not None
    correction.data[z, rows, columns] = value
    correction.commit()


def apply(desk: Desk, z: int) -> None:
    assert desk.case is not None
    correction = desk.case.correction
    assert correction is not None
    after = correction.data.copy()
    after[z] = 0
    edit = Edit.between(correction.data, after)
    assert edit is not None
    correction.apply(edit, "clear slice", {"slice": z})


def test_a_long_session_leaves_the_study_root_as_it_was(
    desk: Desk, tmp_path: Path, until: Callable[..., None]
) -> None:
    root = tmp_path / "patients"
    write_phantoms(root, patients=2, seed=11)
    before = everything(root)

    desk.open(root)
    desk.editor = "Ada"
    assert desk.studies is not None
    for patient in desk.studies.patients:
        case = desk.select(patient)
        until(lambda case=case: case.prediction is not None)
        correction = desk.start_correction("prediction")
        lesion = int(np.flatnonzero(correction.data.any(axis=(1, 2)))[0])
        stroke(desk, lesion, slice(20, 40), slice(20, 40), 1)
        stroke(desk, lesion, slice(20, 30), slice(20, 40), 0)
        apply(desk, lesion + 1)
        correction.undo()
        correction.redo()
        desk.export()
        stroke(desk, lesion, slice(50, 60), slice(50, 60), 1)
        desk.export()
        desk.review.reject("motion artefacts")
        desk.review.reopen("fine after all")
        desk.review.ask_second_reader("the part at the back?")
        desk.editor = "Grace"
        desk.export()
        desk.editor = "Ada"
    training_set = desk.workspace.training_set
    for line in (1, 6):
        rebuild(training_set, tmp_path / f"line {line}", line)
    assert verify(training_set) == ()
    desk.close_case()
    desk.select(desk.studies.patients[0])
    desk.close()

    assert everything(root) == before
