from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Layer

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.formats.nifti.writing import write_nifti
from napari_brainseg.core.imaging import Geometry, ScalarVolume
from napari_brainseg.viewer.reader import get_reader, prefer_own_reader
from napari_brainseg.viewer.sample import phantom_studies


@pytest.fixture
def patient(tmp_path):
    rng = np.random.default_rng(1)
    image = ScalarVolume(rng.integers(1, 255, (3, 4, 32, 32), dtype=np.uint8))
    mask = np.zeros((4, 32, 32), np.uint8)
    mask[1, 5:9, 5:9] = 1
    folder = write_patient(
        tmp_path / "root", "TEST_AB_0001_20200101", image, mask, (1, 2, 3, 4), durable=False
    )
    return folder, image, mask


def test_without_a_window_a_patient_is_read_as_layers(patient):
    folder, image, mask = patient
    layers = get_reader(str(folder))(str(folder))
    assert [(meta["name"], kind) for _, meta, kind in layers] == [
        ("pre-contrast", "image"),
        ("FLAIR", "image"),
        ("post-contrast", "image"),
        ("Ground truth", "labels"),
    ]
    for index in range(3):
        assert np.array_equal(layers[index][0], image.data[index])
    assert [meta["visible"] for _, meta, _ in layers[:3]] == [False, True, False]
    assert np.array_equal(layers[3][0], mask)
    assert layers[0][1]["metadata"]["patient"] == "TEST_AB_0001_20200101"


def test_layers_tell_where_they_lie_and_whose_they_are_but_not_who(tmp_path):
    affine = ((0.0, 0, 0.9, -80), (0, 0.9, 0, -100), (5.0, 0, 0, 12), (0, 0, 0, 1))
    data = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8) - 100
    for name in ("FLAIR", "T1"):
        write_nifti(tmp_path / "P1" / f"{name}.nii.gz", data, Geometry.from_affine(affine))
    (pre, _, _), (flair, options, kind) = get_reader(str(tmp_path / "P1"))(str(tmp_path / "P1"))
    assert np.array_equal(flair, data)  # what the file holds, not eight bits
    layer = Layer.create(flair, options, kind)
    assert layer.scale == pytest.approx((5, 0.9, 0.9))
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("slice", "y", "x")
    facts = layer.metadata
    assert (facts["patient"], facts["format"], facts["series"]) == ("P1", "NIfTI", "FLAIR.nii.gz")
    assert (facts["spacing_known"], facts["orientation_known"]) == (True, True)
    assert "identity" not in facts
    assert np.array_equal(pre, data)


def test_without_spacing_no_millimetres_are_claimed(patient):
    folder, *_ = patient
    layer = Layer.create(*get_reader(str(folder))(str(folder))[1])
    assert [str(unit) for unit in layer.units] == ["pixel"] * 3
    assert not layer.metadata["spacing_known"]


def test_several_files_of_a_patient_are_opened_as_one(tmp_path):
    data = np.ones((4, 8, 8), np.int16) * np.arange(8, dtype=np.int16)
    paths = [str(tmp_path / f"P1_{name}.nii.gz") for name in ("t1", "flair", "t1c")]
    for path in paths:
        write_nifti(Path(path), data, Geometry())
    layers = get_reader(paths)(paths)
    assert [meta["name"] for _, meta, _ in layers] == ["pre-contrast", "FLAIR", "post-contrast"]


def test_napari_need_not_ask_for_a_reader(monkeypatch):
    plugins = SimpleNamespace(extension2reader={"*.nii": "other", "*.tif": "napari"})
    monkeypatch.setattr("napari.settings.get_settings", lambda: SimpleNamespace(plugins=plugins))
    prefer_own_reader()
    assert plugins.extension2reader == {
        "*.nii": "other",  # the user's own choice
        "*.tif": "napari",
        "*.nii.gz": "napari-brainseg",
        "*.dcm": "napari-brainseg",
    }


def test_other_paths_are_left_to_other_readers(tmp_path, patient):
    folder, *_ = patient
    (tmp_path / "notes.txt").write_text("no image")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert get_reader(str(tmp_path / "notes.txt")) is None
    assert get_reader(str(empty)) is None
    assert get_reader([str(folder), str(folder)]) is None
    assert get_reader(str(folder.parent)) is not None


def test_without_a_window_the_sample_is_a_phantom_as_layers(monkeypatch):
    from napari_brainseg.core.dataset import phantom

    small = phantom.phantom_study(0, slices=4, size=64)
    monkeypatch.setattr(phantom, "phantom_study", lambda _seed: small)
    layers = phantom_studies()
    assert [kind for *_, kind in layers] == ["image"] * 3 + ["labels"]
    assert layers[0][1]["scale"] == pytest.approx(small.image.geometry.spacing_mm, abs=1e-9)
