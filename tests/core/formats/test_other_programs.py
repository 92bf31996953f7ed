"""Where voxels lie, told by other programs: SimpleITK, nibabel and highdicom.

None of BrainSeg's own geometry takes part in what is expected here.
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest

from napari_brainseg.core.dataset.masks import write_mask
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import PhantomSeries, write_dicom_phantom
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.formats.grids import resample
from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker, read_mask
from napari_brainseg.core.formats.nifti.header import read_header
from napari_brainseg.core.imaging import AS_STORED, Geometry, Modality, SourceGrid

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.imaging import Study

FLAIR = Modality.FLAIR
TILT = (12.0, -25.0, 17.0)
SPACING = (6.0, 3.1, 4.2)
"""Slices, rows, columns: exchanged rows and columns would show."""
SHAPES = {"axial": (9, 40, 30), "sagittal": (9, 40, 30), "coronal": (9, 40, 30)}
MANUAL = MaskMaker("MANUAL", editor="R")


@pytest.fixture(scope="module")
def phantom() -> Study:
    return phantom_study(3, lesions=1, slices=12, size=64)


def _written(phantom: Study, folder: Path, plane: str, **fields) -> Path:
    series = PhantomSeries(
        FLAIR, SPACING, SHAPES[plane], plane, description="AX T2 FLAIR", **fields
    )
    return write_dicom_phantom(folder, phantom, series=[series])


def _index(study: Study, points_lps) -> tuple[np.ndarray, float]:
    """Voxels at places, and how far off their centres the places lie."""
    points = np.atleast_2d(points_lps)
    inverse = np.linalg.inv(study.image.geometry.affine_lps)
    at = points @ inverse[:3, :3].T + inverse[:3, 3]
    voxels = np.rint(at).astype(int)
    return voxels, float(np.abs(at - voxels).max())


def _agrees(study: Study, image) -> None:
    """Every hundredth voxel of an image of SimpleITK has its place and intensity in a study."""
    sitk = pytest.importorskip("SimpleITK")
    values = sitk.GetArrayFromImage(image)
    picked = [np.unravel_index(k, values.shape) for k in range(0, values.size, 101)]
    places = [image.TransformIndexToPhysicalPoint([int(v) for v in zyx[::-1]]) for zyx in picked]
    voxels, off = _index(study, places)
    assert off < 1e-3
    found = study.native[FLAIR][tuple(voxels.T)]
    assert np.allclose(found, [values[zyx] for zyx in picked], rtol=0, atol=1e-3)
    assert np.ptp(found) > 0


@pytest.mark.parametrize("plane", SHAPES)
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), TILT])
def test_dicom_lies_where_itk_puts_it(tmp_path, phantom, plane, tilt):
    sitk = pytest.importorskip("SimpleITK")
    folder = _written(phantom, tmp_path / "in", plane, oblique_deg=tilt, slope=0.5, intercept=-9.0)
    reader = sitk.ImageSeriesReader()
    (directory,) = {path.parent for path in folder.rglob("*") if path.is_file()}
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(directory)))
    _agrees(load_study(folder), reader.Execute())


def test_nifti_of_every_storage_order_lies_where_itk_and_nibabel_put_it(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    values = np.random.default_rng(0).permutation(9 * 8 * 7).astype(np.int16).reshape(9, 8, 7)
    turn = nibabel.eulerangles.euler2mat(0.2, -0.15, 0.1)
    orders = itertools.product(itertools.permutations(range(3)), ((1, 1, 1), (-1, 1, -1)))
    for number, (axes, signs) in enumerate(orders):
        affine = np.eye(4)
        affine[:3, :3] = turn @ np.eye(3)[:, axes] @ np.diag(signs) @ np.diag([1.1, 0.8, 3.7])
        affine[:3, 3] = 12.5, -40, 7
        path = tmp_path / f"P{number}" / "FLAIR.nii"
        path.parent.mkdir()
        image = nibabel.Nifti1Image(values, affine)
        # One half tells its place by the qform, one by the sform.
        image.set_qform(affine, number % 2)
        image.set_sform(affine, 1 - number % 2)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path)
        study = load_study(path)
        _agrees(study, sitk.ReadImage(str(path)))
        ijk = np.argwhere(values > 400)
        places = nibabel.affines.apply_affine(nibabel.load(path).affine, ijk) * (-1, -1, 1)
        voxels, _ = _index(study, places)
        assert np.array_equal(study.native[FLAIR][tuple(voxels.T)], values[tuple(ijk.T)])


def _left_blob(study: Study) -> tuple[np.ndarray, np.ndarray]:
    """Irregular mask in the patient's left half, and the places of its voxels, in no order."""
    shape = study.image.grid_shape
    mask = np.random.default_rng(1).random(shape) < 0.2
    mask[..., : shape[2] // 2 + 1] = False
    matrix = np.array(study.image.geometry.affine_lps)
    return mask.astype(np.uint8), np.argwhere(mask) @ matrix[:3, :3].T + matrix[:3, 3]


def _same_places(found, wanted) -> bool:
    found, wanted = np.asarray(found), np.asarray(wanted)
    from scipy.spatial import KDTree

    return len(found) == len(wanted) and KDTree(found).query(wanted)[0].max() < 1e-3


@pytest.mark.parametrize("kind", [MaskFormat.DICOM_SEG, MaskFormat.DICOM_SEG_FRACTIONAL])
@pytest.mark.parametrize(
    ("plane", "fields"),
    [
        ("sagittal", {"oblique_deg": TILT}),
        ("coronal", {"enhanced": True}),
        ("axial", {"missing": (3, 4)}),
    ],
    ids=["sagittal oblique", "coronal enhanced", "axial with a gap"],
)
def test_highdicom_finds_the_mask_in_its_place(tmp_path, phantom, plane, fields, kind):
    import highdicom

    study = load_study(_written(phantom, tmp_path / "in", plane, **fields))
    mask, _ = _left_blob(study)
    for index in fields.get("missing", ()):
        study.grid.reorientation.undo(mask)[index] = 0
    matrix = np.array(study.image.geometry.affine_lps)
    wanted = np.argwhere(mask) @ matrix[:3, :3].T + matrix[:3, 3]
    out = write_mask(tmp_path / "out" / "mask.dcm", study, mask, kind, maker=MANUAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = highdicom.seg.segread(out).get_volume()
    places = np.argwhere(volume.array[..., 0] > 0) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert _same_places(places, wanted)
    assert np.array_equal(read_mask(out, study).data, mask)


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_itk_and_nibabel_find_the_mask_in_its_place(tmp_path, phantom, plane):
    sitk = pytest.importorskip("SimpleITK")
    study = load_study(_written(phantom, tmp_path / "in", plane, oblique_deg=TILT))
    mask, wanted = _left_blob(study)
    out = tmp_path / "out" / "mask.nii.gz"
    write_mask(out, study, mask, MaskFormat.NIFTI, maker=MANUAL)
    image = nibabel.load(out)
    ijk = np.argwhere(np.asarray(image.dataobj))
    assert _same_places(nibabel.affines.apply_affine(image.affine, ijk) * (-1, -1, 1), wanted)
    read = sitk.ReadImage(str(out))
    places = [
        read.TransformIndexToPhysicalPoint([int(v) for v in zyx[::-1]])
        for zyx in np.argwhere(sitk.GetArrayFromImage(read))
    ]
    assert _same_places(places, wanted)


def test_no_program_is_told_a_wrong_place_of_a_leaning_stack(tmp_path, phantom):
    """A qform has right angles only; ITK prefers it to a sform that has others."""
    study = load_study(_written(phantom, tmp_path / "in", "axial", shear_mm=1.5))
    mask, wanted = _left_blob(study)
    out = tmp_path / "out" / "mask.nii"
    write_mask(out, study, mask, MaskFormat.NIFTI, maker=MANUAL)
    image = nibabel.load(out)
    ijk = np.argwhere(np.asarray(image.dataobj))
    assert _same_places(nibabel.affines.apply_affine(image.affine, ijk) * (-1, -1, 1), wanted)
    assert image.get_qform(coded=True) == (None, 0)
    assert not read_header(out).placement.warnings
    assert np.array_equal(read_mask(out, study).data, mask)


def test_a_segmentation_of_a_leaning_stack_tells_distances_and_leans(tmp_path, phantom):
    import highdicom

    study = load_study(_written(phantom, tmp_path / "in", "axial", shear_mm=2.5))
    mask, _ = _left_blob(study)
    mask[:2], mask[4:7] = 0, 0
    out = tmp_path / "out" / "mask.dcm"
    write_mask(out, study, mask, MaskFormat.DICOM_SEG, maker=MANUAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (shared,) = highdicom.seg.segread(out).SharedFunctionalGroupsSequence
    assert shared.PixelMeasuresSequence[0].SpacingBetweenSlices == pytest.approx(SPACING[0])
    # Onto a grid beside its own, so that the frames are stacked.
    geometry = study.image.geometry
    matrix = np.array(geometry.affine_lps)
    matrix[:3, 3] += 0.1 * matrix[:3, 1]
    moved = tuple(tuple(float(v) for v in row) for row in matrix)
    beside = replace(
        study,
        image=replace(study.image, geometry=Geometry.from_affine(moved)),
        truth=None,
        grid=SourceGrid(study.image.grid_shape, moved, AS_STORED),
    )
    assert np.array_equal(read_mask(out, beside, resample=True).data, mask)


def test_resampling_is_that_of_itk():
    sitk = pytest.importorskip("SimpleITK")
    rng = np.random.default_rng(0)
    turn = nibabel.eulerangles.euler2mat(0.3, -0.2, 0.4)
    upright = np.eye(3)[:, ::-1]

    def grid(shape, spacing, directions):
        matrix = np.eye(4)
        matrix[:3, :3] = directions @ upright * spacing
        matrix[:3, 3] = -matrix[:3, :3] @ (np.array(shape) - 1) / 2
        image = sitk.GetImageFromArray(np.zeros(shape, np.float64))
        image.SetSpacing([float(step) for step in spacing[::-1]])
        image.SetDirection(directions.ravel().tolist())
        image.SetOrigin(matrix[:3, 3].tolist())
        return matrix, image

    there, moving = grid((8, 30, 34), (4.0, 1.0, 0.9), np.eye(3))
    here, fixed = grid((12, 36, 28), (2.5, 0.8, 1.2), turn)
    values = rng.normal(size=(8, 30, 34))
    given = sitk.GetImageFromArray(values)
    given.CopyInformation(moving)
    wanted = sitk.Resample(given, fixed, sitk.Transform(), sitk.sitkLinear, float(values.min()))
    found = resample(values, there, here, (12, 36, 28), order=1)
    off = np.abs(found - sitk.GetArrayFromImage(wanted))
    # On the very border the two may disagree whether a voxel still counts as within.
    assert np.mean(off > 1e-4) < 1e-3
    assert np.mean(found > values.min()) > 0.3
