"""napari's reader for patients: folders, NIfTI and DICOM files, zip archives.

With a window it hands the path to the workbench, which loads it in a worker and shows it with
its masks, its saved correction and the dock. Without one it gives plain layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats import is_study_path
from napari_brainseg.core.imaging import DataError, Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.imaging import Study

__all__ = ["OWN_PATTERNS", "get_reader", "prefer_own_reader", "study_layers"]

LayerTuple = tuple[Any, dict[str, Any], str]
_NO_LAYERS: list[Any] = [(None,)]  # napari's sign for "read, but nothing to add"

OWN_PATTERNS = ("*.nii", "*.nii.gz", "*.dcm")
"""Files that napari's own reader claims too; napari asks which reader to use until told."""
_PLUGIN = "napari-brainseg"


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[Any]] | None:
    """Return the reader if the path is a patient, or a folder of patients.

    Parameters
    ----------
    path : str or sequence of str
        Several files are one patient's, as the modalities of a NIfTI patient are.
    """
    place = _one_place(path)
    return _read if place is not None and is_study_path(place) else None


def prefer_own_reader() -> None:
    """Keep napari from asking which reader shall open a NIfTI or DICOM file.

    Sets what ticking "Remember this choice" in that question sets; whatever the user chose before
    stays. To be seen and changed in Preferences > Plugins.
    """
    from napari.settings import get_settings

    plugins = get_settings().plugins
    chosen = plugins.extension2reader
    # napari remembers a choice made for .nii.gz as one for all of .gz.
    decided = {*chosen, *(("*.nii.gz",) if "*.gz" in chosen else ())}
    missing = {pattern: _PLUGIN for pattern in OWN_PATTERNS if pattern not in decided}
    if missing:
        plugins.extension2reader = {**chosen, **missing}


def _one_place(path: str | Sequence[str]) -> Path | None:
    """Path that stands for all that is opened at once."""
    if isinstance(path, str):
        return Path(path)
    paths = [Path(part) for part in path]
    together = len({part.parent for part in paths}) == 1 and all(part.is_file() for part in paths)
    return paths[0] if paths and (len(paths) == 1 or together) else None


def _read(path: str | Sequence[str]) -> list[Any]:
    from napari import current_viewer

    place = _one_place(path)
    if place is None:
        raise DataError(f"{path} is not one patient.", "Open one patient at a time.")
    viewer = current_viewer()
    if viewer is None:
        return _plain_layers(place)
    from napari_brainseg.viewer.launch import show_dock
    from napari_brainseg.viewer.workbench import workbench_of

    show_dock(viewer)
    workbench_of(viewer).open(place)
    return _NO_LAYERS


def _plain_layers(place: Path) -> list[Any]:
    """Layers of the first patient of a path."""
    from napari_brainseg.core.formats import discover, load_study

    found = discover(place)
    if not found.folders:
        raise DataError(
            f"{place} holds no patient that can be read.",
            found.faults[0].error.message if found.faults else "Choose another folder.",
        )
    return list(study_layers(load_study(found.folders[0])))


def study_layers(study: Study) -> list[LayerTuple]:
    """Layers of a study as napari's layer tuples: modalities that are there, then ground truth.

    Parameters
    ----------
    study : Study
        Shown with the intensities of its files.

    Returns
    -------
    list of tuple
        (data, keywords, type), one modality visible.
    """
    from napari_brainseg.viewer.contrast import contrast_limits
    from napari_brainseg.viewer.layer_metadata import layer_metadata, layer_space
    from napari_brainseg.viewer.overlay_layers import TRUTH_NAME

    there = [m for m in study.image.modalities if m not in study.missing_modalities]
    there = there or list(study.image.modalities)
    first = Modality.FLAIR if Modality.FLAIR in there else there[0]
    space = layer_space(study)
    layers: list[LayerTuple] = []
    for modality in there:
        volume = study.shown(modality)
        options = {
            "name": str(modality),
            "colormap": "gray",
            "contrast_limits": contrast_limits(volume),
            "visible": modality is first,
            "metadata": layer_metadata(study, modality),
            **space,
        }
        layers.append((volume, options, "image"))
    if study.truth is not None:
        options = {"name": TRUTH_NAME, "metadata": layer_metadata(study), **space}
        layers.append((study.truth.data, options, "labels"))
    return layers
