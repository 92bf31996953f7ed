"""Phantom patients as DICOM MR, the way scanners and archives write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from napari_brainseg.core.imaging import ConfigError, Modality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Affine, Study

__all__ = [
    "PhantomPatient",
    "PhantomSeries",
    "default_series",
    "phantom_affine",
    "sample",
    "write_dicom_phantom",
]

FIELD_MM = 240.0
Plane = Literal["axial", "sagittal", "coronal"]

_PLANES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # Direction of a row and of a column, LPS.
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
}


@dataclass(frozen=True, slots=True)
class PhantomPatient:
    """Who the phantom says it is; nobody."""

    name: str = "Phantom^Paula"
    patient_id: str = "PH-0001"
    birth_date: str = "19700203"
    sex: str = "F"
    age: str = "050Y"
    accession_number: str = "ACC-7001"
    institution: str = "Phantom General Hospital"
    study_date: str = "20200102"
    study_description: str = "MR Brain with and without contrast"
    character_set: str = "ISO_IR 192"


@dataclass(frozen=True, slots=True)
class PhantomSeries:
    """How one sequence of a phantom is taken and written.

    Parameters
    ----------
    modality : Modality
        Whose intensities it shows.
    spacing_mm : tuple of float
        Distance of slices, of rows and of columns.
    shape : tuple of int or None
        Slices, rows and columns; as many as cover the field of view where not given.
    plane : str
        ``axial``, ``sagittal`` or ``coronal``.
    oblique_deg : tuple of float
        The slices are turned by these angles about the axes L, P and S.
    centre_mm : tuple of float
        Middle of the stack, LPS, from the middle of the phantom.
    description : str
        SeriesDescription; a usual one where empty.
    gain : float
        Stored real values are the phantom's grey values times this.
    slope, intercept : float or None
        RescaleSlope and RescaleIntercept; no such elements without.
    signed : bool
        Whether pixels are signed.
    bits_stored : int
        Of 16 allocated.
    enhanced : bool
        One multi-frame file (Enhanced MR) in place of one file a slice.
    transfer_syntax : str
        UID; pixels are compressed where it says so.
    missing : tuple of int
        Slices that are not written.
    duplicated : tuple of int
        Slices that are written twice.
    frame_of_reference : str
        Series with the same word share it.
    shear_mm : float
        Each slice lies this much further along the columns than straight over the one before.
    """

    modality: Modality
    spacing_mm: tuple[float, float, float] = (5.0, 0.9375, 0.9375)
    shape: tuple[int, int, int] | None = None
    plane: Plane = "axial"
    oblique_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    description: str = ""
    gain: float = 8.0
    slope: float | None = None
    intercept: float | None = None
    signed: bool = True
    bits_stored: int = 16
    enhanced: bool = False
    transfer_syntax: str = "1.2.840.10008.1.2.1"
    missing: tuple[int, ...] = ()
    duplicated: tuple[int, ...] = ()
    frame_of_reference: str = "head"
    shear_mm: float = 0.0

    def grid(self, study: Study) -> tuple[Affine, tuple[int, int, int]]:
        """Affine (slice, row, column, 1) to LPS, and shape, as the files store them."""
        matrix = np.array(phantom_affine(study))
        shape = np.array(study.image.grid_shape)
        middle = (matrix @ [*((shape - 1) / 2), 1.0])[:3] + self.centre_mm
        turn = _turn(self.oblique_deg)
        row, column = (turn @ np.array(axis, float) for axis in _PLANES[self.plane])
        normal = np.cross(row, column)
        between, rows, columns = self.spacing_mm
        counts = self.shape or self._covering(np.abs(matrix[:3, :3]) @ shape)
        steps = np.stack([normal * between + column * self.shear_mm, column * rows, row * columns])
        origin = middle - (np.array(counts) - 1) / 2 @ steps
        found = np.eye(4)
        found[:3, :3], found[:3, 3] = steps.T, origin
        return tuple(tuple(float(v) for v in line) for line in found), counts

    def _covering(self, extent_mm: NDArray[Any]) -> tuple[int, int, int]:
        row, column = (np.array(axis, float) for axis in _PLANES[self.plane])
        normal = np.cross(row, column)
        between, rows, columns = self.spacing_mm
        return (
            max(1, round(float(np.abs(normal) @ extent_mm) / between)),
            max(1, round(FIELD_MM / rows)),
            max(1, round(FIELD_MM / columns)),
        )


class Sampled(NamedTuple):
    """One sequence on its own grid: real values, stored values, and where they lie."""

    values: NDArray[np.float32]
    stored: NDArray[Any]
    affine_lps: Affine


def default_series(
    study: Study,
    *,
    oblique_deg: tuple[float, float, float] = (8.0, -5.0, 3.0),
    spacings: Mapping[Modality, tuple[float, float, float]] | None = None,
    **common: Any,
) -> list[PhantomSeries]:
    """Three series as of a usual protocol, each with its own spacing.

    Parameters
    ----------
    study : Study
        Sequences that it lacks are not written.
    oblique_deg : tuple of float
        For all series.
    spacings : mapping of Modality to tuple of float, optional
        (slices, rows, columns) in mm, over the usual ones.
    common
        Further fields of `PhantomSeries`, for all series.
    """
    usual: dict[Modality, tuple[float, float, float]] = {
        Modality.PRE: (4.0, 1.0, 1.0),
        Modality.FLAIR: (5.0, 0.9375, 0.9375),
        Modality.POST: (3.0, 0.75, 0.75),
    }
    usual.update(spacings or {})
    return [
        PhantomSeries(modality, spacing, oblique_deg=oblique_deg, **common)
        for modality, spacing in usual.items()
        if modality not in study.missing_modalities
    ]


def phantom_affine(study: Study) -> Affine:
    """Where a phantom lies: upright index (z, y, x, 1) to LPS; its middle is (0, 0, 0)."""
    known = study.image.geometry.affine_lps
    if known is not None:
        return known
    sizes = study.image.geometry.spacing_mm or (5.0, 0.9375, 0.9375)
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1.0
    for axis, (size, n) in enumerate(zip(sizes, study.image.grid_shape, strict=True)):
        matrix[2 - axis, axis] = size
        matrix[2 - axis, 3] = -size * (n - 1) / 2
    return tuple(tuple(float(v) for v in row) for row in matrix)


def sample(study: Study, series: PhantomSeries) -> Sampled:
    """Take a phantom on the grid of a series, as `write_dicom_phantom` writes it."""
    from napari_brainseg.core.formats.grids import resample

    affine, shape = series.grid(study)
    grey = study.image.channel(series.modality).astype(np.float32)
    values = resample(grey, phantom_affine(study), affine, shape, order=1) * np.float32(series.gain)
    slope, intercept = series.slope or 1.0, series.intercept or 0.0
    dtype = np.dtype(np.int16 if series.signed else np.uint16)
    least = -(1 << (series.bits_stored - 1)) if series.signed else 0
    most = least + (1 << series.bits_stored) - 1
    stored = np.clip(np.rint((values - intercept) / slope), least, most).astype(dtype)
    return Sampled(stored * np.float32(slope) + np.float32(intercept), stored, affine)


def write_dicom_phantom(
    dest: Path,
    study: Study,
    *,
    series: Sequence[PhantomSeries] | None = None,
    patient: PhantomPatient | None = None,
    seed: int = 0,
    **common: Any,
) -> Path:
    """Write a phantom as a DICOM study: a folder a series, files in random order.

    Parameters
    ----------
    dest : Path
        Folder of the study; made where it does not exist.
    study : Study
        From `phantom_study`.
    series : sequence of PhantomSeries, optional
        What to write; `default_series` otherwise.
    patient : PhantomPatient, optional
        Who it is said to be.
    seed : int
        Of UIDs and orders; the files follow from it and the study alone.
    common
        Arguments of `default_series` (``oblique_deg``, ``spacings``...), where `series` is not
        given.

    Returns
    -------
    Path
        `dest`.

    Raises
    ------
    ConfigError
        If no encoder is there for a transfer syntax.
    """
    from napari_brainseg.core.dataset.phantom.dicom_files import Writer

    if series is None:
        series = default_series(study, **common)
    elif common:
        raise ConfigError(
            f"{', '.join(common)} and a list of series were given.", "Put them into the series."
        )
    writer = Writer(dest, patient or PhantomPatient(), f"{study.patient} {seed}")
    for number, one in enumerate(series, start=1):
        writer.write(number, one, sample(study, one))
    return dest


def _turn(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    result = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        a, b = [k for k in range(3) if k != axis]
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        result = one @ result
    return result
