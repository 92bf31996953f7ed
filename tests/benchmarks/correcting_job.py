"""The tools of the hand at work, measured in one process; prints one JSON line.

Usage: ``correcting_job.py ROOT WORKSPACE``. A handler is timed from the mouse event until the mask
and the scene are changed, drawing aside: work of this thread, and by the clock. A commit is timed
by the clock, from the end of the stroke until it is on disk. A frame is a redraw with the events
that wait; one after each move of a brush is compared with one of the same scene untouched.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["NAPARI_CONFIG"] = ""
# Run with -P: the folder of this script is not searched.
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication
from reading_job import SIZE, live, p95_ms, wait

if TYPE_CHECKING:
    from collections.abc import Iterator

BRUSH_SIZE = 12
STROKES, MOVES = 4, 20
ROUNDS = 2
"""The smaller figure counts: other work of the machine is no cost of ours."""
DEPTHS = (0, 3)
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


class Mouse:
    """Sends mouse events to a canvas and times what comes of them at once."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.canvas: Any = viewer.window._qt_viewer.canvas.native
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def send(self, kind: Any, place: tuple[float, float], button: Any, buttons: Any) -> float:
        camera = self._viewer.scene.camera
        at = QPointF(
            self.canvas.width() / 2 + (place[1] - camera.center[-1]) * camera.zoom,
            self.canvas.height() / 2 + (place[0] - camera.center[-2]) * camera.zoom,
        )
        everywhere = QPointF(self.canvas.mapToGlobal(at.toPoint()))
        event = QMouseEvent(kind, at, everywhere, button, buttons, Qt.KeyboardModifier.NoModifier)
        begun, worked = time.perf_counter(), time.thread_time()
        QApplication.sendEvent(self.canvas, event)
        spent = time.perf_counter() - begun
        if kind == QEvent.Type.MouseMove and buttons == LEFT:
            self.wall.append(spent)
            self.cpu.append(time.thread_time() - worked)
        return spent

    def stroke(self, path: list[tuple[float, float]]) -> Iterator[None]:
        """Draw; yields after each move."""
        self.send(QEvent.Type.MouseMove, path[0], NONE, NONE)
        live(0.015)
        self.send(QEvent.Type.MouseButtonPress, path[0], LEFT, LEFT)
        for place in path[1:]:
            live(0.015)
            self.send(QEvent.Type.MouseMove, place, NONE, LEFT)
            yield
        self.send(QEvent.Type.MouseButtonRelease, path[-1], LEFT, NONE)


class Frames:
    """Times redraws as the event loop makes them: one, of all that changed until then.

    A forced repaint would come before the one that a move has asked for already, and the window
    would be put together twice.
    """

    def __init__(self, canvas: Any) -> None:
        self._scene: Any = canvas._scene_canvas
        self._drawn = 0
        self._scene.events.draw.connect(self._note)

    def next_s(self) -> float:
        """Redraw the canvas, and all else that waits."""
        begun, before = time.perf_counter(), self._drawn
        self._scene.update()
        while self._drawn == before:
            QApplication.processEvents()
        return time.perf_counter() - begun

    def _note(self, _event: Any) -> None:
        self._drawn += 1


def circle(middle: tuple[float, float], radius: float) -> list[tuple[float, float]]:
    turns = np.linspace(0, 2 * np.pi, MOVES + 1)
    return [(middle[0] + radius * np.sin(t), middle[1] + radius * np.cos(t)) for t in turns]


