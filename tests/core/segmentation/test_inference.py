from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    CancelledError,
    DataError,
    Modality,
    ModelError,
    ScalarVolume,
    Study,
)
from napari_brainseg.core.segmentation.bundle import Bundle
from napari_brainseg.core.segmentation.engines import OutOfMemoryError, choose, open_engine
from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine, load_network
from napari_brainseg.core.segmentation.inference import Progress, predict, predict_with


class Scripted:
    """An engine that answers the FLAIR channel as logits and fits `room` slices."""

    def __init__(self, device: str = "cuda:0", room: int = 100) -> None:
        self.device, self.room = device, room
        self.description = f"scripted on {device}"
        self.batches: list[int] = []
        self.closed = False

    def logits(self, slices: np.ndarray) -> np.ndarray:
        if len(slices) > self.room:
            raise OutOfMemoryError
        self.batches.append(len(slices))
        return slices[:, 1].copy()

    def preferred_batch(self, slice_shape: tuple[int, int, int]) -> int:
        return 4

    def close(self) -> None:
        self.closed = True


def test_every_map_lies_on_the_input_grid(small_study: Study, tiny_bundle: Bundle) -> None:
    p = predict(small_study, tiny_bundle)
    assert p.probability.shape == p.mask.shape == p.uncertainty.shape == (7, 72, 60)
    assert p.probability.dtype == p.uncertainty.dtype == np.float32
    assert 0 <= p.probability.min() <= p.probability.max() <= 1
    assert 0 <= p.uncertainty.min() <= p.uncertainty.max() <= 1
    np.testing.assert_array_equal(p.mask, p.probability >= 0.5)
    assert p.model_version == tiny_bundle.version
    assert p.engine == "OpenVINO on CPU"
    assert "OpenVINO" in p.reason
    assert p.timings["total"] >= p.timings["infer"] > 0


def test_engines_agree(small_study: Study, tiny_bundle: Bundle) -> None:
    ours = predict(small_study, tiny_bundle, device="cpu")
    torch_engine = TorchEngine(load_network(tiny_bundle), "cpu", half=False)
    other = predict_with(torch_engine, small_study, tiny_bundle)
    # OpenVINO may compute in bf16: 8 bits of mantissa
    assert abs(ours.probability - other.probability).max() < 0.02
    assert abs(ours.probability - other.probability).mean() < 0.002


def test_uncertainty_is_one_bit_at_even_odds_and_none_when_sure(
    small_study: Study, tiny_bundle: Bundle
) -> None:
    p = predict_with(Scripted("cpu"), small_study, tiny_bundle)
    at = np.unravel_index(np.argmin(abs(p.probability - 0.5)), p.probability.shape)
    assert p.uncertainty[at] == pytest.approx(1, abs=0.01)
    assert p.uncertainty[0, 0, 0] == 0  # outside the head


def test_flip_averaging_makes_the_answer_symmetric(small_study: Study, tiny_bundle: Bundle) -> None:
    class Lopsided(Scripted):
        def logits(self, slices: np.ndarray) -> np.ndarray:
            ramp = np.linspace(-1, 1, slices.shape[-1], dtype=np.float32)
            return np.broadcast_to(ramp, slices[:, 0].shape).copy()

    p = predict_with(Lopsided("cpu"), small_study, tiny_bundle, tta=True)
    inside = p.probability[p.probability > 0]
    np.testing.assert_allclose(inside, 0.5, atol=1e-6)


@pytest.mark.parametrize("room", [100, 2])
def test_the_mask_without_the_mirrored_view_comes_along(
    room: int, small_study: Study, tiny_bundle: Bundle
) -> None:
    class Lopsided(Scripted):
        def logits(self, slices: np.ndarray) -> np.ndarray:
            ramp = np.linspace(-1, 2, slices.shape[-1], dtype=np.float32)
            return super().logits(slices) + ramp

    plain = predict_with(Lopsided(room=room), small_study, tiny_bundle)
    both = predict_with(Lopsided(room=room), small_study, tiny_bundle, tta=True)
    assert plain.plain_mask is None
    assert both.plain_mask is not None
    np.testing.assert_array_equal(both.plain_mask, plain.mask)
    assert (both.mask != both.plain_mask).any()


def test_out_of_memory_halves_the_batch_and_says_so(
    small_study: Study, tiny_bundle: Bundle
) -> None:
    engine = Scripted(room=1)
    p = predict_with(engine, small_study, tiny_bundle)
    assert engine.batches == [1] * 7
    assert p.notes == (
        "Not enough memory on cuda:0: 2 slices at a time.",
        "Not enough memory on cuda:0: 1 slices at a time.",
    )


def test_out_of_memory_at_one_slice_goes_on_with_the_cpu(
    small_study: Study, tiny_bundle: Bundle
) -> None:
    gpu, cpu = Scripted(room=0), Scripted("cpu")
    p = predict_with(gpu, small_study, tiny_bundle, fallback=lambda: cpu)
    assert gpu.closed
    assert p.engine == "scripted on cpu"
    assert p.notes[-1] == "Not enough memory on cuda:0. Went on with the CPU."
    assert sum(cpu.batches) == 7


def test_no_memory_anywhere_is_an_error_with_its_mend(
    small_study: Study, tiny_bundle: Bundle
) -> None:
    with pytest.raises(ModelError, match="single slice"):
        predict_with(Scripted("cpu", room=0), small_study, tiny_bundle)


def test_progress_counts_slices_and_cancel_works_between_batches(
    small_study: Study, tiny_bundle: Bundle
) -> None:
    seen: list[Progress] = []
    predict_with(Scripted("cpu"), small_study, tiny_bundle, progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(4, 7), (7, 7)]

    engine = Scripted("cpu")
    with pytest.raises(CancelledError):
        predict_with(engine, small_study, tiny_bundle, cancelled=lambda: bool(engine.batches))
    assert engine.batches == [4]


def test_a_study_without_flair_is_refused(small_study: Study, tiny_bundle: Bundle) -> None:
    blank = Study("NO_FLAIR", small_study.image, missing_modalities=(Modality.FLAIR,))
    with pytest.raises(DataError, match="NO_FLAIR has no FLAIR"):
        predict(blank, tiny_bundle)


def test_other_channel_counts_are_refused(small_study: Study, tiny_bundle: Bundle) -> None:
    two = Study("TWO", ScalarVolume(small_study.image.data[:2], KAGGLE_ORDER[:2]))
    with pytest.raises(DataError, match="2 channels"):
        predict(two, tiny_bundle)


def test_a_device_that_is_not_there_is_named(tiny_bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="cuda:7"):
        choose(tiny_bundle, "cuda:7")
    with pytest.raises(ModelError, match="no device 'gpu'"):
        choose(tiny_bundle, "gpu")


def test_without_openvino_files_torch_is_chosen(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bundle, "ir_path", None)
    choice = choose(tiny_bundle, "cpu")
    assert choice.kind == "torch"
    assert open_engine(tiny_bundle, choice).description == "Torch on CPU"
