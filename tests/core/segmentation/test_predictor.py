"""One engine for many studies."""

from __future__ import annotations

import numpy as np

from napari_brainseg.core.segmentation import predictor as module
from napari_brainseg.core.segmentation.engines import EngineChoice, OutOfMemoryError
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.predictor import Predictor


class FullGpu:
    """A GPU on which not even one slice fits."""

    description, device = "Torch on a full GPU", "cuda:0"

    def __init__(self):
        self.closed = False
        self.asked = 0

    def logits(self, slices):
        self.asked += 1
        raise OutOfMemoryError

    def preferred_batch(self, slice_shape):
        return 1

    def close(self):
        self.closed = True


def test_same_result_as_a_single_prediction(tiny_bundle, small_study):
    single = predict(small_study, tiny_bundle, device="cpu")
    with Predictor(tiny_bundle, "cpu") as predictor:
        for _ in range(2):
            again = predictor.predict(small_study)
            assert np.array_equal(single.mask, again.mask)
            assert single.engine == again.engine == predictor.engine
            assert again.reason


def test_after_a_full_gpu_all_further_studies_go_to_the_cpu(tiny_bundle, small_study, monkeypatch):
    full = FullGpu()
    choose, open_engine = module.choose, module.open_engine

    def choose_gpu(bundle, device="auto"):
        if device == "cpu":
            return choose(bundle, "cpu")
        return EngineChoice("torch", "cuda:0", "a GPU")

    def open_gpu(bundle, choice):
        return full if choice.device == "cuda:0" else open_engine(bundle, choice)

    monkeypatch.setattr(module, "choose", choose_gpu)
    monkeypatch.setattr(module, "open_engine", open_gpu)
    with Predictor(tiny_bundle) as predictor:
        first = predictor.predict(small_study)
        second = predictor.predict(small_study)
    assert full.closed
    assert full.asked == 1
    assert any("CPU" in note for note in first.notes)
    assert not second.notes
    assert second.engine.startswith("OpenVINO")
    assert "memory" in second.reason
