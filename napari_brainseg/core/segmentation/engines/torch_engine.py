"""Torch on CUDA, MPS or the CPU. Importing this module imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_brainseg.core.imaging import ConfigError, ModelError
from napari_brainseg.core.segmentation.engines.base import OutOfMemoryError
from napari_brainseg.core.segmentation.networks.ensemble import network_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.networks import SegmentationNetwork

__all__ = ["TorchEngine", "load_network"]

CPU_BATCH = 8
MEMORY_SHARE = 0.5
"""Share of the free GPU memory that a batch may take."""


def load_network(bundle: Bundle) -> SegmentationNetwork:
    """Build a bundle's network, or ensemble, with its weights, fp32, in evaluation mode.

    Raises
    ------
    ModelError
        If the weights do not fit the network, or this version knows no such network or option.
    """
    from safetensors.torch import load_file

    spec = bundle.manifest.network
    try:
        network = network_of(spec)
    except ConfigError as error:
        raise ModelError(
            f"The model {bundle.path} names a network that cannot be built: {error.message}",
            error.hint,
        ) from error
    state = {
        key: value.float() if value.is_floating_point() else value
        for key, value in load_file(bundle.weights_path).items()
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"The weights of {bundle.path} do not fit the network '{spec.name}' with "
            f"{spec.features} features: {error}.",
            "Install or copy the bundle again.",
        ) from error
    network.eval()
    return network


class TorchEngine:
    """Eager Torch with mixed precision and channels-last memory.

    Parameters
    ----------
    network : Module
        A `SegmentationNetwork`, which may be compiled; moved to `device`.
    device : str
        ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
    half : bool or None
        16-bit arithmetic; ``None`` asks the hardware (bf16 on CUDA from Ampere on, fp16 on older
        CUDA). On a CPU always fp32, so that masks do not depend on which CPU it is.
    """

    def __init__(self, network: nn.Module, device: str, *, half: bool | None = None) -> None:
        self._device = torch.device(device)
        self._bytes_a_pixel = int(network.features) * int(network.bytes_a_feature)  # type: ignore[arg-type]
        self._network: nn.Module = network.eval().to(  # type: ignore[call-overload]
            self._device, memory_format=torch.channels_last
        )
        self._dtype = _half_dtype(self._device) if half is not False else None
        self.device = device
        self.description = f"Torch on {device_name(self._device)}"

    def logits(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (B, Y', X') of slices (B, C, Y', X')."""
        try:
            with torch.inference_mode(), self._autocast():
                batch = torch.from_numpy(slices).to(
                    self._device, memory_format=torch.channels_last, non_blocking=True
                )
                out: NDArray[np.float32] = self._network(batch)[:, 0].float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise OutOfMemoryError(str(error)) from error
        return out

    def preferred_batch(self, slice_shape: tuple[int, int, int]) -> int:
        """Slices that fit half of the free memory; 8 on the CPU."""
        if self._device.type != "cuda":
            return CPU_BATCH
        free, _ = torch.cuda.mem_get_info(self._device)
        a_slice = slice_shape[1] * slice_shape[2] * self._bytes_a_pixel
        return int(max(1, min(64, MEMORY_SHARE * free // a_slice)))

    def close(self) -> None:
        """Give back the device's memory."""
        self._network.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _autocast(self) -> torch.autocast:
        enabled = self._dtype is not None
        return torch.autocast(self._device.type, dtype=self._dtype, enabled=enabled)


def device_name(device: torch.device) -> str:
    """Name for users: the card's, or CPU."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return device.type.upper()


def _half_dtype(device: torch.device) -> torch.dtype | None:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return None
