"""One patient's study: image, ground truth where there is one, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging.errors import DataError
from napari_brainseg.core.imaging.series import SeriesInfo, SourceGrid, StudyFormat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging.modality import Modality
    from napari_brainseg.core.imaging.volume import LabelVolume, ScalarVolume

__all__ = ["Study"]


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A patient's slice stack as a volume.

    Parameters
    ----------
    patient : str
        Name of the study, e.g. ``TCGA_CS_4944_20010208``.
    image : ScalarVolume
        Intensities, uint8 (C, Z, Y, X): what networks, tools and training sets use.
    truth : LabelVolume or None
        Ground truth on the same grid.
    slice_numbers : tuple of int, length Z
        Slice numbers of the files, ascending; they may have gaps.
    path : Path or None
        Folder it was read from; a file where several patients share a folder.
    missing_modalities : tuple of Modality
        Channels that are absent: blank, or a copy of FLAIR (kaggle_3m fills gaps so).
    attributes : mapping
        Clinical attributes from ``data.csv``, column to value, both str.
    warnings : tuple of str
        What a reader should know, e.g. a gap in the slice numbers.
    format : StudyFormat
        Of the files.
    native : mapping of Modality to ndarray, shape (Z, Y, X)
        Intensities as the files hold them (rescaled, e.g. Hounsfield values), read-only, on the
        grid of `image`; empty where `image` is all there is.
    grid : SourceGrid or None
        How the files of FLAIR store the grid, for masks that go back to where they came from.
    series : tuple of SeriesInfo
        What the study could be put together from.
    roles : mapping of Modality to str
        Key of the series behind each modality that is there.
    truth_key : str
        Key of the series behind the ground truth; empty for kaggle_3m and without one.
    identity : mapping of str to str
        Who the patient is (name, ID, accession number...), for the window only: written to no
        file and no folder name unless the user asks for it.
    """

    patient: str
    image: ScalarVolume
    truth: LabelVolume | None = None
    slice_numbers: tuple[int, ...] = ()
    path: Path | None = None
    missing_modalities: tuple[Modality, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    format: StudyFormat = StudyFormat.KAGGLE_3M
    native: Mapping[Modality, NDArray[np.generic]] = field(default_factory=dict)
    grid: SourceGrid | None = None
    series: tuple[SeriesInfo, ...] = ()
    roles: Mapping[Modality, str] = field(default_factory=dict)
    truth_key: str = ""
    identity: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        z = self.image.grid_shape[0]
        if not self.slice_numbers:
            object.__setattr__(self, "slice_numbers", tuple(range(1, z + 1)))
        if len(self.slice_numbers) != z:
            raise DataError(
                f"{self.patient}: {z} slices but {len(self.slice_numbers)} slice numbers."
            )
        if self.truth is not None and self.truth.data.shape != self.image.grid_shape:
            raise DataError(
                f"{self.patient}: the mask has shape {self.truth.data.shape}, "
                f"the image {self.image.grid_shape}."
            )

    def shown(self, modality: Modality) -> NDArray[np.generic]:
        """Intensities to show a modality with, (Z, Y, X): the files' own, else eight bits."""
        native = self.native.get(modality)
        return self.image.channel(modality) if native is None else native
