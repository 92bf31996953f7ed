"""Writes OpenVINO's intermediate representation of a Torch network; done once, at publishing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

from napari_brainseg.core.segmentation.engines.quiet import quiet_openvino

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

__all__ = ["write_ir"]


def write_ir(
    network: nn.Module,
    path: Path,
    *,
    in_channels: int | None = None,
    side: int = 64,
    half: bool = True,
) -> None:
    """Save `network` as ``model.xml`` and ``model.bin``.

    Parameters
    ----------
    network : Module
        Gives logits (B, 1, H, W); left in evaluation mode on the CPU, in fp32.
    path : Path
        Of the ``.xml``.
    in_channels, side : int
        Shape of the example that is traced; batch, height and width stay free. Channels are those
        that the network names if left out.
    half : bool
        Weights in fp16; else in fp32.
    """
    ov = quiet_openvino()
    network = network.eval().float().cpu()
    network = network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    in_channels = int(network.in_channels) if in_channels is None else in_channels  # type: ignore[arg-type]
    example = torch.zeros(1, in_channels, side, side)
    with torch.no_grad(), warnings.catch_warnings():
        # OpenVINO traces with torch.jit inside; its torch.export path fixes height and width
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        model = ov.convert_model(network, example_input=example, input=[-1, in_channels, -1, -1])
    ov.save_model(model, path, compress_to_fp16=half)
