from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import ScalarVolume
from napari_brainseg.viewer.reader import get_reader
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
    assert layers[0][1]["scale"] == small.image.geometry.spacing_mm
