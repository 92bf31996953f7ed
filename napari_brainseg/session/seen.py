"""Which slices of a case somebody has looked at, kept in the catalogue.

Thread-safety: every method may be called from any thread; `changed` is emitted in the calling one.
`load` and `save` touch the disk and belong in a worker.
"""

from __future__ import annotations

import threading
import time
import zlib
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal
from sqlalchemy import delete, insert, select

from napari_brainseg.session import tables
from napari_brainseg.session.deltas import pack_bits, unpack_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from napari_brainseg.session.catalogue import Catalogue

__all__ = ["SeenSlices"]

_T = tables.seen_slices.c


class SeenSlices:
    """The slices of one case that were seen.

    Parameters
    ----------
    catalogue : Catalogue
        Where it is kept.
    case_id : int
        Row of the case; an image with other voxels is another case.
    count : int
        Number of slices.
    """

    changed = Signal(object)
    """The flags, bool of shape (Z,): more slices are known to be seen."""

    def __init__(self, catalogue: Catalogue, case_id: int, count: int) -> None:
        self._catalogue = catalogue
        self._case_id = case_id
        self._lock = threading.Lock()
        self._flags = np.zeros(count, np.bool_)
        self._saved = self._flags.copy()

    @property
    def flags(self) -> NDArray[np.bool_]:
        """A copy, shape (Z,)."""
        with self._lock:
            return self._flags.copy()

    @property
    def is_saved(self) -> bool:
        """Whether the catalogue knows all of them."""
        with self._lock:
            return bool(np.array_equal(self._flags, self._saved))

    def mark(self, index: int) -> bool:
        """Note that a slice (0-based) was looked at; whether that is news."""
        with self._lock:
            news = not self._flags[index]
            self._flags[index] = True
        if news:
            self.changed.emit(self.flags)
        return news

    def load(self) -> NDArray[np.bool_]:
        """Add what the catalogue knows; return all flags, shape (Z,).

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        with self._catalogue.read() as connection:
            found = self._read(connection)
        self._take(found, found)
        self.changed.emit(self.flags)
        return self.flags

    def save(self) -> None:
        """Write what is new. Slices that another window saw meanwhile stay seen.

        Raises
        ------
        DataError
            If the catalogue cannot be written; the next call tries again.
        """
        if self.is_saved:
            return
        flags = self.flags
        with self._catalogue.write() as connection:
            flags |= self._read(connection)
            connection.execute(delete(tables.seen_slices).where(_T.case_id == self._case_id))
            connection.execute(
                insert(tables.seen_slices).values(
                    case_id=self._case_id,
                    slices=pack_bits(flags.astype(np.uint8)),
                    updated=time.time(),
                )
            )
        self._take(flags, flags)

    def _take(self, flags: NDArray[np.bool_], saved: NDArray[np.bool_]) -> None:
        with self._lock:
            self._flags |= flags
            self._saved = saved.copy()

    def _read(self, connection: Connection) -> NDArray[np.bool_]:
        count = len(self._flags)
        blob = connection.execute(
            select(_T.slices).where(_T.case_id == self._case_id)
        ).scalar_one_or_none()
        if blob is None:
            return np.zeros(count, np.bool_)
        try:
            return unpack_bits(blob, (count,)).astype(np.bool_)
        except (ValueError, zlib.error):
            # Seen again is soon seen; a damaged record must not stop a reading.
            return np.zeros(count, np.bool_)
