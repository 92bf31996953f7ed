"""NIfTI and DICOM patients through the desk: opened, corrected, exported, watched."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest

from napari_brainseg.core.dataset.hashing import image_sha256
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import PhantomPatient, write_dicom_phantom
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import CancelledError, Geometry, Modality, StudyFormat
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.disk_watch import SourceFiles
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.root_watch import RootWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.workspace import Workspace

NAMES = {Modality.PRE: "t1", Modality.FLAIR: "flair", Modality.POST: "t1ce"}
GEOMETRY = Geometry.from_affine(
    ((0.0, 0.0, 1.2, -40.0), (0.0, 1.2, 0.0, -40.0), (5.0, 0.0, 0.0, -20.0), (0, 0, 0, 1.0))
)
PAULA = PhantomPatient(name="Gruenbaum^Paula", patient_id="ID-4711", accession_number="ACC-99")


@pytest.fixture(scope="module")
def phantom() -> Study:
    return phantom_study(11, 0, lesions=1, slices=6, size=64, missing=())


@pytest.fixture
def nifti(tmp_path: Path, phantom: Study) -> Path:
    """A folder with one patient, BraTS' way."""
    folder = tmp_path / "brats" / "BraTS_001"
    folder.mkdir(parents=True)
    for modality, name in NAMES.items():
        volume = phantom.image.channel(modality).astype(np.int16) * 9
        write_nifti(folder / f"BraTS_001_{name}.nii.gz", volume, GEOMETRY)
    assert phantom.truth is not None
    write_nifti(folder / "BraTS_001_seg.nii.gz", phantom.truth.data, GEOMETRY)
    return folder


@pytest.fixture
def dicom(tmp_path: Path, phantom: Study) -> Path:
    return write_dicom_phantom(tmp_path / "dicom" / "export", phantom, patient=PAULA)


@pytest.fixture
def desk(
    workspace: Workspace,
    tmp_path: Path,
    predict_mask: Callable[..., Prediction],
    make_bundle: Callable[..., Bundle],
) -> Iterator[Desk]:
    default = make_bundle()
    preferences = Preferences(tmp_path / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)

    def predict(study: Study, bundle: Bundle, **_: Any) -> Prediction:
        mask = (study.image.channel(Modality.FLAIR) > 150).astype(np.uint8)
        return predict_mask(study, mask, version=bundle.version)

    made = Desk(workspace, predictor=predict, bundled=lambda: (default,), preferences=preferences)
    yield made
    made.close()


@pytest.mark.parametrize("what", ["root", "folder", "file"])
def test_a_nifti_patient_opens_with_its_spacing_and_native_values(
    desk: Desk, nifti: Path, phantom: Study, what: str
) -> None:
    file = nifti / "BraTS_001_flair.nii.gz"

    case = desk.open({"root": nifti.parent, "folder": nifti, "file": file}[what])

    study = case.study
    assert study.format is StudyFormat.NIFTI
    assert study.image.geometry.spacing_mm == pytest.approx((5.0, 1.2, 1.2))
    flair = phantom.image.channel(Modality.FLAIR)
    assert (study.shown(Modality.FLAIR) == flair.astype(np.int16) * 9).all()
    assert study.image.data.dtype == np.uint8
    assert case.truth is not None
    assert (case.truth == phantom.truth.data).all()  # type: ignore[union-attr]
    assert desk.worklist.rows[0].slices == 6


def test_a_corrected_nifti_patient_goes_to_the_training_set_with_its_geometry(
    desk: Desk, nifti: Path, until: Callable[..., None]
) -> None:
    case = desk.open(nifti)
    desk.predict()
    until(lambda: case.prediction is not None)
    desk.editor = "AB"
    desk.start_correction()

    entry = desk.export()

    again = load_study(desk.workspace.training_set / case.patient)
    assert entry.source == nifti
    assert (again.image.data == case.study.image.data).all()
    assert again.image.geometry.spacing_mm == pytest.approx((5.0, 1.2, 1.2))
    assert again.image.geometry.affine_lps is not None


def test_a_dicom_patient_is_a_pseudonym_wherever_something_is_written(
    desk: Desk, dicom: Path, until: Callable[..., None]
) -> None:
    case = desk.open(dicom)
    desk.predict()
    until(lambda: case.prediction is not None)
    desk.editor = "AB"
    desk.start_correction()
    entry = desk.export()
    identity = case.study.identity
    desk.close()

    assert case.patient.startswith("PT-")
    assert "ID-4711" in identity.values()
    assert entry.source is None
    secrets = [b"Gruenbaum", b"ID-4711", b"ACC-99", b"Phantom General"]
    for file in desk.workspace.root.rglob("*"):
        if file.is_file():
            content = file.read_bytes() + str(file).encode()
            assert not [s for s in secrets if s in content], file


