"""Which engine, on which device, and why; decided without importing torch."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_brainseg.core.imaging import ModelError

if TYPE_CHECKING:
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.engines.base import Engine

__all__ = ["EngineChoice", "choose", "cuda_device_count", "open_engine"]


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine with its reason.

    Parameters
    ----------
    kind : {'openvino', 'torch'}
        Library that runs the network.
    device : str
        ``cpu``, ``cuda:N`` or ``mps``.
    reason : str
        Why, in a sentence for users.
    """

    kind: Literal["openvino", "torch"]
    device: str
    reason: str


def choose(bundle: Bundle, device: str = "auto") -> EngineChoice:
    """Choose the engine for a bundle.

    Parameters
    ----------
    bundle : Bundle
        The model; OpenVINO needs its intermediate representation.
    device : str
        ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    ModelError
        If the device asked for is not there.
    """
    if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device) is None:
        raise ModelError(
            f"There is no device '{device}'.", "Choose auto, cpu, mps, cuda or cuda:N."
        )
    if device == "mps" or (device == "auto" and _apple_gpu()):
        return EngineChoice("torch", "mps", "an Apple GPU is at hand")
    if device == "cpu":
        return _on_cpu(bundle, "the CPU was asked for")
    count = cuda_device_count()
    if device == "auto":
        if count:
            return EngineChoice("torch", "cuda:0", "a CUDA GPU is at hand")
        return _on_cpu(bundle, "no GPU was found")
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        found = f"{count} CUDA GPUs were found" if count else "no CUDA GPU was found"
        raise ModelError(
            f"The device {device} is not there: {found}.",
            "Check the NVIDIA driver with `brainseg doctor`, or choose the device auto.",
        )
    return EngineChoice("torch", f"cuda:{index}", f"{device} was asked for")


def open_engine(bundle: Bundle, choice: EngineChoice, *, threads: int | None = None) -> Engine:
    """Open the engine chosen; this is where OpenVINO or torch is imported.

    Raises
    ------
    ModelError
        If the bundle's files do not fit.
    """
    if choice.kind == "openvino":
        from napari_brainseg.core.segmentation.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(bundle, threads=threads)
    from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine, load_network

    return TorchEngine(load_network(bundle), choice.device)


def cuda_device_count() -> int:
    """Count NVIDIA GPUs by the driver's own library (CUDA driver API), 0 without one."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        library = ctypes.CDLL(name)
        count = ctypes.c_int(0)
        if library.cuInit(0) != 0 or library.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value


def _on_cpu(bundle: Bundle, why: str) -> EngineChoice:
    if bundle.ir_path is not None:
        return EngineChoice("openvino", "cpu", f"{why}; OpenVINO is the fastest engine for CPUs")
    return EngineChoice("torch", "cpu", f"{why}; the model has no OpenVINO representation")


def _apple_gpu() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"
