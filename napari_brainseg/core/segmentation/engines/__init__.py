"""Engines: OpenVINO for CPUs, Torch for GPUs. Choosing imports neither."""

from napari_brainseg.core.segmentation.engines.base import Engine, OutOfMemoryError
from napari_brainseg.core.segmentation.engines.choice import EngineChoice, choose, open_engine

__all__ = ["Engine", "EngineChoice", "OutOfMemoryError", "choose", "open_engine"]
