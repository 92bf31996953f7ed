"""One case in several windows: one corrects, the others look on and follow; rights change hands.

Nothing is lost on the way. Strokes that a window could not save, as the case was taken over, stay
in memory. They are laid on top as actions of their own when it takes the case over again, and
are written as discarded when it closes.

Thread-safety: every method may be called from any thread; all of them ask the disk.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import func, select

from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session import tables
from napari_brainseg.session.followed_correction import FollowedCorrection
from napari_brainseg.session.write_right import TakenOverError, WriteRight

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.correction import Correction

__all__ = ["CaseSharing", "Shared"]

_LONG_STROKE_S = 60.0
_GONE_ON = "This case was corrected in another window meanwhile"


class Shared(Protocol):
    """What the sharing needs of a case."""

    id: int

    @property
    def correction(self) -> Correction | None:
        """The one in use."""

    def read_again(self, read_only: str | None) -> Correction | None:
        """Read the correction from the catalogue; `None` if there is none (any more)."""

    def replace_correction(self, correction: Correction | None) -> None:
        """Use another correction from now on, and tell."""

    def note_strokes(self) -> None:
        """Draw the conclusions of a stroke."""

    def tell_right(self, words: str | None) -> None:
        """Say that the case is read-only, and why, or that it may be painted on."""


class CaseSharing:
    """The part of a case that knows of other windows.

    Parameters
    ----------
    case : Shared
        The case.
    catalogue : Catalogue
        Shared by the windows.
    right : WriteRight
        Of this window.

    Attributes
    ----------
    words : str or None
        Why the case is read-only.
    is_held : bool
        Whether a living window corrects it.
    """

    def __init__(self, case: Shared, catalogue: Catalogue, right: WriteRight) -> None:
        self._case = case
        self._catalogue = catalogue
        self._right = right
        self._turn = threading.RLock()
        self._closed = False
        self._left: list[Correction] = []
        # Read anew elsewhere, but a stroke may still be under way on them.
        self._late: list[tuple[float, Correction]] = []
        self._known: tuple[object, ...] = ()
        self._editor: str | None = None
        self.words: str | None = None
        self.is_held = False

    @property
    def kept(self) -> int:
        """Strokes of this window that the case went on without; they are in memory."""
        return 0 if self.words is None else self._unsaved()

    def begin(self, editor: str | None) -> None:
        """Ask for the right to go on with a saved correction, before it is read."""
        self._editor = editor
        # A disk that cannot be written to must not keep anybody from looking.
        with contextlib.suppress(DataError):
            self.words = self._right.acquire(editor)
            self.is_held = self.words is not None
        with self._catalogue.read() as connection:
            self._known = self._state(connection)

    def start(self, editor: str) -> None:
        """Ask for the right to start a correction.

        One that another window started since the case was opened is taken in, to be looked at
        or to go on with.
        """
        with self._turn:
            self._editor = editor
            words = self._right.acquire(editor)
            if words is not None:
                self._look_on(words, held=True)
                return
            with self._catalogue.read() as connection:
                started = self._state(connection)[0] is not None
            if started:
                self._go_on()

    def require(self) -> None:
        """Raise `TakenOverError` if the case is read-only."""
        if self.words is not None:
            raise TakenOverError(f"{self.words}.", "Take the case over to go on here.")

    def follow(self) -> None:
        """Take in what other windows did since the last look; called every second or two.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        with self._turn:
            if self._closed:
                return
            with self._catalogue.read() as connection:
                ours = self._right.is_ours(connection)
                holder = self._right.holder_in(connection)
                state = self._state(connection)
            if ours:
                self._take_late()
                return
            if holder is None and self.words is None and self._case.correction is None:
                return
            if holder is None:
                # Not while she may be painting: first the window becomes read-only.
                if self.words is not None and not self._unsaved():
                    self._resume()
                    return
                holder, held = _GONE_ON, False
            else:
                held = True
            if holder != self.words or state != self._known:
                self._look_on(holder, held=held)

    def take_over(self, editor: str | None) -> None:
        """Correct here from now on; what this window could not save is laid on top.

        Raises
        ------
        DataError
            If the catalogue cannot be used.
        """
        with self._turn:
            self._editor = editor or self._editor
            self._right.take_over(self._editor)
            self._go_on()

    def close(self) -> None:
        """Let other windows have the case.

        Raises
        ------
        DataError
            If something could not be kept.
        """
        faults: list[BrainSegError] = []
        with self._turn:
            self._closed = True
            current = self._case.correction
            left, self._left = [*self._left, *(old for _, old in self._late)], []
            self._late.clear()
            for correction in (*left, *(() if current is None else (current,))):
                # Paint that was not committed; closing tells what becomes of it.
                with contextlib.suppress(BrainSegError):
                    correction.commit()
                try:
                    correction.close()
                except BrainSegError as error:
                    faults.append(error)
            try:
                self._right.release()
            except BrainSegError as error:
                faults.append(error)
        if faults:
            raise faults[0]

    # inside -----------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Nobody has the right, and nothing waits here: go on."""
        words = self._right.acquire(self._editor)
        if words is None:
            self._go_on()
        else:
            self._look_on(words, held=True)

    def _look_on(self, words: str, *, held: bool) -> None:
        was, self.words, self.is_held = self.words, words, held
        fresh = self._read(words)
        self._put_away()
        if was != words:
            self._case.tell_right(words)
        self._case.replace_correction(fresh)

    def _go_on(self) -> None:
        """Start from what is on disk, with what was left over here on top; the right is ours."""
        fresh = self._read(None)
        self._put_away()
        laid = fresh is not None and self._lay_on(fresh)
        was, self.words, self.is_held = self.words, None, False
        if was is not None:
            self._case.tell_right(None)
        self._case.replace_correction(fresh)
        if laid:
            self._case.note_strokes()

    def _read(self, words: str | None) -> Correction | None:
        with self._catalogue.read() as connection:
            # First: a stroke that comes in between is noticed at the next look.
            self._known = self._state(connection)
        return self._case.read_again(words)

    def _put_away(self) -> None:
        """Keep what the correction in use could not save, or what is being painted on it."""
        before = self._case.correction
        if isinstance(before, FollowedCorrection):
            before.close()
        elif before is not None:
            self._left.append(before)

    def _lay_on(self, fresh: Correction) -> bool:
        """Lay on top what was left over, before anybody sees the fresh one and paints on it."""
        laid = False
        for left in self._left:
            # Paint that was not committed; it is not saved, but counts as unsaved then.
            with contextlib.suppress(BrainSegError):
                left.commit()
            for edit, tool, parameters in left.unsaved_edits():
                laid = True
                # If the disk does not take it, it is in memory and tried again.
                with contextlib.suppress(BrainSegError):
                    fresh.apply(edit, tool, parameters)
            left.close(keep_unsaved=False)
            self._late.append((time.monotonic(), left))
        self._left.clear()
        return laid

    def _take_late(self) -> None:
        """Take a stroke in that ended after its correction was read anew."""
        late = [old for _, old in self._late if old.unsaved]
        if late:
            self._late = [(when, old) for when, old in self._late if not old.unsaved]
            self._left += late
            self._go_on()
        oldest = time.monotonic() - _LONG_STROKE_S
        self._late = [(when, old) for when, old in self._late if when > oldest]

    def _unsaved(self) -> int:
        current = self._case.correction
        waiting = [*self._left] if current is None else [*self._left, current]
        return sum(correction.unsaved for correction in waiting)

    def _state(self, connection: Connection) -> tuple[object, ...]:
        """Return what tells one state of the correction from another."""
        corrections, strokes = tables.corrections.c, tables.strokes.c
        number = connection.execute(
            select(corrections.id)
            .where(corrections.case_id == self._case.id, corrections.active)
            .order_by(corrections.id.desc())
        ).scalar()
        status = connection.execute(
            select(tables.cases.c.status).where(tables.cases.c.id == self._case.id)
        ).scalar()
        if number is None:
            return None, 0, 0, status
        last = connection.execute(
            select(func.max(strokes.number)).where(strokes.correction_id == number)
        ).scalar()
        done = connection.execute(
            select(func.count()).where(strokes.correction_id == number, strokes.state == "done")
        ).scalar()
        return number, last, done, status
