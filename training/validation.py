"""A network on the validation patients while it is being trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine
from napari_brainseg.core.segmentation.inference import infer_logits, sigmoid
from napari_brainseg.core.segmentation.metrics import dsc, largest_component
from napari_brainseg.core.segmentation.postprocessing import postprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_brainseg.core.segmentation.bundle import BundleManifest
    from training.data import ValidationCase

__all__ = ["Validated", "validate"]


class Validated(NamedTuple):
    """What a validation found."""

    loss: float
    """Mean over patients."""
    dsc: float
    """Mean over patients."""
    scores: tuple[float, ...]
    """DSC of each patient."""
    masks: tuple[NDArray[np.uint8], ...]
    """(Z, Y, X), native grid, of each."""


@torch.inference_mode()
def validate(
    network: nn.Module,
    device: torch.device,
    cases: Sequence[ValidationCase],
    loss_of: Callable[[Tensor, Tensor], Tensor],
    settings: BundleManifest,
    *,
    half: bool = False,
    reference: bool = False,
) -> Validated:
    """Predict whole patients and compare.

    Parameters
    ----------
    network : Module
        Left in evaluation mode.
    device : torch.device
        Where it runs.
    cases : sequence of ValidationCase
        At least one.
    loss_of : callable
        Loss of logits (B, 1, H, W) and targets of that shape, on the network's grid.
    settings : BundleManifest
        Threshold, temperature, postprocessing and context.
    half : bool
        16-bit arithmetic where the hardware is fast at it.
    reference : bool
        DSC by the published definition (network's grid, rounded, largest component) in place of
        the mask as delivered on the native grid.
    """
    engine = TorchEngine(network, str(device), half=None if half else False)
    losses, scores, masks = [], [], []
    context = settings.preprocessing.context
    for case in cases:
        slices = case.prepared.data
        channels = slices.shape[1] * context
        batch = engine.preferred_batch((channels, slices.shape[2], slices.shape[3]))
        logits = infer_logits(engine, slices, batch=batch, context=context)
        target = torch.from_numpy(case.truth_on_network_grid)[:, None].float()
        losses.append(float(loss_of(torch.from_numpy(logits)[:, None], target)))
        probability = sigmoid(logits, settings.temperature)
        restored = case.prepared.restore(probability)
        mask = postprocess(restored, threshold=settings.threshold, steps=settings.postprocessing)
        if reference:
            rounded = largest_component(probability >= settings.threshold)
            scores.append(dsc(rounded, case.truth_on_network_grid))
        else:
            scores.append(dsc(mask, case.truth))
        masks.append(mask)
    return Validated(float(np.mean(losses)), float(np.mean(scores)), tuple(scores), tuple(masks))
