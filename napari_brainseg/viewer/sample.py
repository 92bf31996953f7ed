"""napari's sample data: phantom studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["phantom_studies"]

PLACEHOLDER = "Making phantom studies…"


def phantom_studies() -> list[Any]:
    """Open phantom studies in the window; without one, give the layers of a phantom."""
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        from napari_brainseg.core.dataset.phantom import phantom_study
        from napari_brainseg.viewer.reader import study_layers

        return list(study_layers(phantom_study(0)))
    from napari_brainseg.viewer.launch import show_dock
    from napari_brainseg.viewer.workbench import warm_up, workbench_of

    show_dock(viewer)
    workbench = workbench_of(viewer)

    def clear(_result: object = None) -> None:
        workbench.desk.opened.disconnect(clear)
        workbench.loading_failed.disconnect(clear)
        _remove(viewer)

    workbench.desk.opened.connect(clear, thread="main")
    workbench.loading_failed.connect(clear)
    # The loader warms napari up in its thread, and the placeholder does so in this one: napari's
    # table of units does not bear both at once.
    warm_up()
    workbench.open_phantoms()
    # napari refuses a sample without layers; this one says what is going on, and then goes.
    return [(np.zeros((1, 1, 1), np.uint8), {"name": PLACEHOLDER, "visible": False}, "image")]


def _remove(viewer: Viewer) -> None:
    for layer in [layer for layer in viewer.layers if layer.name.startswith(PLACEHOLDER)]:
        viewer.layers.remove(layer)
