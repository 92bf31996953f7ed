from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from napari_brainseg.core.imaging import ModelError, Study
from napari_brainseg.core.segmentation.dense_crf import dense_crf
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.core.segmentation.postprocessing import Postprocessing, postprocess

NEEDS = "needs pydensecrf2, the extra crf"


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bright disk in FLAIR, a doubtful and ragged map of it, and the truth."""
    rng = np.random.default_rng(0)
    z, y, x = np.ogrid[:6, :64, :64]
    truth = ((y - 30) ** 2 + (x - 34) ** 2 + 9 * (z - 3) ** 2 < 12**2).astype(np.uint8)
    flair = (np.where(truth, 200, 110) + rng.normal(0, 6, truth.shape)).astype(np.uint8)
    doubt = 0.5 + 0.15 * (2.0 * truth - 1) + rng.normal(0, 0.15, truth.shape)
    near = (y - 30) ** 2 + (x - 34) ** 2 < 20**2
    probability = np.where(near, np.clip(doubt, 0, 1), 0).astype(np.float32)
    return probability, flair, truth


def test_a_ragged_map_follows_the_picture(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    pytest.importorskip("pydensecrf", reason=NEEDS)
    probability, flair, truth = scene
    steps = Postprocessing(dense_crf=3)

    plain = postprocess(probability, threshold=0.5, steps=Postprocessing())
    refined = postprocess(probability, threshold=0.5, steps=steps, flair=flair)

    assert dsc(plain, truth) < 0.8
    assert dsc(refined, truth) > 0.95


def test_what_is_far_from_any_lesion_is_left_alone(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    pytest.importorskip("pydensecrf", reason=NEEDS)
    probability, flair, _ = scene
    probability[:, :, 60:] = 0.01

    refined = dense_crf(probability, flair, weight=1)

    assert refined.shape == probability.shape
    assert refined.dtype == np.float32
    assert np.array_equal(refined[:, :, 62:], probability[:, :, 62:])
    nothing = np.full_like(probability, 0.01)
    assert dense_crf(nothing, flair, weight=1) is nothing


def test_a_model_with_it_predicts(tiny_bundle, small_study: Study) -> None:
    pytest.importorskip("pydensecrf", reason=NEEDS)
    steps = Postprocessing(dense_crf=1)
    manifest = tiny_bundle.manifest.model_copy(update={"postprocessing": steps})
    bundle = replace(tiny_bundle, manifest=manifest)

    prediction = predict(small_study, bundle, device="cpu")

    assert prediction.mask.shape == small_study.image.grid_shape


def test_a_missing_library_is_named_with_what_installs_it(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", None)
    probability, flair, _ = scene

    with pytest.raises(ModelError, match="pydensecrf2") as raised:
        postprocess(probability, threshold=0.5, steps=Postprocessing(dense_crf=1), flair=flair)
    assert "napari-brainseg[crf]" in raised.value.hint


def test_it_cannot_go_without_the_image(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    with pytest.raises(ValueError, match="flair"):
        postprocess(scene[0], threshold=0.5, steps=Postprocessing(dense_crf=1))
