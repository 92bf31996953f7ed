from __future__ import annotations

import nibabel
import numpy as np
import pytest

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.formats.nifti.reading import read_nifti_mask
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import (
    AS_STORED,
    DataError,
    Geometry,
    Modality,
    ScalarVolume,
    SourceGrid,
    Study,
)

FLAIR = Modality.FLAIR
OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.1, 0.2, -0.15) @ np.diag([-0.9, 0.9, 5.0]), [80.1, -90.2, 3.3]
)
PLACE = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip


@pytest.fixture
def source(tmp_path, write_nii, volume):
    def edit(header):
        header.set_qform(OBLIQUE, 1)
        header.set_sform(OBLIQUE, 4)
        header.set_xyzt_units("meter")
        header["srow_x"] /= 1000
        header["srow_y"] /= 1000
        header["srow_z"] /= 1000
        header["pixdim"][1:4] /= 1000
        header["descrip"] = b"DOE^JANE"

    return write_nii(tmp_path / "P1" / "FLAIR.nii.gz", volume, None, edit=edit)


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_native_images_come_back_bit_by_bit(tmp_path, source, volume, name, kind):
    if kind is nibabel.Nifti2Image:
        nibabel.save(nibabel.Nifti2Image.from_image(nibabel.load(source)), source)
    study = load_study(source)
    write_nifti(tmp_path / name, study.native[FLAIR], study.image.geometry, grid=study.grid)
    written, original = nibabel.load(tmp_path / name), nibabel.load(source)
    assert type(written) is kind
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(original.dataobj))
    assert written.get_data_dtype() == np.int16
    for field in PLACE:
        assert np.array_equal(written.header[field], original.header[field]), field
    assert np.array_equal(written.header["pixdim"][:4], original.header["pixdim"][:4])
    assert written.header["descrip"] == b""


def test_a_mask_lands_on_the_voxels_of_its_source_and_comes_back(tmp_path, source, volume):
    study = load_study(source)
    mask = (study.native[FLAIR] > 60).astype(np.uint8)
    write_nifti(tmp_path / "mask.nii.gz", mask, study.image.geometry, grid=study.grid)
    written = np.asarray(nibabel.load(tmp_path / "mask.nii.gz").dataobj)
    assert np.array_equal(written, volume > 60)
    back = read_nifti_mask(tmp_path / "mask.nii.gz", study)
    assert np.array_equal(back.data, mask)
    assert back.geometry == study.image.geometry


def test_the_same_volume_makes_the_same_bytes(tmp_path, source):
    study = load_study(source)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, study.native[FLAIR], study.image.geometry, grid=study.grid)
    first = (tmp_path / "a.nii.gz").read_bytes()
    assert first == (tmp_path / "b.nii.gz").read_bytes()
    assert first[4:8] == b"\0\0\0\0"  # no time
    assert b"a.nii" not in first[:40]


def test_a_grid_whose_file_is_gone_is_written_from_its_matrix(tmp_path, source):
    study = load_study(source)
    affine = nibabel.load(source).affine * [[1000], [1000], [1000], [1]]
    source.unlink()
    write_nifti(tmp_path / "m.nii", study.native[FLAIR], study.image.geometry, grid=study.grid)
    assert np.allclose(nibabel.load(tmp_path / "m.nii").affine, affine, atol=1e-4)


def test_a_volume_from_dicom_gets_its_upright_matrix_in_ras(tmp_path, volume):
    affine = ((0.0, 0, 0.9, -80), (0, 0.9, 0, -100), (5.0, 0, 0, 12), (0, 0, 0, 1))
    grid = SourceGrid((5, 6, 7), affine, AS_STORED, tmp_path, series_uid="1.2.3")
    geometry = Geometry.from_affine(affine)
    write_nifti(tmp_path / "P1" / "FLAIR.nii.gz", volume, geometry, grid=grid)
    image = nibabel.load(tmp_path / "P1" / "FLAIR.nii.gz")
    z, y, x = 4, 2, 3
    i, j, k = x, volume.shape[1] - 1 - y, z
    assert np.asarray(image.dataobj)[i, j, k] == volume[z, y, x]
    lps = np.array(affine) @ [z, y, x, 1]
    assert np.allclose(image.affine @ [i, j, k, 1], [-lps[0], -lps[1], lps[2], 1], atol=1e-4)
    again = load_study(tmp_path / "P1")
    assert np.array_equal(again.native[FLAIR], volume)
    assert np.allclose(again.image.geometry.affine_lps, affine, atol=1e-4)


