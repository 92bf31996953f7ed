"""Layers saved through napari, as "File > Save selected layers" does."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from npe2 import PluginManager

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.dataset.phantom.dicom import write_dicom_phantom
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.formats.masks import read_mask
from napari_brainseg.core.imaging import DataError
from napari_brainseg.viewer.reader import study_layers
from napari_brainseg.viewer.writer import write_segmentation

AFFINE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.05, 0.1, -0.1) @ np.diag([-0.9, 0.9, 5.0]), [80.1, -90.2, 3.3]
)


@pytest.fixture(autouse=True)
def _plugins():
    """Make npe2 know the plugins, as a window does when it opens."""
    PluginManager.instance().discover()


@pytest.fixture
def viewer(monkeypatch):
    viewer = ViewerModel()
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    return viewer


@pytest.fixture
def source(tmp_path):
    """FLAIR of a patient in NIfTI, oblique, stored from left to right."""
    data = np.arange(8 * 9 * 4, dtype=np.int16).reshape(8, 9, 4)
    path = tmp_path / "P1" / "FLAIR.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(data, AFFINE), path)
    return path


def _shown(viewer, study):
    for layer in study_layers(study):
        viewer._add_layer_from_data(*layer)


def test_a_mask_painted_over_a_study_is_saved_on_the_grid_of_its_file(tmp_path, viewer, source):
    study = load_study(source)
    _shown(viewer, study)
    # As napari's own button for new labels makes it: it knows no study.
    flair = viewer.layers["FLAIR"]
    mask = viewer.add_labels(
        np.zeros(flair.data.shape, np.int64), scale=flair.scale, units=flair.units
    )
    mask.data[1:3, 2:6, 3:5] = 3
    (saved,) = mask.save(str(tmp_path / "mask.nii.gz"))
    written, original = nibabel.load(saved), nibabel.load(source)
    assert np.array_equal(written.affine, original.affine)
    assert written.shape == original.shape
    assert written.get_data_dtype() == np.uint8
    assert np.array_equal(
        np.asarray(written.dataobj) == 3, study.grid.reorientation.undo(mask.data == 3)
    )
    assert np.array_equal(read_mask(saved, study).data, mask.data > 0)


def test_selected_layers_are_saved_by_the_list(tmp_path, viewer, source):
    _shown(viewer, load_study(source))
    viewer.layers.selection = {viewer.layers["FLAIR"]}
    (saved,) = viewer.layers.save(str(tmp_path / "out.nii.gz"), selected=True)
    written, original = nibabel.load(saved), nibabel.load(source)
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(original.dataobj))
    assert np.array_equal(written.affine, original.affine)


def test_layers_of_no_study_are_saved_with_their_spacing_alone(tmp_path, viewer):
    data = np.random.default_rng(0).random((3, 5, 6)).astype(np.float32)
    image = Image(data, scale=(0.005, 0.001, 0.001), units=("m", "m", "m"))
    (saved,) = image.save(str(tmp_path / "a.nii.gz"))
    header = nibabel.load(saved).header
    assert header.get_zooms() == pytest.approx((1, 1, 5))
    assert int(header["sform_code"]) == int(header["qform_code"]) == 0
    assert np.array_equal(study_layers(load_study(saved))[0][0], data)
    (flat,) = Labels(np.eye(4, dtype=np.int32)).save(str(tmp_path / "b.nii"))
    assert nibabel.load(flat).shape == (4, 4, 1)
    assert load_study(tmp_path / "a.nii.gz").image.geometry.affine_lps is None


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Image(np.zeros((4, 5, 3), np.uint8), rgb=True), "colours"),
        (Image(np.zeros((2, 3, 4, 5))), "slices, rows and columns"),
        (Labels(np.full((2, 3, 4), 2**40)), "labels up to"),
    ],
)
def test_what_nifti_cannot_hold_is_refused(tmp_path, viewer, layer, said):
    with pytest.raises(DataError, match=said) as caught:
        layer.save(str(tmp_path / "a.nii.gz"))
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_the_images_is_not_written_to(viewer, source):
    before = source.read_bytes()
    _shown(viewer, load_study(source))
    for name in (source.name, "mask.nii.gz"):
        with pytest.raises(DataError, match="the folder of the images"):
            viewer.layers["FLAIR"].save(str(source.with_name(name)))
    assert [p.name for p in source.parent.iterdir()] == [source.name]
    assert source.read_bytes() == before


class TestSegmentation:
    def test_a_mask_over_a_dicom_study_is_saved_as_segmentation(self, tmp_path, viewer):
        folder = write_dicom_phantom(tmp_path / "dicom", phantom_study(0, slices=6, size=32))
        study = load_study(discover(folder).folders[0])
        _shown(viewer, study)
        mask = viewer.add_labels(np.zeros(study.image.grid_shape, np.uint8), name="mine")
        mask.scale = viewer.layers["FLAIR"].scale
        mask.data[2:4, 8:16, 8:16] = 2
        (saved,) = mask.save(str(tmp_path / "mask.dcm"))
        assert np.array_equal(read_mask(saved, study).data, mask.data > 0)

    def test_a_mask_without_a_study_says_what_is_missing(self, tmp_path, viewer):
        layer = Labels(np.ones((2, 3, 4), np.uint8), name="mine")
        with pytest.raises(DataError, match="'mine' belongs to no study"):
            layer.save(str(tmp_path / "mask.dcm"))
        with pytest.raises(DataError, match="belongs to no study"):
            write_segmentation(str(tmp_path / "x"), *layer.as_layer_data_tuple()[:2])
