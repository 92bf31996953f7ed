"""napari's writers: layers as NIfTI files and masks as DICOM segmentations.

What was painted over a study is written onto the grid of the study's files. A layer that belongs
to no study is written with its spacing alone, and says that its orientation is unknown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.formats.probing import is_nifti_name
from napari_brainseg.core.imaging import DataError, Geometry
from napari_brainseg.viewer.layer_metadata import space_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import SourceGrid, Study

__all__ = ["write_image", "write_labels", "write_segmentation"]

_INTEGERS = (np.uint8, np.int16, np.int32)
_MILLIMETRES = {
    "meter": 1000.0,
    "centimeter": 10.0,
    "millimeter": 1.0,
    "micrometer": 1e-3,
    "nanometer": 1e-6,
}
"""Units of length as napari names them, in millimetres."""


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write an image layer as NIfTI.

    Parameters
    ----------
    path : str
        Ends in ``.nii.gz`` or ``.nii``; without an ending the former is added.
    data : ndarray
        (Z, Y, X), or (Y, X) for a single slice.
    meta : dict
        The layer's attributes.

    Returns
    -------
    list of str
        The file.

    Raises
    ------
    DataError
        If the layer is no volume of real numbers, or the place is not for it.
    """
    if meta.get("rgb"):
        raise _unfit(meta, "holds colours", "Split it into its channels first.")
    return _write_nifti(path, _volume(data, meta), meta)


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer as NIfTI, its labels as they are; see `write_image`."""
    volume = _volume(data, meta)
    least, most = int(volume.min()), int(volume.max())
    for kind in _INTEGERS:
        if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max:
            return _write_nifti(path, volume.astype(kind), meta)
    raise _unfit(meta, f"holds labels up to {most}", "Number them anew.")


def write_segmentation(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer painted over a DICOM study as DICOM segmentation.

    Parameters
    ----------
    path : str
        Ends in ``.dcm``; without an ending that is added.
    data : ndarray, shape (Z, Y, X)
        Every label above 0 is lesion.
    meta : dict
        The layer's attributes.

    Raises
    ------
    DataError
        If the layer belongs to no DICOM study, or the place is not for it.
    """
    from napari_brainseg.core.dataset.masks import write_mask
    from napari_brainseg.core.formats.masks import MaskFormat, MaskMaker

    volume = _volume(data, meta)
    facts = _facts(meta, volume.shape)
    if facts is None or facts.get("path") is None:
        raise _unfit(
            meta,
            "belongs to no study, and a DICOM segmentation refers to the images it was drawn on",
            "Open the DICOM study with BrainSeg and paint over it, or save the layer as .nii.gz.",
        )
    dest = _dest(path, ".dcm")
    mask = (volume > 0).astype(np.uint8)
    maker = MaskMaker("MANUAL")
    write_mask(dest, _study(facts), mask, MaskFormat.DICOM_SEG, maker=maker, overwrite=True)
    return [str(dest)]


def _write_nifti(path: str, volume: NDArray[Any], meta: Mapping[str, Any]) -> list[str]:
    from napari_brainseg.core.formats.nifti.writing import write_nifti

    dest = _dest(path, ".nii.gz")
    if not is_nifti_name(dest.name):
        raise DataError(f"{dest} is no name of a NIfTI file.", "Let it end in .nii.gz or .nii.")
    facts = _facts(meta, volume.shape)
    geometry, grid = Geometry(_spacing(meta)), None
    if facts is not None:
        _refuse_source(dest, facts)
        geometry, grid = _space(facts, volume.shape)
    write_nifti(dest, volume, geometry, grid=grid)
    return [str(dest)]


def _space(facts: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[Geometry, SourceGrid | None]:
    found = space_of(facts, shape)
    return (Geometry(), None) if found is None else found


def _volume(data: Any, meta: Mapping[str, Any]) -> NDArray[Any]:
    """Voxels of a layer with three axes."""
    if meta.get("multiscale"):
        data = data[0]
    volume = np.asarray(data)
    while volume.ndim > 3 and volume.shape[0] == 1:
        volume = volume[0]
    if volume.ndim == 2:
        volume = volume[np.newaxis]
    if volume.ndim != 3 or volume.size == 0:
        raise _unfit(
            meta, f"has the axes {volume.shape}, not slices, rows and columns", "Save a single one."
        )
    return volume


def _facts(meta: Mapping[str, Any], shape: tuple[int, ...]) -> Mapping[str, Any] | None:
    """Metadata of the study that a layer belongs to: its own, else of a layer that it lies on."""
    for facts in (meta.get("metadata") or {}, *_around(meta)):
        if space_of(facts, shape) is not None:
            return facts
    return None


def _around(meta: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Metadata of the layers of the window that lie where the layer lies."""
    from napari import current_viewer

    viewer = current_viewer()
    scale, place = meta.get("scale", ()), meta.get("translate", ())
    for layer in () if viewer is None else viewer.layers:
        if layer.ndim == len(scale) == len(place) and (
            np.allclose(layer.scale, scale) and np.allclose(layer.translate, place)
        ):
            yield layer.metadata


def _study(facts: Mapping[str, Any]) -> Study:
    """Read the study of a layer again, with the series that it was put together from."""
    from napari_brainseg.core.formats import discover, load_study
    from napari_brainseg.core.imaging import Modality

    folder = discover(facts["path"]).find(facts["patient"])
    if facts["roles"]:
        folder = folder.with_roles({Modality(role): key for role, key in facts["roles"].items()})
    return load_study(folder)


def _spacing(meta: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Distances in mm by scale and units; ``None`` where the units are no lengths."""
    scale, units = list(meta.get("scale", ())), [str(unit) for unit in meta.get("units") or ()]
    if not 2 <= len(scale) == len(units) or not all(unit in _MILLIMETRES for unit in units):
        return None
    steps = [abs(float(s)) * _MILLIMETRES[unit] for s, unit in zip(scale, units, strict=True)]
    z, y, x = [steps[0], *steps][-3:]
    return (z, y, x) if min(z, y, x) > 0 else None


def _dest(path: str, ending: str) -> Path:
    dest = Path(path).absolute()
    return dest if dest.suffix else dest.with_name(dest.name + ending)


def _refuse_source(dest: Path, facts: Mapping[str, Any]) -> None:
    if facts.get("path") is None:
        return
    source = Path(facts["path"])
    folder = source if source.is_dir() else source.parent
    if dest.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{dest} lies in {folder}, the folder of the images.",
            "Choose another folder: original data is never written to.",
        )


def _unfit(meta: Mapping[str, Any], why: str, hint: str) -> DataError:
    return DataError(f"The layer {meta.get('name', '')!r} {why}.", hint)
