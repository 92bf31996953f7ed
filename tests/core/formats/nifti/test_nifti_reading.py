from __future__ import annotations

import gzip
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import DataError, Modality, Reorientation

FLAIR = Modality.FLAIR
SPACING = np.array([5.0, 0.75, 1.25])
ORDERS = [
    Reorientation(a, f) for a in permutations(range(3)) for f in product((False, True), repeat=3)
]


def _stored(order, affine_lps, data):
    """Store an upright volume in another order; return voxels and affine in RAS."""
    stored = order.undo(data)
    columns = np.zeros((4, 4))
    origin = affine_lps[:, 3].copy()
    for target, (axis, flip) in enumerate(zip(order.axes, order.flips, strict=True)):
        step = affine_lps[:, target]
        if flip:
            origin = origin + step * (data.shape[target] - 1)
            step = -step
        columns[:, axis] = step
    columns[:, 3] = origin
    return np.array(stored), np.diag([-1.0, -1, 1, 1]) @ columns


def _upright_affine(turn=None):
    """Matrix from (z, y, x) to LPS, oblique by `turn`."""
    axes = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float) * SPACING
    matrix = np.eye(4)
    matrix[:3, :3] = axes if turn is None else turn @ axes
    matrix[:3, 3] = (-80, -100.5, 12)
    return matrix


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_every_storage_order_comes_upright_and_goes_back(tmp_path, write_nii, volume, order):
    upright = _upright_affine()
    stored, ras = _stored(order, upright, volume)
    source = write_nii(tmp_path / "P1" / "FLAIR.nii", stored, ras)
    study = load_study(source)
    assert np.array_equal(study.native[FLAIR], volume)
    assert study.image.geometry.spacing_mm == pytest.approx(tuple(SPACING))
    assert np.allclose(study.image.geometry.affine_lps, upright)

    mask = (volume > 30).astype(np.uint8)
    write_nifti(tmp_path / "mask.nii", mask, study.image.geometry, grid=study.grid)
    written, like = nibabel.load(tmp_path / "mask.nii"), nibabel.load(source)
    assert np.array_equal(np.asarray(written.dataobj), (stored > 30))
    assert np.array_equal(written.affine, like.affine)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-30, 30)] * 3),
    order=st.sampled_from(ORDERS),
)
def test_oblique_volumes_keep_their_place(tmp_path, write_nii, volume, angles, order):
    upright = _upright_affine(Rotation.from_euler("xyz", angles, degrees=True).as_matrix())
    stored, ras = _stored(order, upright, volume)
    study = load_study(write_nii(tmp_path / "P1" / "FLAIR.nii", stored, ras))
    affine = np.array(study.image.geometry.affine_lps)
    # Whatever axes are the nearest: every voxel lies where it lay.
    brightest = np.unravel_index(np.argmax(study.native[FLAIR]), volume.shape)
    expected = np.unravel_index(np.argmax(volume), volume.shape)
    assert np.allclose(affine @ [*brightest, 1], upright @ [*expected, 1], atol=1e-3)
    if max(map(abs, angles)) < 15:
        assert np.array_equal(study.native[FLAIR], volume)


def test_sagittal_slices_are_shown_as_axial_ones(tmp_path, write_nii, volume):
    # (x, y, z) stored as slices from right to left, each from head to foot.
    order = Reorientation((1, 0, 2), (True, False, False))
    stored, ras = _stored(order, _upright_affine(), volume)
    assert nibabel.aff2axcodes(ras) == ("P", "I", "L")
    study = load_study(write_nii(tmp_path / "P1" / "FLAIR.nii.gz", stored, ras))
    assert study.image.grid_shape == volume.shape
    assert study.grid.shape == stored.shape


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_all_types_and_byte_orders(tmp_path, volume, kind, byte_order):
    data = np.abs(volume).astype(kind)
    header = nibabel.Nifti1Header(endianness=byte_order)
    header.set_data_dtype(data.dtype)
    image = nibabel.Nifti1Image(data, np.eye(4), header)
    path = tmp_path / "P1" / "FLAIR.nii"
    path.parent.mkdir()
    nibabel.save(image, path)
    found = load_study(path).native[FLAIR]
    assert (found.dtype, found.dtype.isnative) == (data.dtype, True)
    assert np.array_equal(found, data.transpose(2, 1, 0)[:, ::-1, ::-1])


def test_nifti_2_in_one_piece_or_compressed(tmp_path, write_nii, volume):
    for name in ("a.nii", "b.nii.gz"):
        path = write_nii(tmp_path / name / name, volume, np.eye(4), kind=nibabel.Nifti2Image)
        assert load_study(path).native[Modality.PRE].shape == (7, 6, 5)


