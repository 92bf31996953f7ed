from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.dataset.hashing import sha256_of_arrays
from napari_brainseg.core.dataset.manifest import current_entries, read_manifest
from napari_brainseg.core.dataset.rebuild import rebuild, verify
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError, LabelVolume, ScalarVolume, Study
from napari_brainseg.core.segmentation.bundle import Bundle, BundleManifest
from napari_brainseg.session import training_set as module
from napari_brainseg.session.case import Case
from napari_brainseg.session.training_set import (
    export_case,
    exported_patients,
    waiting_patients,
    withdraw,
)

if TYPE_CHECKING:
    from collections.abc import Callable

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


def bundle(made: datetime, training: dict[str, object]) -> Bundle:
    manifest = BundleManifest(
        name="tuned", version="tuned-1", created=made.isoformat(), training=training
    )
    return Bundle(Path("nowhere"), manifest)


def test_corrections_are_waiting_until_a_model_was_trained_on_their_masks(
    case: Case, workspace: Workspace
) -> None:
    training_set, patient = workspace.training_set, case.patient
    correction = case.start_correction("empty", "Ada")
    correction.data[1, 1, 1] = 1
    first = export_case(case, training_set, editor="Ada")
    learnt = {"train_patients": [patient]}
    later = first.created + timedelta(seconds=1)

    def waits(made: datetime = later, **options: Any) -> bool:
        training = options.pop("training", learnt)
        return waiting_patients(training_set, bundle(made, training), **options) == (patient,)

    assert waits(training={})
    assert not waits()
    assert waits(first.created - timedelta(hours=1))
    # What was exported while the training ran came too late for it.
    assert waits(began=first.created.timestamp() - 1)
    assert not waits(training={}, validation=(patient,))
    # A bundle that names its masks is believed.
    assert not waits(training=learnt | {"mask_sha256": {patient: first.mask_sha256}})
    assert waits(training=learnt | {"mask_sha256": {patient: "0" * 64}})

    correction.data[1, 1, 2] = 1
    second = export_case(case, training_set, editor="Ada")
    between = first.created + (second.created - first.created) / 2
    assert waits(between)
    assert not waits(second.created)
    correction.data[1, 1, 2] = 0
    export_case(case, training_set, editor="Ada")
    assert not waits(between), "the mask that it was trained on is back"
    withdraw(training_set, patient, editor="Ada", note="blurred")
    assert not waits(training={})


def test_ground_truth_that_was_learnt_does_not_wait(case: Case, workspace: Workspace) -> None:
    case.start_correction("truth", "Ada")
    entry = export_case(case, workspace.training_set, editor="Ada")
    before = bundle(entry.created - timedelta(days=1), {"train_patients": [case.patient]})
    assert waiting_patients(workspace.training_set, before) == ()


def state(folder: Path) -> dict[str, bytes]:
    """All of a training set but the lock files, which may come."""
    return {name: data for name, data in contents(folder).items() if not name.endswith(".lock")}


@pytest.mark.parametrize(
    "broken",
    [
        "napari_brainseg.core.dataset.layout._write_tiff",
        "napari_brainseg.core.dataset.layout.sync_folder",
        "napari_brainseg.core.dataset.manifest.write_atomically",
        "napari_brainseg.core.dataset.versions.write_atomically",
    ],
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_leaves_the_training_set_as_it_was(
    case: Case, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, broken: str, error: int
) -> None:
    correction = case.start_correction("truth", "Ada")
    export_case(case, workspace.training_set, editor="Ada")
    before = state(workspace.training_set)
    correction.data[1, 1, 1] = 1

    def fail(*_: object, **__: object) -> None:
        if "atomically" in broken:
            raise DataError(f"Cannot write: {os.strerror(error)}.", "Check the disk.")
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(broken, fail)
        with pytest.raises(DataError, match=os.strerror(error)) as told:
            export_case(case, workspace.training_set, editor="Ada")
    assert told.value.hint
    after = state(workspace.training_set)
    # A version that is kept already is no harm.
    assert before == {k: v for k, v in after.items() if k in before}
    assert all(".versions" in name for name in after.keys() - before.keys())
    assert verify(workspace.training_set) == ()
    assert correction.data[1, 1, 1] == 1

    entry = export_case(case, workspace.training_set, editor="Ada")
    assert entry.mask_sha256 == sha256_of_arrays(correction.data)
    assert verify(workspace.training_set) == ()


_EXPORT = """
import resource, signal, sys
from pathlib import Path
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.training_set import export_case

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, training_set, catalogue = map(Path, sys.argv[1:4])
case = Case(load_study(folder), Catalogue(catalogue))
correction = case.correction
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    export_case(case, training_set, editor="Ada")
except DataError as error:
    print(error.message, error.hint)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(export_case(case, training_set, editor="Ada").mask_sha256)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_disk_that_takes_no_more_and_then_does(
    case: Case, workspace: Workspace, catalogue: Catalogue
) -> None:
    """A program of its own: the limit cannot be hidden from the rest of this one."""
    correction = case.start_correction("truth", "Ada")
    correction.data[1, 1, 1] = 1
    correction.commit()
    done = subprocess.run(
        [
            sys.executable, "-P", "-c", _EXPORT,
            str(case.study.path), str(workspace.training_set), str(workspace.catalogue),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert "Cannot write" in first
    assert "free space" in first
    assert second == sha256_of_arrays(correction.data)
    assert len(read_manifest(workspace.training_set)) == 1
    assert verify(workspace.training_set) == ()


def test_an_export_over_other_images_keeps_those_that_were_there(
    case: Case, workspace: Workspace, make_study: Callable[..., Study], catalogue: Catalogue
) -> None:
    case.start_correction("truth", "Ada")
    export_case(case, workspace.training_set, editor="Ada")
    other = make_study(case.patient)
    image = ScalarVolume(255 - other.image.data)
    anew = Case(Study(case.patient, image, other.truth), catalogue)
    anew.start_correction("empty", "Ada")
    export_case(anew, workspace.training_set, editor="Ada")
    assert case.study.path is not None
    shutil.rmtree(case.study.path)
    target = workspace.root / "again"
    rebuild(workspace.training_set, target, 1)
    np.testing.assert_array_equal(
        load_study(target / case.patient).image.data, case.study.image.data
    )


def test_a_window_that_opens_meanwhile_tidies_nothing_away(
    case: Case, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_brainseg.core.dataset.layout import recover

    case.start_correction("truth", "Ada")
    read = load_study

    def meanwhile(folder: Path) -> Study:
        # In the middle of the export, by another window.
        other = threading.Thread(target=recover, args=(workspace.training_set,))
        other.start()
        other.join()
        return read(folder)

    monkeypatch.setattr("napari_brainseg.core.formats.load_study", meanwhile)
    export_case(case, workspace.training_set, editor="Ada")
    assert exported_patients(workspace.training_set) == (case.patient,)


def test_withdrawing_what_is_not_there(case: Case, workspace: Workspace) -> None:
    assert withdraw(workspace.training_set, case.patient, editor="Ada", note="") is None
    case.start_correction("truth", "Ada")
    export_case(case, workspace.training_set, editor="Ada")
    assert withdraw(workspace.training_set, case.patient, editor="Ada", note="") is not None
    assert withdraw(workspace.training_set, case.patient, editor="Ada", note="") is None
    assert len(read_manifest(workspace.training_set)) == 2


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
