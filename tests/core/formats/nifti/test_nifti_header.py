from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.formats.nifti.header import read_header


def _placed(write_nii, folder, volume, affine, edit=None):
    return read_header(write_nii(folder / "FLAIR.nii", volume, affine, edit=edit)).placement


def test_the_sform_counts_before_the_qform(tmp_path, write_nii, volume):
    def edit(header):
        header.set_qform(np.diag([2.0, 2, 2, 1]), 1)
        header.set_sform(np.diag([3.0, 3, 3, 1]), 1)

    both = _placed(write_nii, tmp_path, volume, None, edit)
    assert both.spacing_mm == (3, 3, 3)
    assert "two different positions" in both.warnings[0]
    only = _placed(
        write_nii, tmp_path, volume, None, lambda h: h.set_qform(np.diag([2.0, 2, 2, 1]), 1)
    )
    assert (only.spacing_mm, only.warnings) == ((2, 2, 2), ())


def test_a_broken_sform_gives_way_to_the_qform(tmp_path, write_nii, volume):
    def edit(header):
        header.set_qform(np.diag([2.0, 2, 2, 1]), 1)
        header["srow_x"], header["sform_code"] = np.nan, 1

    found = _placed(write_nii, tmp_path, volume, None, edit)
    assert found.spacing_mm == (2, 2, 2)
    assert "sform in the header is not usable: it is not finite" in found.warnings[0]


def test_a_handedness_of_zero_is_one(tmp_path, write_nii, volume):
    affine = np.diag([-0.9, 0.9, 5, 1])
    affine[:3, 3] = 40, -30, -20

    def edit(header):
        header.set_sform(None, 0)
        header.set_qform(affine @ np.diag([-1, 1, 1, 1]), 1)
        header["pixdim"][0] = 0

    found = _placed(write_nii, tmp_path, volume, None, edit)
    assert not found.warnings
    assert np.allclose(found.affine_lps, np.diag([-1, -1, 1, 1]) @ affine @ np.diag([-1, 1, 1, 1]))


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("meter", 1e3), ("micron", 1e-3)])
def test_units_are_brought_to_millimetres(tmp_path, write_nii, volume, unit, factor):
    def edit(header):
        header.set_xyzt_units(unit)

    affine = np.diag([0.9 / factor, 0.9 / factor, 5 / factor, 1])
    found = _placed(write_nii, tmp_path, volume, affine, edit)
    assert found.spacing_mm == pytest.approx((0.9, 0.9, 5))
    assert found.affine_lps[2][2] == pytest.approx(5)


@pytest.mark.parametrize("steps", [(0, 1, 1), (1, np.nan, 1), (1, 1, 5000)])
def test_spacing_that_makes_no_sense_is_unknown(tmp_path, write_nii, volume, steps):
    def edit(header):
        header["pixdim"][1:4] = steps

    found = _placed(write_nii, tmp_path, volume, None, edit)
    assert (found.affine_lps, found.spacing_mm) == (None, None)
    assert "Spacing is unknown" in found.warnings[0]


def test_of_negative_spacing_the_size_counts(tmp_path, write_nii, volume):
    affine = np.array([[-0.9, 0, 0, 5], [0, 0.9, 0, 7], [0, 0, 5, -3], [0, 0, 0, 1]])

    def edit(header):
        header["sform_code"] = 0
        header.set_qform(affine, 1)
        header["pixdim"][1] *= -1

    found = _placed(write_nii, tmp_path, volume, None, edit)
    assert np.allclose(found.affine_lps, np.diag([-1, -1, 1, 1]) @ affine, atol=1e-6)
    assert "Check left and right" in found.warnings[0]


def test_metres_written_for_millimetres_are_not_believed(tmp_path, write_nii, volume):
    found = _placed(
        write_nii, tmp_path, volume, np.diag([1.0, 1, 5, 1]), lambda h: h.set_xyzt_units("meter")
    )
    assert (found.affine_lps, found.spacing_mm) == (None, None)
    assert any("make no sense" in text for text in found.warnings)


def test_without_codes_the_spacing_stands_and_the_orientation_is_unknown(
    tmp_path, write_nii, volume
):
    def edit(header):
        header["pixdim"][1:4] = 0.75, 1.25, 5

    path = write_nii(tmp_path / "P1" / "FLAIR.nii", volume, None, edit=edit)
    study = load_study(path)
    assert study.image.geometry.affine_lps is None
    assert study.image.geometry.spacing_mm == (5, 1.25, 0.75)
    nothing = write_nii(
        tmp_path / "P2" / "FLAIR.nii", volume, None, edit=lambda h: h.set_xyzt_units("unknown")
    )
    assert load_study(nothing).image.geometry.spacing_mm is None


def test_what_all_files_of_a_patient_lack_is_said_once(tmp_path, write_nii, volume):
    def edit(header):
        header["pixdim"][1:4] = 0.75, 1.25, 5
        header.set_xyzt_units("unknown")

    for name in ("FLAIR", "T1", "T1c"):
        write_nii(tmp_path / "P1" / f"{name}.nii", volume, None, edit=edit)
    study = load_study(tmp_path / "P1")
    assert study.warnings == (
        "The header names no unit; its spacing 0.75 x 1.25 x 5 is taken as mm.",
    )
