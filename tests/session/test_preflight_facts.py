"""Preflight on patients on disk: what the checks get is what lies there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import Geometry
from napari_brainseg.session.case import Case
from napari_brainseg.session.expected_time import ExpectedTime
from napari_brainseg.session.locked_patients import LockedPatients
from napari_brainseg.session.preflight import run_preflight
from napari_brainseg.session.training_set import export_case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.dataset.preflight import PreflightReport
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

CORRECTED = tuple(f"TCGA_HT_{n:04}_20010101" for n in range(8))
FREE = tuple(f"TCGA_DU_{n:04}_20010101" for n in range(5))
SHAPE = (6, 32, 32)
BASE = tuple(f"TCGA_CS_{n:04}_20010101" for n in range(2))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Patients with truth, each with an image and a lesion of its own."""
    made = tmp_path / "root"
    for n, patient in enumerate((*CORRECTED, *FREE, *BASE)):
        mask = np.zeros(SHAPE, np.uint8)
        mask[2:4, 8 : 16 + n, 8:16] = 1
        write_patient(made, patient, image_of(n), mask, range(1, 7), durable=False)
    return made


def image_of(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(1, 255, (3, *SHAPE), dtype=np.uint8)


@pytest.fixture
def base(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle(training={"train_patients": list(BASE)})


@pytest.fixture
def correct(
    workspace: Workspace,
    catalogue: Catalogue,
    root: Path,
    predict_mask: Callable[..., Prediction],
) -> Callable[..., None]:
    """Correct what a model predicted: the ground truth but for a few voxels."""

    def act(*patients: str, grown: int = 0, predicted: np.ndarray | None = None) -> None:
        for n, patient in enumerate(patients):
            case = Case(load_study(root / patient), catalogue)
            assert case.truth is not None
            mask = case.truth.copy() if predicted is None else predicted
            case.set_prediction(predict_mask(case.study, mask))
            layer = case.start_correction("prediction", "Ada").data
            if n % 2 and grown == 0:
                layer[2, 8, 8] = 0
            else:
                layer[4, 0, : 1 + n] = 1
                layer[4, 2 : 2 + grown, :8] = 1
            export_case(case, workspace.training_set, editor="Ada")

    return act


@pytest.fixture
def look(
    workspace: Workspace, catalogue: Catalogue, root: Path, base: Bundle
) -> Callable[..., PreflightReport]:
    def run(**changes: object) -> PreflightReport:
        return run_preflight(workspace, base, discover(root), catalogue=catalogue, **changes)

    return run


def kinds(report: PreflightReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def test_a_good_training_set_can_start_and_tells_what_trains(
    correct: Callable[..., None], look: Callable[..., PreflightReport], workspace: Workspace
) -> None:
    correct(*CORRECTED)
    report = look()
    assert report.findings == ()
    assert report.corrections == report.new_corrections == CORRECTED
    assert report.replayed == BASE
    assert report.locked == FREE
    assert not workspace.locked.exists()  # looking locks nobody


def test_nothing_corrected_stops_and_is_said_once(look: Callable[..., PreflightReport]) -> None:
    report = look()
    assert not report.can_start
    assert [f.kind for f in report.findings if f.level == "stop"] == ["no-corrections"]


def test_what_the_model_in_use_was_trained_on_is_not_new(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    base: Bundle,
    make_bundle: Callable[..., Bundle],
    workspace: Workspace,
) -> None:
    from napari_brainseg.core.dataset.manifest import current_entries

    correct(*CORRECTED)
    learnt = {n: e.mask_sha256 for n, e in current_entries(workspace.training_set).items()}
    del learnt[CORRECTED[0]]
    current = make_bundle(
        "tuned",
        parent=base.version,
        training={"train_patients": [*BASE, *learnt], "mask_sha256": learnt},
    )
    report = look(current=current)
    assert report.corrections == CORRECTED
    assert report.new_corrections == CORRECTED[:1]


def test_exports_that_were_changed_cut_or_lost_are_found(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    workspace: Workspace,
) -> None:
    correct(*CORRECTED)
    assert look().can_start  # hashes are remembered from here on
    painted, shifted, cut, gone = CORRECTED[:4]
    mask = workspace.training_set / painted / f"{painted}_3_mask.tif"
    tifffile.imwrite(mask, np.full((32, 32), 255, np.uint8))
    image = workspace.training_set / shifted / f"{shifted}_3.tif"
    tifffile.imwrite(image, np.zeros((32, 32, 3), np.uint8), photometric="rgb")
    small = workspace.training_set / cut / f"{cut}_3_mask.tif"
    tifffile.imwrite(small, np.zeros((16, 16), np.uint8))
    shutil.rmtree(workspace.training_set / gone)
    report = look()
    changed, unreadable = report.find("changed-export"), report.find("unreadable")
    missing = report.find("missing-export")
    assert changed is not None
    assert unreadable is not None
    assert missing is not None
    assert changed.patients == (painted, shifted)
    assert f"{painted} (masks), {shifted} (images)" in changed.message
    assert unreadable.patients == (cut,)
    assert "(16, 16)" in unreadable.message
    assert missing.patients == (gone,)
    assert not report.can_start


def test_masks_and_images_that_do_not_pair_up_and_missing_slices_are_found(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    workspace: Workspace,
) -> None:
    correct(*CORRECTED)
    bare, gap = CORRECTED[:2]
    (workspace.training_set / bare / f"{bare}_3_mask.tif").unlink()
    for name in (f"{gap}_3_mask.tif", f"{gap}_3.tif"):
        (workspace.training_set / gap / name).unlink()
    report = look()
    unreadable, slices = report.find("unreadable"), report.find("slices")
    assert unreadable is not None
    assert slices is not None
    assert "have no mask" in unreadable.message
    assert "missing between" in slices.message
    changed = report.find("changed-export")
    assert changed is not None
    assert changed.patients == (gap,)


def test_the_same_image_under_another_name_is_found_by_its_hash(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    root: Path,
) -> None:
    write_patient(root, "ALIAS", image_of(0), np.ones(SHAPE, np.uint8), range(1, 7), durable=False)
    correct(*CORRECTED, "ALIAS")
    report = look()
    finding = report.find("contradictory-masks")
    assert finding is not None
    assert finding.patients == ("ALIAS", CORRECTED[0])
    assert not report.can_start


def test_a_locked_patient_that_is_corrected_is_refused_and_an_alias_of_it_stops(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    root: Path,
    workspace: Workspace,
    catalogue: Catalogue,
) -> None:
    LockedPatients(workspace, catalogue).choose(discover(root), FREE)
    correct(*CORRECTED, FREE[0])
    refused = look().find("locked-corrected")
    assert refused is not None
    assert refused.patients == (FREE[0],)
    image = image_of(len(CORRECTED) + 1)
    write_patient(root, "ALIAS", image, np.ones(SHAPE, np.uint8), range(1, 7), durable=False)
    correct("ALIAS")
    report = look()
    assert not report.can_start
    assert "ALIAS" not in report.corrections
    assert "locked-image" in kinds(report)


def test_a_locked_patient_whose_files_changed_or_went_stops(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    root: Path,
    workspace: Workspace,
    catalogue: Catalogue,
) -> None:
    correct(*CORRECTED)
    LockedPatients(workspace, catalogue).choose(discover(root), FREE)
    assert look().can_start
    mask = root / FREE[0] / f"{FREE[0]}_3_mask.tif"
    tifffile.imwrite(mask, np.full((32, 32), 255, np.uint8))
    shutil.rmtree(root / FREE[1])
    report = look()
    changed, absent = report.find("locked-changed"), report.find("locked-absent")
    assert changed is not None
    assert absent is not None
    assert (changed.patients, absent.patients) == (FREE[:1], FREE[1:2])
    # Planning refuses for the same reason; it is not said twice.
    assert "plan" not in kinds(report)


def test_locked_patients_that_share_a_folder_with_others_are_found_by_name(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    tmp_path: Path,
    workspace: Workspace,
    catalogue: Catalogue,
) -> None:
    shared = tmp_path / "shared"
    geometry = Geometry((5.0, 1.0, 1.0))

    def put(n: int) -> None:
        volume = {"flair": image_of(20 + n)[1], "seg": np.zeros(SHAPE, np.uint8)}
        volume["seg"][2:4, : 2 + n, :9] = 1
        for name, data in volume.items():
            shared.mkdir(exist_ok=True)
            write_nifti(shared / f"case{n:03}_{name}.nii", data, geometry)

    correct(*CORRECTED)
    locked = LockedPatients(workspace, catalogue)
    put(2)
    alone = discover(shared)
    put(1)
    locked.choose(discover(shared), ["case001"])
    locked.extend(alone, [*alone.patients])
    put(0)
    report = look()
    assert report.can_start, report.findings
    assert not kinds(report) & {"plan", "locked-absent", "locked-changed"}


def test_a_locked_set_that_was_edited_stops(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    root: Path,
    workspace: Workspace,
    catalogue: Catalogue,
) -> None:
    correct(*CORRECTED)
    LockedPatients(workspace, catalogue).choose(discover(root), FREE)
    workspace.locked.write_text(workspace.locked.read_text().replace(FREE[0], "SOMEBODY"))
    report = look()
    finding = report.find("locked-file")
    assert kinds(report) == {"locked-file"}
    assert finding is not None
    assert "changed since it was frozen" in finding.message
    assert not report.can_start


def test_corrections_that_grow_every_mask_are_drift(
    correct: Callable[..., None], look: Callable[..., PreflightReport]
) -> None:
    correct(*CORRECTED, grown=8)
    finding = look().find("label-drift")
    assert finding is not None
    assert "larger" in finding.message
    assert "8 of 8 cases" in finding.message


def test_a_correction_that_contradicts_the_truth_is_noted(
    correct: Callable[..., None], look: Callable[..., PreflightReport]
) -> None:
    elsewhere = np.zeros(SHAPE, np.uint8)
    elsewhere[5, 20:30, 20:30] = 1
    correct(CORRECTED[0], predicted=elsewhere)
    correct(*CORRECTED[1:])
    for _ in range(2):  # the second time from what was remembered
        finding = look().find("contradicts-truth")
        assert finding is not None
        assert finding.patients == CORRECTED[:1]
        assert "DSC 0.00" in finding.message


def test_the_measured_step_gives_time_and_memory(
    correct: Callable[..., None], look: Callable[..., PreflightReport]
) -> None:
    correct(*CORRECTED)
    measured = ExpectedTime(
        prepare_s=2, step_s=0.5, steps=100, expected_s=400, memory_mb=10_000_000
    )
    report = look(expected=measured)
    assert (report.expected_s, report.memory_mb) == (400, 10_000_000)
    assert {"expected-time", "memory"} <= kinds(report)


def test_a_setting_that_does_not_fit_stops(
    correct: Callable[..., None], look: Callable[..., PreflightReport]
) -> None:
    correct(*CORRECTED)
    finding = look(epochs=0).find("plan")
    assert finding is not None
    assert "epochs" in finding.message


def test_a_damaged_manifest_stops(
    correct: Callable[..., None], look: Callable[..., PreflightReport], workspace: Workspace
) -> None:
    correct(CORRECTED[0])
    (workspace.training_set / "manifest.jsonl").write_text("{}\n")
    report = look()
    finding = report.find("manifest")
    assert finding is not None
    assert "Line 1" in finding.message
    assert not report.can_start


def test_pixels_are_read_once(
    correct: Callable[..., None],
    look: Callable[..., PreflightReport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    correct(*CORRECTED)
    first = look()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pixels were read again")

    monkeypatch.setattr("napari_brainseg.core.formats.load_study", refuse)
    monkeypatch.setattr("napari_brainseg.core.formats.load_masks", refuse)
    assert look().model_dump() == first.model_dump()
