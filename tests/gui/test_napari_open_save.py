"""napari's own ways in and out of the window: open a file, save a layer."""

from __future__ import annotations

from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import Geometry, Modality
from napari_brainseg.viewer.layer_metadata import layer_metadata
from napari_brainseg.viewer.reader import prefer_own_reader
from napari_brainseg.widgets.drops import open_study_folders

AFFINE = ((0.0, 0, 0.9, -80), (0, 0.9, 0, -100), (5.0, 0, 0, 12), (0, 0, 0, 1))


@pytest.fixture
def nifti(tmp_path):
    """A patient of three modalities with truth."""
    study = phantom_study(1, slices=8, size=64)
    geometry, folder = Geometry.from_affine(AFFINE), tmp_path / "P7"
    for modality, name in zip(study.image.modalities, ("t1", "flair", "t1ce"), strict=True):
        data = study.image.channel(modality).astype(np.int16)
        write_nifti(folder / f"P7_{name}.nii.gz", data, geometry)
    write_nifti(folder / "P7_seg.nii.gz", study.truth.data, geometry)
    return folder


def test_file_open_shows_a_nifti_patient_without_a_question(window, nifti, monkeypatch):
    def asked(*_args, **_kwargs):
        pytest.fail("napari asked which reader to use")

    monkeypatch.setattr("napari._qt.qt_viewer.handle_gui_reading", asked)
    before = dict(get_settings().plugins.extension2reader)
    prefer_own_reader()
    try:
        path = str(nifti / "P7_flair.nii.gz")
        window.viewer.window._qt_viewer._qt_open([path], stack=False)
        window.wait(lambda: window.view.case is not None and window.view.case.patient == "P7")
    finally:
        get_settings().plugins.extension2reader = before
    study = window.view.case.study
    assert window.viewer.layers["FLAIR"].scale == pytest.approx((5, 0.9, 0.9))
    assert window.view.layers.truth.data.sum() == phantom_study(1, slices=8, size=64).truth.voxels
    qt_viewer = window.viewer.window._qt_viewer
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_args, **_kwargs: str(window.root)
    )
    qt_viewer._open_folder_dialog()
    window.wait(lambda: window.view.case is not None and window.view.case.patient != "P7")
    assert study.missing_modalities == ()


def test_file_open_takes_dicom_files_without_an_ending(tmp_path):
    left_to_napari, opened = [], []
    qt_viewer = SimpleNamespace(
        _qt_open=lambda names, *_args, **_more: left_to_napari.extend(names)
    )
    owner = QObject()
    open_study_folders(qt_viewer, opened.append, owner)
    image, note = tmp_path / "IM0001", tmp_path / "README"
    image.write_bytes(bytes(128) + b"DICM")
    note.write_text("hello")
    for path in (image, note):
        qt_viewer._qt_open([str(path)], stack=False)
    assert opened == [image]
    assert left_to_napari == [str(note)]


def test_save_selected_layers_writes_the_mask_on_the_grid_of_the_study(
    window, nifti, tmp_path, monkeypatch
):
    window.dock.workbench.open(nifti)
    window.wait(lambda: window.view.case is not None and window.view.case.patient == "P7")
    study = window.view.case.study
    flair = window.viewer.layers["FLAIR"]
    flair.metadata = layer_metadata(study, Modality.FLAIR)
    mask = window.viewer.add_labels(
        np.zeros(study.image.grid_shape, np.uint8), name="mine", scale=flair.scale
    )
    mask.data[3, 10:20, 30:40] = 1
    window.viewer.layers.selection = {mask}
    offered = []

    def choose(*_args, filter="", **_kwargs):
        offered.extend(filter.split(";;"))
        chosen = next(f for f in offered if "mask as NIfTI" in f)
        # The name without an ending: the dialog leaves that to the writer.
        return str(tmp_path / "mine"), chosen

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    window.viewer.window._qt_viewer._save_layers_dialog(selected=True)
    assert any("mask as DICOM segmentation (*.dcm)" in text for text in offered)
    saved, source = (
        nibabel.load(tmp_path / "mine.nii.gz"),
        nibabel.load(nifti / "P7_flair.nii.gz"),
    )
    assert np.array_equal(saved.affine, source.affine)
    again = load_study(nifti).grid.reorientation.apply(np.asarray(saved.dataobj))
    assert np.array_equal(again, mask.data)
