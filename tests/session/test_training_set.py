from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.hashing import sha256_of_arrays
from napari_brainseg.core.dataset.manifest import current_entries
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError, LabelVolume, Study
from napari_brainseg.session import training_set as module
from napari_brainseg.session.case import Case
from napari_brainseg.session.training_set import export_case, exported_patients

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace


@pytest.fixture
def case(make_root: Callable[..., Path], catalogue: Catalogue) -> Case:
    return Case(load_study(make_root("TEST_AB_0001_20200101") / "TEST_AB_0001_20200101"), catalogue)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_export_holds_the_correction_and_the_original_is_untouched(
    case: Case, workspace: Workspace
) -> None:
    assert case.study.path is not None
    before = contents(case.study.path)
    correction = case.start_correction("truth", "Ada")
    correction.data[0, :2, :2] = 1
    correction.commit()
    correction.data[2, 8, 8] = 0  # painted, not yet committed: belongs to what is signed off
    entry = export_case(case, workspace.training_set, editor="Ada")

    again = load_study(workspace.training_set / case.patient)
    assert again.truth is not None
    np.testing.assert_array_equal(again.truth.data, correction.data)
    np.testing.assert_array_equal(again.image.data, case.study.image.data)
    assert contents(case.study.path) == before
    assert (entry.editor, entry.strokes, entry.correction_base) == ("Ada", 2, "truth")
    assert (entry.voxels_added, entry.voxels_removed) == (4, 1)
    assert entry.source == case.study.path
    assert entry.mask_sha256 == sha256_of_arrays(correction.data)
    assert entry.original_mask_sha256 == sha256_of_arrays(case.truth)
    assert current_entries(workspace.training_set) == {case.patient: entry}
    assert exported_patients(workspace.training_set) == (case.patient,)


def test_a_second_export_replaces_the_first(case: Case, workspace: Workspace) -> None:
    correction = case.start_correction("empty", "Ada")
    export_case(case, workspace.training_set, editor="Ada")
    correction.data[1, 1, 1] = 1
    export_case(case, workspace.training_set, editor="Bob")
    again = load_study(workspace.training_set / case.patient)
    assert again.truth is not None
    assert again.truth.voxels == 1
    assert current_entries(workspace.training_set)[case.patient].editor == "Bob"


def test_without_a_correction_there_is_nothing_to_export(case: Case, workspace: Workspace) -> None:
    with pytest.raises(DataError, match="no correction"):
        export_case(case, workspace.training_set, editor="Ada")


def test_an_export_that_reads_back_differently_is_not_recorded(
    case: Case, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that drops one voxel."""

    def faulty(folder: Path) -> Study:
        study = load_study(folder)
        assert study.truth is not None
        mask = study.truth.data.copy()
        mask[np.unravel_index(mask.argmax(), mask.shape)] = 0
        return Study(study.patient, study.image, LabelVolume(mask), study.slice_numbers, study.path)

    case.start_correction("truth", "Ada")
    monkeypatch.setattr("napari_brainseg.core.formats.load_study", faulty)
    with pytest.raises(DataError, match="differ from the correction in 1 voxels"):
        export_case(case, workspace.training_set, editor="Ada")
    assert module.exported_patients(workspace.training_set) == ()


@pytest.mark.real_data
def test_a_real_patient_is_exported_voxel_by_voxel(
    data_root: Path, catalogue: Catalogue, workspace: Workspace
) -> None:
    folder = data_root / "TCGA_CS_4944_20010208"
    before = contents(folder)
    case = Case(load_study(folder), catalogue)
    correction = case.start_correction("truth", "Ada")
    correction.data[5, 100:110, 100:110] = 1
    export_case(case, workspace.training_set, editor="Ada")
    again = load_study(workspace.training_set / case.patient)
    assert again.truth is not None
    assert again.slice_numbers == case.study.slice_numbers
    np.testing.assert_array_equal(again.truth.data, correction.data)
    np.testing.assert_array_equal(again.image.data, case.study.image.data)
    assert contents(folder) == before
