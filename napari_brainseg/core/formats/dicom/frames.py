"""What the files of a series say of each of their pictures: place, size, and how values count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Frame", "PixelFacts"]


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """How the pixels of one file are stored.

    Parameters
    ----------
    rows, columns, frames, samples : int
        Size that the header claims.
    bits_allocated, bits_stored : int
        Of each value; 32 and 64 for floats too.
    signed, floating, inverted : bool
        Whether values are signed, are floats, and count from white (MONOCHROME1).
    photometric : str
        PhotometricInterpretation.
    transfer_syntax : str
        UID.
    padding : tuple of int, length 2, or None
        Lowest and highest stored value that stands for no measurement.
    at, length : int
        Where the pixels are in the file, in bytes; -1 where that is not known.
    vr : str
        How they are represented, ``OW`` or ``OB``.
    extended_offsets : bool
        Whether an extended offset table says where compressed frames start.
    shift : int
        Bits below the value, where it does not stand in the lowest ones (HighBit).
    """

    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    floating: bool
    inverted: bool
    photometric: str
    transfer_syntax: str
    padding: tuple[int, int] | None = None
    at: int = -1
    length: int = -1
    vr: str = "OW"
    extended_offsets: bool = False
    shift: int = 0

    @property
    def claimed_bytes(self) -> int:
        """Bytes that the pixels take once decompressed."""
        values = self.rows * self.columns * self.frames * self.samples
        return math.ceil(values * self.bits_allocated / 8)

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest stored value."""
        least = -(1 << (self.bits_stored - 1)) if self.signed else 0
        return least, least + (1 << self.bits_stored) - 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a series.

    Parameters
    ----------
    path : Path
        File that holds it.
    index : int
        Which of its frames, from 0.
    sop_instance_uid : str
        Of the file.
    number : int
        InstanceNumber, or order within the file.
    position : tuple of float, length 3, or None
        ImagePositionPatient: centre of the first pixel, LPS, mm.
    orientation : tuple of float, length 6, or None
        ImageOrientationPatient: direction of a row, then of a column.
    pixel_spacing_mm : tuple of float, length 2, or None
        Between rows, between columns.
    thickness_mm, between_mm : float or None
        SliceThickness and SpacingBetweenSlices.
    slope, intercept : float
        From stored to real values.
    stack : str
        StackID; frames of another stack belong to another volume.
    moment : tuple
        Echo, b-value and point in time: they tell frames at one place apart.
    pixels : PixelFacts
        Of the file.
    kind : tuple of str
        Multi-frame files: complex component, then what the frame type says beyond its second value.
    location_mm : float or None
        SliceLocation: some way along the stack, for want of a position.
    doubts : tuple of str
        What is unusual about it.
    """

    path: Path
    index: int
    sop_instance_uid: str
    number: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    between_mm: float | None
    slope: float
    intercept: float
    stack: str
    moment: tuple[Any, ...]
    pixels: PixelFacts
    kind: tuple[str, ...] = ()
    location_mm: float | None = None
    doubts: tuple[str, ...] = ()
