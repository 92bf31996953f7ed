"""What belongs to one viewer: its desk, the view of the open case, and opening studies."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.desk import Desk
from napari_brainseg.viewer import shortcuts
from napari_brainseg.viewer.brushes import Brushes
from napari_brainseg.viewer.case_view import CaseView
from napari_brainseg.viewer.seed_scribbles import SeedScribbles
from napari_brainseg.viewer.tool_bench import ToolBench
from napari_brainseg.viewer.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from napari.viewer import Viewer

__all__ = ["PHANTOM_PATIENTS", "Workbench", "attach", "unwrapped", "warm_up", "workbench_of"]

PHANTOM_PATIENTS = 4
"""Enough to correct some, fine-tune, and still have one to measure with."""
PHANTOM_SEED = 42
PHANTOMS = "phantom studies"
"""What `Workbench.loading` says while they are made or read."""
NEXT, PREVIOUS = "the next case", "the previous case"
_POLL_MS = 10  # how soon news of a worker reaches the window


class Workbench:
    """One viewer at work.

    Parameters
    ----------
    viewer : napari.Viewer
        The window.
    desk : Desk
        Its state.
    phantom_root : Path, optional
        Where phantom studies are kept; by default in the user's data folder.

    Attributes
    ----------
    view : CaseView
    views : Views
    brushes : Brushes
        What is in the hand.
    bench : ToolBench
        The tools that are not.
    """

    loading = Signal(str)
    """What is being opened, for the user; emitted on the main thread."""
    loading_failed = Signal(object)
    """`BrainSegError`: nothing was opened; emitted on the main thread."""

    _ended = Signal(object)
    _closed: ClassVar[int] = 0
    """How many there were of which the garbage collector has not been told; see `_settle`."""

    def __init__(self, viewer: Viewer, desk: Desk, *, phantom_root: Path | None = None) -> None:
        self.desk = desk
        self._viewer = viewer
        self.view = CaseView(viewer, desk)
        self.views = Views(viewer, self.view, desk.preferences)
        self.brushes = Brushes(viewer, self.view)
        self.brushes.seeds = SeedScribbles(viewer, self.view)
        self.bench = ToolBench(viewer, self.view, self.brushes)
        self._phantom_root = phantom_root
        self._latest: Future[Any] | None = None
        self._ended.connect(self._on_ended, thread="main")

    def open(self, path: Path | str) -> None:
        """Open a patient's folder, or the first patient of a folder of patients, in a worker."""
        folder = Path(path)
        # The worklist must not wait for napari's warming up.
        self._load(
            folder.name or str(folder),
            lambda: self.desk.open(folder, listed=warm_up),
            warm=False,
        )

    def select(self, patient: str) -> None:
        """Open another patient of the same root, in a worker."""
        self._load(patient, lambda: self.desk.select(patient))

    def open_next(self) -> None:
        """Open the case that comes next by the preferred strategy, in a worker."""
        self._load(NEXT, self.desk.open_suggested)

    def open_previous(self) -> None:
        """Open the patient above in the worklist, in a worker."""
        self._load(PREVIOUS, self.desk.open_previous)

    def open_phantoms(self) -> None:
        """Open phantom studies; they are made the first time, which takes some seconds."""
        self._load(PHANTOMS, self._phantoms)

    def close(self) -> None:
        """End the desk's workers; the window is going."""
        shortcuts.uninstall(self._viewer)
        self.views.close()
        self.bench.close()
        self.brushes.close()
        self.view.close()
        self.desk.close()
        # It knows its viewer, and so would keep both alive for ever.
        if _workbenches.pop(self._viewer, None) is not None:
            Workbench._closed += 1

    def _phantoms(self) -> None:
        from napari_brainseg.core.dataset.phantom import write_phantoms

        root = self._phantom_root
        if root is None:
            import platformdirs

            data = platformdirs.user_data_dir("napari-brainseg", appauthor=False)
            root = Path(data) / "phantoms"
        done = root / f"seed-{PHANTOM_SEED}"
        if not done.is_dir():
            # Whole or not at all: a window closed meanwhile must not leave half a series.
            staging = root / f".seed-{PHANTOM_SEED}"
            write_phantoms(staging, patients=PHANTOM_PATIENTS, seed=PHANTOM_SEED)
            staging.replace(done)
        self.desk.open(done)

    def _load(self, what: str, action: Callable[[], Any], *, warm: bool = True) -> None:
        def quiet() -> BrainSegError | None:
            # Returned, not raised: the fault is shown where the study was asked for.
            try:
                if warm:
                    warm_up()
                action()
            except BrainSegError as error:
                return error
            return None

        def load() -> None:
            self._latest = self.desk.submit(quiet)
            self._latest.add_done_callback(self._ended.emit)

        self.loading.emit(what)
        # The case that goes must have its stroke whole.
        self.view.editor.when_idle(load)

    def _on_ended(self, future: Future[BrainSegError | None]) -> None:
        if future is not self._latest or future.cancelled():
            return
        error = future.exception() or future.result()
        if isinstance(error, BrainSegError):
            self.loading_failed.emit(error)
        elif error is not None:
            raise error


