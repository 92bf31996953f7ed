from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.bundle import (
    Bundle,
    NetworkSpec,
    PreprocessingSpec,
    load_bundle,
    save_bundle,
)
from napari_brainseg.core.segmentation.engines.child import TorchChild
from napari_brainseg.core.segmentation.engines.ir import write_ir
from napari_brainseg.core.segmentation.inference import infer_logits, predict, sigmoid
from napari_brainseg.core.segmentation.networks import build_network
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from napari_brainseg.core.segmentation.preprocessing.context import with_context

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study


def numbered(depth: int) -> NDArray[np.float32]:
    """Slices whose value says slice and channel: 10 z + c."""
    z, c = np.mgrid[:depth, :3]
    return np.broadcast_to((10 * z + c)[..., None, None], (depth, 3, 2, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("context", "at", "expected"),
    [
        (1, 2, [20, 21, 22]),
        (3, 2, [10, 11, 12, 20, 21, 22, 30, 31, 32]),
        (3, 0, [0, 1, 2, 0, 1, 2, 10, 11, 12]),
        (3, 4, [30, 31, 32, 40, 41, 42, 40, 41, 42]),
        (5, 1, [0, 1, 2, 0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]),
        (5, 4, [20, 21, 22, 30, 31, 32, 40, 41, 42, 40, 41, 42, 40, 41, 42]),
    ],
)
def test_neighbours_become_channels_and_end_slices_repeat(
    context: int, at: int, expected: list[int]
) -> None:
    stacked = with_context(numbered(5), at, at + 1, context)
    assert stacked.shape == (1, 3 * context, 2, 2)
    assert stacked[0, :, 0, 0].tolist() == expected
    whole = with_context(numbered(5), 0, 5, context)
    np.testing.assert_array_equal(whole[at], stacked[0])


def test_a_single_slice_is_its_own_neighbour() -> None:
    assert with_context(numbered(1), 0, 1, 3)[0, :, 0, 0].tolist() == [0, 1, 2] * 3


class Recording:
    """An engine that keeps what it is given and answers with the middle FLAIR."""

    description, device = "test", "cpu"

    def __init__(self) -> None:
        self.seen: list[NDArray[np.float32]] = []

    def logits(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen.append(slices.copy())
        return slices[:, slices.shape[1] // 2].copy()

    def preferred_batch(self, slice_shape: tuple[int, int, int]) -> int:
        return 2

    def close(self) -> None:
        pass


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_batches_do_not_cut_a_slice_off_its_neighbours(batch: int) -> None:
    slices = np.random.default_rng(0).random((7, 3, 4, 6), dtype=np.float32)
    engine = Recording()
    logits = infer_logits(engine, slices, batch=batch, context=5)
    np.testing.assert_array_equal(np.concatenate(engine.seen), with_context(slices, 0, 7, 5))
    np.testing.assert_array_equal(logits, slices[:, 1])
    mirrored = infer_logits(engine, slices, batch=batch, context=5, tta=True)
    np.testing.assert_allclose(mirrored, slices[:, 1], rtol=1e-6)


@pytest.fixture(scope="module")
def context_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.manual_seed(0)
    network = build_network("unet", in_channels=9, features=2).eval()
    return save_bundle(
        tmp_path_factory.mktemp("context") / "three",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="three",
        write_ir=lambda path: write_ir(network, path, in_channels=9),
        network=NetworkSpec(features=2, in_channels=9),
        preprocessing=PreprocessingSpec(context=3),
    )


def test_every_engine_gets_the_neighbours(context_bundle: Bundle, small_study: Study) -> None:
    from napari_brainseg.core.segmentation.engines.torch_engine import load_network

    prepared = get_recipe("native").prepare(small_study.image.data)
    stacked = torch.from_numpy(with_context(prepared.data, 0, len(prepared.data), 3))
    with torch.no_grad():
        logits = load_network(context_bundle)(stacked)[:, 0].numpy()
    expected = prepared.restore(sigmoid(logits, 1.0))
    openvino = predict(small_study, context_bundle, device="cpu")
    assert "OpenVINO" in openvino.engine
    child = TorchChild()
    try:
        torch_child = child.predict(small_study, context_bundle, device="cpu")
    finally:
        child.close()
    for prediction in (openvino, torch_child):
        np.testing.assert_allclose(prediction.probability, expected, atol=0.02)


def test_a_bundle_without_context_reads_as_before(tiny_bundle: Bundle, tmp_path: Path) -> None:
    text = (tiny_bundle.path / "model.json").read_text()
    raw: dict[str, Any] = json.loads(text)
    del raw["preprocessing"]["context"]
    for path in tiny_bundle.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.json").write_text(json.dumps(raw))
    assert load_bundle(tmp_path).manifest.preprocessing.context == 1


def test_an_even_number_of_slices_is_refused() -> None:
    with pytest.raises(ValidationError):
        PreprocessingSpec(context=2)  # type: ignore[arg-type]


def test_channels_that_do_not_fit_are_refused(
    tiny_bundle: Bundle, small_study: Study, tmp_path: Path
) -> None:
    raw = json.loads((tiny_bundle.path / "model.json").read_text())
    raw["preprocessing"]["context"] = 3
    (tmp_path / "model.json").write_text(json.dumps(raw))
    bundle = load_bundle(tmp_path, verify=False)
    with pytest.raises(DataError, match="has 3 channels"):
        predict(small_study, Bundle(tiny_bundle.path, bundle.manifest), device="cpu")