def test_the_users_choice_of_series_is_used_and_remembered(desk: Desk, dicom: Path) -> None:
    case = desk.open(dicom)
    roles = dict(case.study.roles)
    before = case.study.shown(Modality.POST).copy()
    swapped = {
        **roles,
        Modality.PRE: roles[Modality.POST],
        Modality.POST: roles[Modality.PRE],
    }

    changed = desk.choose_series(swapped)

    assert dict(changed.study.roles) == swapped
    assert changed.image_sha256 != case.image_sha256
    # Commands, the trainer and the gate read what she sees.
    elsewhere = load_study(dicom)
    assert image_sha256(elsewhere) == changed.image_sha256
    assert elsewhere.warnings == changed.study.warnings
    assert "not as recognised" in elsewhere.warnings[-1]
    assert f"{Modality.PRE} from series" in elsewhere.warnings[-1]
    (plain,) = discover(dicom, as_recognised=True).folders
    assert dict(plain.roles) == roles
    again = desk.open(dicom)
    assert (again.study.shown(Modality.PRE) == before).all()
    assert dict(desk.forget_series().study.roles) == roles


def test_a_choice_that_makes_no_study_is_not_remembered(desk: Desk, dicom: Path) -> None:
    case = desk.open(dicom)
    key = case.study.roles[Modality.FLAIR]

    with pytest.raises(Exception, match="two modalities"):
        desk.choose_series({Modality.FLAIR: key, Modality.PRE: key})

    assert dict(desk.open(dicom).study.roles) == dict(case.study.roles)


def test_a_series_that_comes_later_does_not_take_the_place_of_the_one_corrected(
    desk: Desk, dicom: Path
) -> None:
    case = desk.open(dicom)
    desk.editor = "AB"
    desk.start_correction("empty")
    post = next(s for s in case.study.series if s.key == case.study.roles[Modality.POST])
    (dicom / "later").mkdir()
    for file in post.files:
        late = pydicom.dcmread(file)
        late.SeriesInstanceUID += ".9"
        late.SOPInstanceUID += ".9"
        late.AcquisitionTime = "235900"
        late.SeriesNumber = 99
        late.save_as(dicom / "later" / file.name)
    (plain,) = discover(dicom, as_recognised=True).folders
    assert dict(plain.roles)[Modality.POST] == f"{post.key}.9"

    again = desk.open(dicom)
    assert again.image_sha256 == case.image_sha256
    assert again.correction is not None
    assert again.study.warnings[-1].endswith(
        f": {Modality.POST} from series 3 of 4 ({Modality.POST})."
    )
    assert desk.forget_series().study.roles[Modality.POST] == f"{post.key}.9"


def test_another_program_that_changes_a_volume_is_noticed(nifti: Path) -> None:
    study = load_study(nifti)
    watch = SourceFiles(study)
    assert watch.look() is None

    flair = nifti / "BraTS_001_flair.nii.gz"
    volume = np.array(study.shown(Modality.FLAIR))
    write_nifti(flair, volume, GEOMETRY)
    assert watch.look(all_of_them=True) is None, "the same voxels, written once more"

    write_nifti(flair, volume[:, ::-1].copy(), GEOMETRY)
    change = watch.look()
    assert change is not None
    assert change.images
    assert change.paths == (flair,)


def test_a_series_that_comes_later_is_noticed(dicom: Path, tmp_path: Path) -> None:
    folders = [f for f in dicom.iterdir() if f.is_dir()]
    away = tmp_path / "away"
    shutil.move(folders[0], away)
    found = discover(dicom.parent)
    (patient,) = found.folders
    watch = RootWatch(found)
    assert len(patient.series) == 2

    shutil.move(away, folders[0])

    assert watch.changes() is None or patient.path in watch.changes()  # type: ignore[operator]
    assert len(watch.discover().folders[0].series) == 3


def test_looking_through_files_can_be_stopped(desk: Desk, dicom: Path) -> None:
    for number in range(300):
        shutil.copy(next(dicom.rglob("*.dcm"), None) or next(
            f for f in dicom.rglob("*") if f.is_file()
        ), dicom / f"copy{number}.dcm")  # fmt: skip
    told: list[int] = []

    def stop(count: int) -> None:
        told.append(count)
        desk.stop_finding()

    desk.finding.connect(stop)
    try:
        with pytest.raises(CancelledError):
            desk.open(dicom)
    finally:
        desk.finding.disconnect(stop)
    assert told
    assert desk.case is None


def test_the_worklist_knows_the_name_that_nothing_keeps(desk: Desk, dicom: Path) -> None:
    desk.open(dicom.parent)

    (row,) = desk.worklist.rows
    assert row.person == "Gruenbaum, Paula"
    assert "Gruenbaum" not in repr(row)
    assert "Gruenbaum" not in repr(discover(dicom).folders[0])