def main(root: Path, workspace: Path) -> dict[str, float]:
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.session.workspace import Workspace
    from napari_brainseg.viewer.launch import open_window, show_dock

    preferences = Preferences(workspace / "preferences.json")
    preferences.set(predict_on_open=False, prefetch=False)
    desk = Desk(Workspace(workspace).create(), preferences=preferences)
    desk.editor = "Benchmark"
    viewer = open_window(desk=desk, size=SIZE)
    dock = show_dock(viewer)
    view, brushes = dock.workbench.view, dock.workbench.brushes
    live(1.0)
    dock.workbench.open(root)
    wait(lambda: view.case is not None, "the first patient")
    studies = {f.patient: len(f.images) for f in desk.studies.folders}
    largest = max((n for n in studies.values() if n <= 60), default=max(studies.values()))
    heavy = next(p for p in sorted(studies) if studies[p] == largest)
    if view.case.patient != heavy:
        dock.workbench.select(heavy)
        wait(lambda: view.case.patient == heavy, heavy)
    desk.start_correction("truth" if view.case.truth is not None else "empty")
    wait(lambda: view.layers.correction is not None, "the correction")
    wait(lambda: desk.worklist.progress[0] >= desk.worklist.progress[1], "the survey", 600)
    live(2.0)
    found: dict[str, float] = {"slices": view.case.shape[0], "columns": view.case.shape[2]}

    commits: list[float] = []
    worked: list[float] = []
    commit = Correction.commit

    def timed(correction: Any, *arguments: Any, **options: Any) -> Any:
        begun, busy = time.perf_counter(), time.thread_time()
        stroke = commit(correction, *arguments, **options)
        if stroke is not None:
            commits.append(time.perf_counter() - begun)
            worked.append(time.thread_time() - busy)
        return stroke

    Correction.commit = timed
    truth = view.case.truth
    z = int(truth.any(axis=(1, 2)).nonzero()[0].mean())
    view.go_to(z)
    # On the rim of the lesion: there is something to add, and something to take away.
    rows, columns = np.nonzero(truth[z])
    x = int(columns.max())
    y = int(rows[columns == x].mean())
    mouse = Mouse(viewer)
    viewer.window._qt_window.raise_()

    def idle() -> None:
        wait(lambda: not view.editor.is_painting, "the end of the stroke")

    def measure(tool: str, depth: int) -> dict[str, float]:
        brushes.take(tool)
        brushes.size, brushes.depth = BRUSH_SIZE, depth
        mouse.cpu.clear()
        mouse.wall.clear()
        commits.clear()
        worked.clear()
        settled = []
        for number in range(STROKES):
            for _ in mouse.stroke(circle((y, x), 6 + 4 * number)):
                pass
            begun = time.perf_counter()
            idle()
            settled.append(time.perf_counter() - begun)
            live(0.05)
            # Painting over what is painted already would change nothing.
            view.editor.undo()
        return {
            "move_p95_ms": p95_ms(mouse.cpu),
            "move_wall_p95_ms": p95_ms(mouse.wall),
            "commit_p95_ms": p95_ms(commits),
            "commit_cpu_p95_ms": p95_ms(worked),
            "settled_p95_ms": p95_ms(settled),
        }

    for tool in ("brush", "threshold brush", "adaptive brush", "eraser"):
        for depth in DEPTHS:
            rounds = [measure(tool, depth) for _ in range(ROUNDS)]
            name = f"{tool.split()[0]}_{'2d' if depth == 0 else f'depth{depth}'}"
            for what in rounds[0]:
                found[f"{name}_{what}"] = min(r[what] for r in rounds)

    frames = Frames(viewer.window._qt_viewer.canvas)
    for tool in ("brush", "adaptive brush"):
        brushes.take(tool)
        brushes.size, brushes.depth = BRUSH_SIZE, 0
        painted, bare = [], []
        for number in range(STROKES):
            for _ in mouse.stroke(circle((y, x), 6 + 4 * number)):
                # The frame that shows the move, with the move itself; and one without any.
                painted.append(mouse.wall[-1] + frames.next_s())
                bare.append(frames.next_s())
            idle()
            view.editor.undo()
        name = tool.split()[0]
        found[f"{name}_frame_ms"] = float(np.median(painted)) * 1000
        found[f"{name}_bare_frame_ms"] = float(np.median(bare)) * 1000
        found[f"{name}_frame_ratio"] = float(np.median(np.array(painted) / np.array(bare)))
    viewer.close()
    desk.close()
    live(0.2)
    return found


if __name__ == "__main__":
    result = main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