def warm_up() -> None:
    """Let napari load what it needs for its first layers, while the study is being read.

    Units and feature tables take three quarters of a second, which the window would stand still.
    """
    import numpy as np
    from napari.layers import Image, Labels

    Image(np.zeros((1, 1, 1), np.uint8))
    Labels(np.zeros((1, 1, 1), np.uint8))


def _slice_once(viewer: Viewer) -> None:
    """Let napari slice its layers once for each slice that is gone to, not twice.

    It does so for the new point, and again for the step that follows from it, which finds that
    nothing is left to do in a tenth of the time that a scroll has.
    """
    update: Any = getattr(viewer, "_update_layers", None)
    events = viewer.dims.events
    by_point = [callback for callback in events.point.callbacks if isinstance(callback, tuple)]
    if any(name == "_update_layers" for _owner, name in by_point):
        events.current_step.disconnect(update)


def _settle() -> None:
    """Spare the garbage collector what napari made so far, which is there to stay.

    Otherwise it looks through all its 300,000 objects again and again, and the window stands for
    0.2 s each time. Windows that were closed would stay as well, 60 MB each: after some it is
    worth the time to let go of them.
    """
    if Workbench._closed >= _MANY_CLOSED:  # noqa: SLF001 -- the class is of this file
        Workbench._closed = 0  # noqa: SLF001
        gc.unfreeze()
        gc.collect()
    gc.freeze()


_MANY_CLOSED = 4
_workbenches: WeakKeyDictionary[Viewer, Workbench] = WeakKeyDictionary()


def attach(viewer: Viewer, desk: Desk, *, phantom_root: Path | None = None) -> Workbench:
    """Give a viewer its workbench; for launchers and tests that bring their own desk."""
    from psygnal.qt import start_emitting_from_queue

    _settle()
    # psygnal hands what workers emit over to the main thread, which has to fetch it.
    start_emitting_from_queue(msec=_POLL_MS)
    _slice_once(unwrapped(viewer))
    workbench = Workbench(unwrapped(viewer), desk, phantom_root=phantom_root)
    _workbenches[unwrapped(viewer)] = workbench
    return workbench


def workbench_of(viewer: Viewer) -> Workbench:
    """Return the workbench of a viewer; it gets one if it has none yet."""
    found = _workbenches.get(unwrapped(viewer))
    return attach(viewer, Desk()) if found is None else found


def unwrapped(viewer: Viewer) -> Viewer:
    """Return the viewer behind the proxy that napari hands to plugins."""
    # The proxy guards private names, and is another object each time.
    return getattr(viewer, "__wrapped__", viewer)
