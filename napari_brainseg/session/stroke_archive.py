"""Voxels of many strokes packed together: what they have in common is stored once.

Layout, before compression, little-endian 32-bit unsigned integers: how many strokes, how many runs,
how many voxels; the number of each stroke (signed), its runs, its voxels; of each run of
neighbouring voxels the gap since the end of the one before (the flat index in the first), then of
each run the length; after these, in bits, the values before and after of all voxels.
"""

from __future__ import annotations

import lzma
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from napari_brainseg.session.deltas import Voxels

__all__ = ["ArchiveShelf", "StrokeArchive"]

_MAGIC = b"BSA1"
_WORD = np.dtype("<u4")
_KEPT = 2  # archives in memory; a jump over all strokes reads them one after the other
_A = tables.stroke_archives.c


class StrokeArchive:
    """Strokes by number, unpacked one by one.

    Parameters
    ----------
    payload : bytes
        As `pack` makes it.

    Raises
    ------
    ValueError
        If it is damaged.
    """

    def __init__(self, payload: bytes) -> None:
        if payload[:4] != _MAGIC:
            raise ValueError("the archive begins with other bytes than it should")
        try:
            raw = lzma.decompress(payload[4:])
        except lzma.LZMAError as error:
            raise ValueError(f"the archive is damaged ({error})") from error
        strokes, runs, voxels = np.frombuffer(raw, _WORD, 3).tolist()
        bits = -(-voxels // 8)
        if len(raw) != _WORD.itemsize * (3 + 3 * strokes + 2 * runs) + 2 * bits:
            raise ValueError("the archive has another length than it should")
        words = np.frombuffer(raw, _WORD, 3 * strokes + 2 * runs, offset=12)
        numbers, counts, sizes = words[: 3 * strokes].reshape(3, strokes)
        self._at = {int(n): i for i, n in enumerate(numbers.view("<i4"))}
        self._gaps, self._lengths = words[3 * strokes :].reshape(2, runs)
        self._runs = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self._voxels = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._before = np.frombuffer(raw, np.uint8, bits, offset=len(raw) - 2 * bits)
        self._after = np.frombuffer(raw, np.uint8, bits, offset=len(raw) - bits)

    def __contains__(self, number: int) -> bool:
        return number in self._at

    def voxels(self, number: int) -> Voxels:
        """Return what a stroke changed."""
        at = self._at[number]
        runs = slice(self._runs[at], self._runs[at + 1])
        lengths = self._lengths[runs].astype(np.int64)
        ends = np.cumsum(self._gaps[runs] + lengths)
        first, last = int(self._voxels[at]), int(self._voxels[at + 1])
        if int(lengths.sum()) != last - first:
            raise ValueError("the archive contradicts itself")
        offsets = np.arange(last - first) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        indices = np.repeat(ends - lengths, lengths) + offsets
        return indices, _bits(self._before, first, last), _bits(self._after, first, last)

    @staticmethod
    def pack(strokes: Iterable[tuple[int, Voxels]]) -> bytes:
        """Pack strokes by number, at least one; neighbours in time pack best."""
        numbers, counts, sizes = [], [], []
        gaps, lengths, before, after = [], [], [], []
        for number, (indices, old, new) in strokes:
            starts, stops = _runs(indices)
            numbers.append(number)
            counts.append(starts.size)
            sizes.append(indices.size)
            gaps.append(np.diff(starts, prepend=0) - np.concatenate([[0], (stops - starts)[:-1]]))
            lengths.append(stops - starts)
            before.append(old)
            after.append(new)
        head = [len(numbers), sum(counts), sum(sizes)]
        parts = [np.array(part, np.int64) for part in (head, numbers, counts, sizes)]
        parts += [np.concatenate(part) for part in (gaps, lengths)]
        raw = b"".join(part.astype(np.int32 if i == 1 else _WORD).tobytes()
                       for i, part in enumerate(parts))  # fmt: skip
        raw += b"".join(np.packbits(np.concatenate(part)).tobytes() for part in (before, after))
        return _MAGIC + lzma.compress(raw, preset=_PRESET)


_PRESET = 6


class ArchiveShelf:
    """The archives of a correction, read when needed.

    Parameters
    ----------
    correction_id : int
        Row of the correction.
    """

    def __init__(self, correction_id: int) -> None:
        self._mine = _A.correction_id == correction_id
        self._open: OrderedDict[int, StrokeArchive] = OrderedDict()

    def voxels(self, connection: Connection, number: int) -> Voxels:
        """Return what an archived stroke changed.

        Raises
        ------
        ValueError
            If no archive has it, or its archive is damaged.
        """
        for archive in tuple(self._open.values()):
            if number in archive:
                return archive.voxels(number)
        for row in connection.execute(
            select(_A.id, _A.payload)
            .where(self._mine, _A.first <= number, _A.last >= number)
            .order_by(_A.id)
        ):
            archive = StrokeArchive(row.payload)
            if number in archive:
                self._open[row.id] = archive
                while len(self._open) > _KEPT:
                    self._open.popitem(last=False)
                return archive.voxels(number)
        raise ValueError("its voxels are in no archive")


def _runs(indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last index of each run of neighbours."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    starts = indices[np.concatenate([[0], breaks]).astype(np.int64)]
    stops = indices[np.concatenate([breaks - 1, [indices.size - 1]]).astype(np.int64)] + 1
    return starts, stops


def _bits(packed: NDArray[np.uint8], first: int, last: int) -> NDArray[np.uint8]:
    start = first // 8
    return np.unpackbits(packed[start : -(-last // 8)])[first - 8 * start : last - 8 * start]
