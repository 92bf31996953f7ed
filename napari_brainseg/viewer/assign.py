"""Other data for a layer that stays, with the room it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["assign"]


def assign(layer: Layer, data: Any) -> None:
    """Give a layer other data; a hidden one must not keep the room of the case before.

    napari works out anew where a layer lies only if it is visible, so that the slider went on to
    slices of the patient before.
    """
    moved = layer.data.shape != data.shape
    layer.data = data
    if moved and not layer.visible:
        # Setting it, even to what it is, makes napari work out all extents again.
        layer.scale = layer.scale
