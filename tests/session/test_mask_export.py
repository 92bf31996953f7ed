"""Masks of a case to files: who made them, under which name they go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.formats.masks import MaskFormat, read_mask
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.case import Case
from napari_brainseg.session.mask_export import (
    export_mask,
    maker_of,
    masks_of,
    why_not_export,
)
from napari_brainseg.session.review_log import Decision, ReviewAct

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.correction import Correction


@pytest.fixture
def case(make_study: Callable[..., Study], catalogue: Catalogue) -> Case:
    return Case(make_study(), catalogue)


def paint(correction: Correction, z: int, tool: str = "brush", **parameters: object) -> None:
    correction.data[z, 1:4, 1:4] = 1
    correction.commit(tool, parameters)


def test_only_masks_that_are_there_are_offered(
    case: Case, predict_mask: Callable[..., Prediction]
) -> None:
    assert masks_of(case) == ("truth",)
    case.set_prediction(predict_mask(case.study))
    case.start_correction("empty", "Ada")
    assert masks_of(case) == ("correction", "prediction", "truth")


def test_a_prediction_that_is_withheld_is_not_exported(
    make_study: Callable[..., Study],
    catalogue: Catalogue,
    predict_mask: Callable[..., Prediction],
    tmp_path: Path,
) -> None:
    case = Case(make_study(), catalogue, blind=True)
    case.set_prediction(predict_mask(case.study))

    assert "prediction" not in masks_of(case)
    with pytest.raises(DataError, match="no prediction to export"):
        export_mask(case, tmp_path, "prediction", MaskFormat.NIFTI)


def test_the_maker_follows_the_work(case: Case, predict_mask: Callable[..., Prediction]) -> None:
    case.set_prediction(predict_mask(case.study, version="default-3"))
    made = maker_of(case, "prediction")
    assert (made.how, made.model_version, made.editor) == ("AUTOMATIC", "default-3", "")

    correction = case.start_correction("prediction", "Ada")
    made = maker_of(case, "correction")
    assert (made.how, made.model_version) == ("AUTOMATIC", "default-3")
    assert maker_of(case, "correction", is_approved=True).how == "SEMIAUTOMATIC"

    paint(correction, 0)
    made = maker_of(case, "correction")
    assert (made.how, made.model_version, made.editor) == ("SEMIAUTOMATIC", "default-3", "Ada")

    correction.undo()
    assert maker_of(case, "correction").how == "AUTOMATIC"


def test_a_correction_from_an_empty_mask_is_manual_until_a_model_helps(case: Case) -> None:
    correction = case.start_correction("empty", "Ada")
    paint(correction, 0)
    correction.editor = "Bob"
    paint(correction, 1)
    made = maker_of(case, "correction")
    assert (made.how, made.model_version, made.editor) == ("MANUAL", "", "Bob")

    paint(correction, 2, "take prediction", model_version="v7")
    made = maker_of(case, "correction")
    assert (made.how, made.model_version) == ("SEMIAUTOMATIC", "v7")

    correction.undo()
    assert maker_of(case, "correction").how == "MANUAL"


def test_the_editor_is_who_painted_last_not_who_looks(
    case: Case, make_study: Callable[..., Study], catalogue: Catalogue
) -> None:
    paint(case.start_correction("empty", "Ada"), 0)
    case.close()

    again = Case(make_study(), catalogue, editor="Bob")

    assert maker_of(again, "correction").editor == "Ada"


@pytest.mark.parametrize("kind", [MaskFormat.TIFF, MaskFormat.NIFTI])
@pytest.mark.parametrize("which", ["correction", "prediction", "truth"])
def test_masks_come_back_as_they_were(
    case: Case,
    predict_mask: Callable[..., Prediction],
    tmp_path: Path,
    which: str,
    kind: MaskFormat,
) -> None:
    case.set_prediction(predict_mask(case.study))
    paint(case.start_correction("empty", "Ada"), 0)
    expected = {
        "correction": case.correction.data,
        "prediction": case.prediction.mask,
        "truth": case.truth,
    }[which]

    path = export_mask(case, tmp_path / "out", which, kind)

    assert path.name.startswith(f"{case.patient}_{which}")
    np.testing.assert_array_equal(read_mask(path, case.study).data, expected)


def test_paint_that_is_not_committed_is_left_out(case: Case, tmp_path: Path) -> None:
    correction = case.start_correction("empty", "Ada")
    paint(correction, 0)
    committed = correction.saved
    correction.data[4] = 1

    path = export_mask(case, tmp_path, "correction", MaskFormat.NIFTI)

    np.testing.assert_array_equal(read_mask(path, case.study).data, committed)


@pytest.mark.parametrize("kind", [MaskFormat.TIFF, MaskFormat.NIFTI])
def test_a_second_export_gets_a_number_unless_it_may_overwrite(
    case: Case, tmp_path: Path, kind: MaskFormat
) -> None:
    first = export_mask(case, tmp_path, "truth", kind)
    second = export_mask(case, tmp_path, "truth", kind)
    assert first != second
    assert "_truth_" in second.name.replace("_mask", "")
    assert export_mask(case, tmp_path, "truth", kind, overwrite=True) == first
    assert first.exists()
    assert second.exists()


def test_a_file_may_be_named(case: Case, tmp_path: Path) -> None:
    first = export_mask(case, tmp_path / "mine.nii.gz", "truth", MaskFormat.NIFTI)
    second = export_mask(case, tmp_path / "mine.nii.gz", "truth", MaskFormat.NIFTI)

    assert (first.name, second.name) == ("mine.nii.gz", "mine_2.nii.gz")


def test_the_record_says_when_this_very_mask_was_approved(
    case: Case, catalogue: Catalogue, tmp_path: Path
) -> None:
    from napari_brainseg.core.dataset.hashing import sha256_of_arrays

    def exported() -> dict[str, object]:
        path = export_mask(
            case, tmp_path, "correction", MaskFormat.NIFTI, catalogue=catalogue, overwrite=True
        )
        beside = path.name.replace(".nii.gz", ".json")
        told: dict[str, object] = json.loads((tmp_path / beside).read_text())
        return told

    correction = case.start_correction("empty", "Ada")
    paint(correction, 0)
    assert exported()["approved"] is None
    case.decide(
        Decision(ReviewAct.APPROVE, "Ada", "", correction.id, sha256_of_arrays(correction.saved))
    )
    told = exported()
    assert str(told["approved"]).endswith("+00:00")
    assert told["editor"] == "Ada"
    assert told["made"] == "manual"
    assert told["volume_vox"] == 9
    paint(correction, 1)
    assert exported()["approved"] is None


def test_formats_that_a_mask_cannot_have_say_why(
    case: Case, predict_mask: Callable[..., Prediction], tmp_path: Path
) -> None:
    case.set_prediction(predict_mask(case.study))

    assert "from DICOM" in why_not_export(case, "prediction", MaskFormat.DICOM_SEG)
    assert "probabilities" in why_not_export(case, "truth", MaskFormat.DICOM_SEG_FRACTIONAL)
    assert why_not_export(case, "truth", MaskFormat.NIFTI) == ""
    with pytest.raises(DataError, match="from DICOM"):
        export_mask(case, tmp_path, "prediction", MaskFormat.DICOM_SEG)
    with pytest.raises(DataError, match="no correction to export"):
        export_mask(case, tmp_path, "correction", MaskFormat.NIFTI)
    assert list(tmp_path.glob("*.dcm")) == []
