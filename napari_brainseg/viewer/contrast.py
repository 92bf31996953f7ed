"""The windows of the canvas: the same arithmetic as of the pictures that are handed on."""

from __future__ import annotations

from napari_brainseg.core.imaging.window import PRESETS, Tissue, contrast_limits, tissue_of

__all__ = ["PRESETS", "Tissue", "contrast_limits", "tissue_of"]
