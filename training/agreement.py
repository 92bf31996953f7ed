"""Whether a network written in another format says what Torch says."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.segmentation.engines.quiet import quiet_openvino

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

__all__ = [
    "FP16_TOLERANCE",
    "FP32_TOLERANCE",
    "Agreement",
    "compare",
    "noise",
    "onnx_logits",
    "openvino_logits",
    "write_openvino",
]

FP32_TOLERANCE = 1e-4
"""Largest difference of logits, as a share of the largest logit (of 1 where all are smaller), where
only the order of sums differs."""
FP16_TOLERANCE = 1e-2
"""The same where one side's weights have 11 bits, through some forty layers. The fp16 weights of a
bundle, in Torch, move logits as much: 0.4 % on real slices, one voxel in 7000 of a mask."""
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
    inputs: Sequence[NDArray[np.float32]],
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
    inputs : sequence of ndarray
        Batches of images.
    tolerance : float
        As `FP32_TOLERANCE` is meant.
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
    # optional, and without type hints
    onnxruntime: Any = importlib.import_module("onnxruntime")
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    # waiting threads would keep busy the cores that Torch computes on in between
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
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


def write_openvino(
    network: nn.Module, path: Path, in_channels: int, inputs: Sequence[NDArray[np.float32]]
) -> Agreement:
    """Write OpenVINO's representation and compare it; in fp32 where fp16 does not agree.

    Rounding moves logits a little, but where a network hands on places of largest values, as SegNet
    does, it may move a value to the next pixel.

    Parameters
    ----------
    network : Module
        Left on the CPU, in fp32, in evaluation mode.
    path : Path
        Of the ``.xml``.
    in_channels : int
        Channels of the input.
    inputs : sequence of ndarray
        Batches to compare on.
    """
    from napari_brainseg.core.segmentation.engines import ir

    ir.write_ir(network, path, in_channels=in_channels)
    found = compare(network, openvino_logits(path), inputs, tolerance=FP16_TOLERANCE)
    if not found.holds:
        ir.write_ir(network, path, in_channels=in_channels, half=False)
        found = compare(network, openvino_logits(path), inputs, tolerance=FP32_TOLERANCE)
    return found