@pytest.mark.parametrize(
    ("slope", "inter", "dtype"),
    [(1, -1024, "i2"), (2, 0, "i2"), (0.5, 3, "f4"), (0, 7, "i2"), (np.nan, 0, "i2")],
)
def test_slope_and_intercept(tmp_path, write_nii, volume, slope, inter, dtype):
    def scale(header):
        header["scl_slope"], header["scl_inter"] = slope, inter

    path = write_nii(tmp_path / "P1" / "FLAIR.nii", volume, np.diag([-1.0, -1, 1, 1]))
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(raw)
    found = load_study(path).native[FLAIR]
    used = (slope, inter) if slope and np.isfinite(slope) else (1, 0)
    assert found.dtype == dtype
    assert np.array_equal(found, volume.transpose(2, 1, 0) * used[0] + used[1])


def test_the_content_tells_whether_a_file_is_compressed(tmp_path, write_nii, volume):
    packed = write_nii(tmp_path / "a.nii.gz", volume, np.diag([-1, -1, 5, 1]))
    plain = write_nii(tmp_path / "b.nii", volume, np.diag([-1, -1, 5, 1]))
    (tmp_path / "1").mkdir()
    packed.rename(tmp_path / "1" / "flair.nii")
    plain.rename(tmp_path / "1" / "t1.nii.gz")
    study = load_study(tmp_path / "1")
    assert np.array_equal(study.native[FLAIR], study.native[Modality.PRE])


def test_one_slice_and_a_fourth_axis_of_one(tmp_path, write_nii, volume):
    flat = write_nii(tmp_path / "P1" / "FLAIR.nii", volume[0], np.eye(4))
    assert load_study(flat).image.grid_shape == (1, 7, 6)
    four = write_nii(tmp_path / "P2" / "FLAIR.nii.gz", volume[..., None], np.eye(4))
    assert load_study(four).image.grid_shape == (7, 6, 5)


def test_voxels_that_are_no_number_are_named_and_filled(tmp_path, write_nii, volume):
    data = volume.astype(np.float32)
    data[0, 0, 0], data[1, 1, 1] = np.nan, -np.inf
    study = load_study(write_nii(tmp_path / "P1" / "FLAIR.nii", data, np.eye(4)))
    assert np.isfinite(study.native[FLAIR]).all()
    assert any("2 voxels that are no number" in text for text in study.warnings)


def test_modalities_on_different_grids_come_onto_that_of_flair(tmp_path, write_nii):
    z, y, x = np.mgrid[:20, :24, :24].astype(np.float32)
    fine = (x * 10 + y * 5 + z).transpose(2, 1, 0)
    write_nii(tmp_path / "P1" / "FLAIR.nii.gz", fine[::2, ::2, ::4].copy(), np.diag([2.0, 2, 4, 1]))
    write_nii(tmp_path / "P1" / "T1.nii.gz", fine, np.eye(4))
    study = load_study(tmp_path / "P1")
    pre, flair = study.native[Modality.PRE], study.native[FLAIR]
    assert pre.shape == flair.shape == (5, 12, 12)
    assert np.allclose(pre, flair, atol=0.01)


class TestTruth:
    def test_labels_of_brats_count_as_one_lesion(self, tmp_path, write_nii, volume):
        labels = np.array([0, 1, 2, 4], np.uint8)[volume % 4]
        write_nii(tmp_path / "P1" / "P1_flair.nii.gz", volume, np.eye(4))
        write_nii(tmp_path / "P1" / "P1_seg.nii.gz", labels, np.eye(4))
        study = load_study(tmp_path / "P1")
        assert study.truth.voxels == np.count_nonzero(labels)
        assert any("labels 1, 2, 4 of P1_seg.nii.gz" in text for text in study.warnings)

    def test_labels_in_floats_are_labels(self, tmp_path, write_nii, volume):
        write_nii(tmp_path / "P1" / "flair.nii", volume, np.eye(4))
        write_nii(tmp_path / "P1" / "seg.nii", (volume > 9).astype(np.float64), np.eye(4))
        study = load_study(tmp_path / "P1")
        assert study.truth.voxels == np.count_nonzero(volume > 9)
        assert study.warnings == ()

    def test_probabilities_are_refused(self, tmp_path, write_nii, volume):
        write_nii(tmp_path / "P1" / "flair.nii", volume, np.eye(4))
        write_nii(tmp_path / "P1" / "seg.nii", (volume / 300).astype(np.float32), np.eye(4))
        with pytest.raises(DataError, match=r"seg\.nii is no mask") as caught:
            load_study(tmp_path / "P1")
        assert "probabilities" in caught.value.hint

    def test_a_mask_that_lost_its_place_lies_on_the_voxels_as_stored(
        self, tmp_path, write_nii, volume
    ):
        write_nii(tmp_path / "P1" / "flair.nii", volume, np.diag([1.0, -1, 1, 1]))
        write_nii(tmp_path / "P1" / "seg.nii", (volume > 50).astype(np.uint8))
        study = load_study(tmp_path / "P1")
        assert np.array_equal(study.truth.data, study.native[FLAIR] > 50)
        assert any("only one of the two" in text for text in study.warnings)