@pytest.mark.parametrize("spacing", [None, (5.0, 0.75, 0.75)])
def test_where_nothing_is_known_nothing_is_claimed(tmp_path, volume, spacing):
    write_nifti(tmp_path / "P1" / "FLAIR.nii.gz", volume, Geometry(spacing))
    header = nibabel.load(tmp_path / "P1" / "FLAIR.nii.gz").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 0)
    study = load_study(tmp_path / "P1")
    assert np.array_equal(study.native[FLAIR], volume)
    assert study.image.geometry == Geometry(spacing)


def test_a_volume_of_another_shape_is_refused_and_nothing_is_written(tmp_path, source, volume):
    study = load_study(source)
    with pytest.raises(DataError, match="the grid that it belongs to"):
        write_nifti(tmp_path / "x.nii", volume, study.image.geometry, grid=study.grid)
    with pytest.raises(DataError, match="no name of a NIfTI file"):
        write_nifti(tmp_path / "x.img", volume, Geometry())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["P1"]


def test_a_place_that_cannot_be_written_says_so(tmp_path, volume):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Cannot write"):
        write_nifti(tmp_path / "file" / "x.nii", volume, Geometry())


class TestMaskOfAnotherGrid:
    def test_it_is_refused_with_both_grids_or_resampled(self, tmp_path, write_nii):
        image = np.zeros((12, 12, 6), np.int16)
        image[4:8, 4:8, 2:4] = 100
        write_nii(tmp_path / "P1" / "FLAIR.nii", image, np.diag([2.0, 2, 4, 1]))
        study = load_study(tmp_path / "P1")
        fine = np.kron(image > 0, np.ones((2, 2, 4))).astype(np.uint8)
        affine = np.eye(4)
        affine[:3, 3] = -0.5, -0.5, -1.5
        mask = write_nii(tmp_path / "fine.nii", fine, affine)
        with pytest.raises(DataError, match="24 x 24 x 24 voxels of 1 x 1 x 1 mm") as caught:
            read_nifti_mask(mask, study)
        assert "6 x 12 x 12 voxels of 4 x 2 x 2 mm" in caught.value.message
        assert np.array_equal(
            read_nifti_mask(mask, study, resample=True).data, study.native[FLAIR] > 0
        )

    def test_the_same_shape_elsewhere_is_refused(self, tmp_path, write_nii, volume):
        write_nii(tmp_path / "P1" / "FLAIR.nii", volume, np.eye(4))
        moved = np.eye(4)
        moved[0, 3] = 10
        mask = write_nii(tmp_path / "m.nii", (volume > 0).astype(np.uint8), moved)
        with pytest.raises(DataError, match="another grid"):
            read_nifti_mask(mask, load_study(tmp_path / "P1"))


def test_a_mask_of_slices_without_orientation_goes_out_and_in(tmp_path, write_nii, volume):
    """Some programs give a file a place when they save it: kaggle_3m has none to compare with."""
    study = Study("P1", ScalarVolume(np.stack([volume.astype(np.uint8)] * 3)))
    mask = (volume > 0).astype(np.uint8)
    write_nifti(tmp_path / "m.nii", mask, study.image.geometry, grid=study.grid)
    assert np.array_equal(read_nifti_mask(tmp_path / "m.nii", study).data, mask)
    saved = nibabel.Nifti1Image(np.asarray(nibabel.load(tmp_path / "m.nii").dataobj), np.eye(4))
    nibabel.save(saved, tmp_path / "saved.nii")
    assert np.array_equal(read_nifti_mask(tmp_path / "saved.nii", study).data, mask)
