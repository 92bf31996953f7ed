"""Series of one patient, each on its own grid, as one study on the grid of FLAIR."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_brainseg.core.formats.grids import coverage, resample, same_grid
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    DataError,
    Geometry,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
    eight_bit,
)
from napari_brainseg.core.imaging.orientation import spacing_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_brainseg.core.formats.kaggle3m import StudyFolder
    from napari_brainseg.core.imaging import Affine, SourceGrid

__all__ = ["Loaded", "assemble"]

_COVERED = 0.9
"""A series that reaches less of the reference grid than this is worth a warning."""
_SEEN = 0.01
"""One that reaches less than this shows nothing of it."""
_COARSER = 2.0
"""Spacings that differ by more than this factor are worth a warning."""
_SLAB = 8
_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """One series as its files hold it, turned upright.

    Parameters
    ----------
    data : ndarray, shape (Z, Y, X)
        Intensities (rescaled, nothing clipped) or labels, any real dtype, upright.
    affine_lps : Affine or None
        From upright index (z, y, x, 1) to LPS in millimetres; ``None`` where unknown.
    grid : SourceGrid
        How the files store it.
    frame_of_reference : str
        Series with the same value share their coordinates; empty where unknown.
    warnings : tuple of str
        What a reader should know.
    spacing_mm : tuple of float or None
        (z, y, x), where it is known although `affine_lps` is not.
    """

    data: NDArray[Any]
    affine_lps: Affine | None
    grid: SourceGrid
    frame_of_reference: str = ""
    warnings: tuple[str, ...] = ()
    spacing_mm: tuple[float, float, float] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        z, y, x = self.data.shape
        return z, y, x


def assemble(
    folder: StudyFolder,
    loaded: Mapping[Modality, Loaded],
    *,
    truth: Loaded | None = None,
    attributes: Mapping[str, str] | None = None,
    identity: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
) -> Study:
    """Bring the series of a patient onto the grid of FLAIR.

    Parameters
    ----------
    folder : StudyFolder
        Whose they are.
    loaded : mapping of Modality to Loaded
        What was read. Without FLAIR the first of `KAGGLE_ORDER` that is there gives the grid and
        stands in for it. Series on the same grid are taken as they are, not copied.
    truth : Loaded, optional
        Labels; every value over 0 is lesion.
    attributes, identity : mapping of str to str, optional
        As in `Study`.
    warnings : sequence of str
        Further ones.

    Returns
    -------
    Study
        Eight-bit image in `KAGGLE_ORDER`, ``native`` intensities read-only.

    Raises
    ------
    DataError
        If there is no series, one is no volume of real numbers, or series without geometry
        differ in shape.
    """
    said = [*folder.warnings, *warnings]
    present = [modality for modality in KAGGLE_ORDER if modality in loaded]
    if not present:
        raise DataError(
            f"{folder.patient} in {folder.path} has no series that was recognised.",
            "Choose which series is FLAIR, and which are before and after contrast.",
        )
    first = Modality.FLAIR if Modality.FLAIR in loaded else present[0]
    onto = _Onto(folder, first, loaded[first])
    native: dict[Modality, NDArray[Any]] = {}
    for modality in sorted(present, key=lambda m: m is not first):
        series = loaded[modality]
        said.extend(f"{modality}: {text}" for text in series.warnings)
        volume = onto.bring(series, modality, order=1, said=said)
        if volume is None:
            continue
        if modality is not first and volume.min() == volume.max():
            said.append(f"{modality} shows the same value everywhere and is left out.")
            continue
        volume.flags.writeable = False
        native[modality] = volume
    missing = tuple(modality for modality in KAGGLE_ORDER if modality not in native)
    image = np.empty((len(KAGGLE_ORDER), *onto.reference.shape), np.uint8)
    stand_in = image[KAGGLE_ORDER.index(first)]
    for modality, volume in native.items():
        _encode(volume, image[KAGGLE_ORDER.index(modality)])
    for modality in missing:
        image[KAGGLE_ORDER.index(modality)] = stand_in
    geometry = onto.geometry
    labels = None
    if truth is not None:
        said.extend(f"Ground truth: {text}" for text in truth.warnings)
        marked = onto.bring(replace(truth, data=truth.data > 0), "Ground truth", order=0, said=said)
        if marked is not None:
            labels = LabelVolume(np.ascontiguousarray(marked).view(np.uint8), geometry)
    return Study(
        patient=folder.patient,
        image=ScalarVolume(image, KAGGLE_ORDER, geometry),
        truth=labels,
        path=folder.path,
        missing_modalities=missing,
        attributes=dict(attributes or {}),
        warnings=tuple(dict.fromkeys(said)),
        format=folder.format,
        native=native,
        grid=onto.reference.grid,
        series=folder.series,
        roles={modality: key for modality, key in folder.roles if modality in native},
        identity=dict(identity or {}),
    )


class _Onto:
    """The reference grid, and how others come onto it."""

    def __init__(self, folder: StudyFolder, name: str, reference: Loaded) -> None:
        self._folder, self._name = folder, name
        self.reference = reference

    @property
    def geometry(self) -> Geometry:
        """Of the reference."""
        affine = self.reference.affine_lps
        return (
            Geometry(self.reference.spacing_mm) if affine is None else Geometry.from_affine(affine)
        )

    def bring(
        self, series: Loaded, name: str, *, order: Literal[0, 1], said: list[str]
    ) -> NDArray[Any] | None:
        """Bring a series onto the grid; ``None``, and a warning, where it does not reach it."""
        data = self._clean(series, name, said)
        reference = self.reference
        here, there = series.affine_lps, reference.affine_lps
        if series is reference:
            return np.ascontiguousarray(data).view()
        if here is None or there is None:
            self._require_same_shape(series, name)
            if (here is None) != (there is None):
                said.append(
                    f"{name} is taken to lie on the voxels of {self._name}: only one of the two "
                    "says where its voxels lie."
                )
            return np.ascontiguousarray(data).view()
        if series.shape == reference.shape and same_grid(here, there, reference.shape):
            self._compare_frames(series, name, said)
            return np.ascontiguousarray(data).view()
        covered = coverage(here, series.shape, there, reference.shape)
        if covered < _SEEN:
            said.append(
                f"{name} does not lie where {self._name} lies and is left out; choose another "
                "series, or check the geometry of both."
            )
            return None
        if covered < _COVERED:
            said.append(f"{name} covers {covered:.0%} of {self._name}; the rest of it is blank.")
        self._compare_frames(series, name, said)
        if order:
            self._compare_spacing(spacing_of(here), spacing_of(there), name, said)
        return resample(data, here, there, reference.shape, order=order)

    def _clean(self, series: Loaded, name: str, said: list[str]) -> NDArray[Any]:
        """Refuse what is no volume of real numbers; put the lowest value where there is none."""
        data = series.data
        if data.ndim != 3 or 0 in data.shape or data.dtype.kind not in "buif":
            raise DataError(
                f"{name} of {self._folder.patient} in {series.grid.path or self._folder.path} is "
                f"no volume of real numbers: shape {data.shape}, {data.dtype}.",
                "Choose another series, or export it again.",
            )
        if data.dtype == bool:
            return data.view(np.uint8)
        if not data.dtype.isnative:
            data = data.astype(data.dtype.newbyteorder("="))
        if data.dtype.kind != "f":
            return data
        if data.dtype not in (np.float32, np.float64):
            data = data.astype(np.float32 if data.dtype == np.float16 else np.float64)
        slabs = range(0, len(data), _SLAB)
        if all(np.isfinite(data[z : z + _SLAB]).all() for z in slabs):
            return data
        data = np.array(data)
        bad = ~np.isfinite(data)
        kept = data[~bad]
        low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
        said.append(
            f"{name} holds {int(bad.sum()):,} voxels that are no number or infinite; they are "
            "shown as its lowest or highest value."
        )
        np.nan_to_num(data, copy=False, nan=low, posinf=high, neginf=low)
        return data

    def _require_same_shape(self, series: Loaded, name: str) -> None:
        if series.shape != self.reference.shape:
            raise DataError(
                f"{name} of {self._folder.patient} in {self._folder.path} has shape "
                f"{series.shape}, {self._name} {self.reference.shape}, and the files do not say "
                "where their voxels lie.",
                "Export the series with their geometry, or choose series of one shape.",
            )

    def _compare_frames(self, series: Loaded, name: str, said: list[str]) -> None:
        here, there = series.frame_of_reference, self.reference.frame_of_reference
        if here and there and here != there:
            said.append(
                f"{name} has another frame of reference than {self._name}: the patient may have "
                "moved between them. Check that they lie on each other."
            )

    def _compare_spacing(
        self,
        here: tuple[float, float, float],
        there: tuple[float, float, float],
        name: str,
        said: list[str],
    ) -> None:
        if any(max(a, b) > _COARSER * min(a, b) for a, b in zip(here, there, strict=True)):
            said.append(
                f"{name} was taken with voxels of {_millimetres(here)}, {self._name} of "
                f"{_millimetres(there)}; it is brought to the latter."
            )


def _encode(volume: NDArray[Any], out: NDArray[np.uint8]) -> None:
    line = eight_bit(volume)

    def encode(z: int) -> None:
        # A slice at a time stays in the processor's cache.
        out[z] = line.encode(volume[z])

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="brainseg-encode") as pool:
        list(pool.map(encode, range(len(volume))))


def _millimetres(spacing: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:.3g}" for size in reversed(spacing)) + " mm"