class TestBadFiles:
    def test_colour_and_complex_numbers_are_refused(self, tmp_path, write_nii):
        rgb = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
        write_nii(tmp_path / "P1" / "FLAIR.nii", rgb, np.eye(4))
        with pytest.raises(DataError, match="colours"):
            load_study(tmp_path / "P1")
        write_nii(tmp_path / "P2" / "FLAIR.nii", np.zeros((4, 5, 6), np.complex64), np.eye(4))
        with pytest.raises(DataError, match="complex"):
            load_study(tmp_path / "P2")

    def test_halves_of_pairs_and_analyze_are_refused(self, tmp_path, volume):
        nibabel.save(nibabel.Nifti1Pair(volume, np.eye(4)), tmp_path / "a.hdr")
        (tmp_path / "pair.nii").write_bytes((tmp_path / "a.hdr").read_bytes())
        nibabel.AnalyzeImage(volume, np.eye(4)).to_filename(tmp_path / "b.hdr")
        (tmp_path / "analyze.nii").write_bytes((tmp_path / "b.hdr").read_bytes())
        for name in ("pair.nii", "analyze.nii"):
            with pytest.raises(DataError, match="pair"):
                load_study(tmp_path / name)

    @pytest.mark.parametrize("kept", [0, 3, 200, 360, 500])
    @pytest.mark.parametrize("name", ["FLAIR.nii", "FLAIR.nii.gz"])
    def test_files_cut_off_are_named(self, tmp_path, write_nii, volume, name, kept):
        path = write_nii(tmp_path / "P1" / name, volume, np.eye(4))
        path.write_bytes(path.read_bytes()[: min(kept, path.stat().st_size - 20)])
        with pytest.raises(DataError, match="FLAIR"):
            load_study(path)

    @pytest.mark.parametrize("name", ["FLAIR.nii", "FLAIR.nii.gz"])
    @pytest.mark.parametrize(
        "dims", [(3, 1366, 1366, 1366), (4, 512, 512, 256, 40), (3, 512, 512, 256)]
    )
    def test_a_claim_of_gigabytes_takes_no_memory(self, tmp_path, name, dims):
        resource = pytest.importorskip("resource")
        header = nibabel.Nifti1Header()
        header["dim"][: len(dims)] = dims
        header["magic"], header["vox_offset"] = b"n+1", 352
        header.set_data_dtype(np.int16)
        raw = header.binaryblock + b"\0" * 5000
        path = tmp_path / "P1" / name
        path.parent.mkdir()
        path.write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(DataError, match="FLAIR"):
            load_study(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000

    @pytest.mark.parametrize(
        "field",
        [
            ("dim", 0, 9),
            ("dim", 1, -4),
            ("dim", 2, 0),
            ("datatype", None, 999),
            ("vox_offset", None, 1e30),
        ],
    )
    def test_headers_that_make_no_sense(self, tmp_path, write_nii, volume, field):
        name, index, value = field
        path = write_nii(tmp_path / "P1" / "FLAIR.nii", volume, np.eye(4))
        header = nibabel.Nifti1Header(path.read_bytes()[:348], check=False)
        if index is None:
            header[name] = value
        else:
            header[name][index] = value
        path.write_bytes(header.binaryblock + path.read_bytes()[348:])
        with pytest.raises(DataError, match=r"FLAIR\.nii"):
            load_study(path)


def test_nibabels_own_test_files_open_or_say_why_not():
    folder = Path(nibabel.__path__[0], "tests", "data")
    files = [p for p in folder.iterdir() if p.name.endswith((".nii", ".nii.gz"))]
    results = {path.name: _outcome(path) for path in files}
    assert results["example4d.nii.gz"] == (24, 96, 128)
    assert results["example_nifti2.nii.gz"] == (12, 20, 32)
    assert results["anatomical.nii"] == (25, 41, 33)
    refused = {name: said for name, said in results.items() if isinstance(said, str)}
    assert all(name in said for name, said in refused.items())
    assert len(refused) < len(results) / 2


def _outcome(path):
    """Shape of what was opened, or the message."""
    try:
        return load_study(path).image.grid_shape
    except DataError as error:
        return error.message
