"""napari's reader for patient folders.

With a window it hands the folder to the workbench, which loads it in a worker and shows it with
its masks, its saved correction and the dock. Without one it gives plain layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats import is_study_path
from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.imaging import Study

__all__ = ["get_reader", "study_layers"]

LayerTuple = tuple[Any, dict[str, Any], str]
_NO_LAYERS: list[Any] = [(None,)]  # napari's sign for "read, but nothing to add"


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[Any]] | None:
    """Return the reader if the path is a patient's folder, or a folder of patients."""
    if isinstance(path, str) and is_study_path(path):
        return _read
    return None


def _read(path: str) -> list[Any]:
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None:
        from napari_brainseg.core.formats import discover, load_study

        return list(study_layers(load_study(discover(path).folders[0])))
    from napari_brainseg.viewer.launch import show_dock
    from napari_brainseg.viewer.workbench import workbench_of

    show_dock(viewer)
    workbench_of(viewer).open(path)
    return _NO_LAYERS


def study_layers(study: Study) -> list[LayerTuple]:
    """Layers of a study as napari's layer tuples: modalities, then ground truth."""
    from napari_brainseg.viewer.contrast import contrast_limits
    from napari_brainseg.viewer.layers import TRUTH_NAME

    scale = study.image.geometry.spacing_mm or (1.0, 1.0, 1.0)
    metadata = {"patient": study.patient, "slice_numbers": study.slice_numbers}
    layers: list[LayerTuple] = []
    for modality in study.image.modalities:
        volume = study.image.channel(modality)
        options = {
            "name": str(modality),
            "colormap": "gray",
            "contrast_limits": contrast_limits(volume),
            "visible": modality is Modality.FLAIR,
            "scale": scale,
            "metadata": metadata,
        }
        layers.append((volume, options, "image"))
    if study.truth is not None:
        options = {"name": TRUTH_NAME, "scale": scale, "metadata": metadata}
        layers.append((study.truth.data, options, "labels"))
    return layers
