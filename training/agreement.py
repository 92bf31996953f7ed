"""Whether a network written in another format says what Torch says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.segmentation.engines.quiet import quiet_openvino

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

__all__ = ["TOLERANCES", "Agreement", "compare", "noise", "onnx_logits", "openvino_logits"]

TOLERANCES = {
    "state-dict": 0.0,
    # fp32 on both sides: only the order of sums differs
    "onnx": 1e-4,
    # weights in fp16, which have 11 bits, through some twenty layers
    "openvino": 1e-2,
}
"""Largest difference of logits, as a share of the largest logit (of 1 where all are smaller)."""
NOISE_SHAPES = ((1, 64, 64), (2, 96, 48), (1, 50, 67))
"""Batch, height and width; the last fits no network without padding."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two runs of a network are apart.

    Parameters
    ----------
    difference : float
        Largest absolute difference of logits.
    largest_logit : float
        Largest absolute logit of Torch.
    inputs : int
        Batches compared.
    tolerance : float
        Largest difference allowed, in logits.
    """

    difference: float
    largest_logit: float
    inputs: int
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance; not so where one is NaN."""
        return self.difference <= self.tolerance

    def __str__(self) -> str:
        return (
            f"largest difference {self.difference:.2g} of logits up to {self.largest_logit:.3g} "
            f"({self.inputs} inputs, tolerance {self.tolerance:.2g})"
        )


def noise(channels: int) -> tuple[NDArray[np.float32], ...]:
    """Batches (B, channels, H, W) of normal noise, several sizes, always the same."""
    rng = np.random.default_rng(0)
    return tuple(
        rng.standard_normal((batch, channels, height, width), dtype=np.float32)
        for batch, height, width in NOISE_SHAPES
    )


def compare(
    network: nn.Module,
    logits_of: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    inputs: Iterable[NDArray[np.float32]],
    *,
    tolerance: float,
) -> Agreement:
    """Run both on the same inputs.

    Parameters
    ----------
    network : Module
        On the CPU, fp32, in evaluation mode.
    logits_of : callable
        Logits (B, 1, H, W) of images (B, C, H, W) by the other format.
    inputs : iterable of ndarray
        Batches of images.
    tolerance : float
        As in `TOLERANCES`.
    """
    import torch

    differences, magnitudes = [], []
    for images in inputs:
        with torch.inference_mode():
            expected = network(torch.from_numpy(images)).numpy()
        magnitudes.append(float(np.abs(expected).max()))
        got = logits_of(images)
        if got.shape != expected.shape:
            differences.append(float("inf"))
        else:
            differences.append(float(np.abs(got - expected).max()))
    # np.max, not max: NaN must come through
    largest = float(np.max(magnitudes))
    return Agreement(
        float(np.max(differences)), largest, len(differences), tolerance * max(1.0, largest)
    )


def onnx_logits(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Open an ONNX file in ONNX Runtime, on the CPU."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def logits_of(images: NDArray[np.float32]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = session.run(None, {name: images})[0]
        return out

    return logits_of


def openvino_logits(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Open an intermediate representation in OpenVINO, on the CPU, in fp32 arithmetic."""
    core: Any = quiet_openvino().Core()
    # the CPU's own choice may be bf16, which would hide what the file is worth
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def logits_of(images: NDArray[np.float32]) -> NDArray[np.float32]:
        out: NDArray[np.float32] = compiled(images)[0]
        return out

    return logits_of
