"""The reading room at work, measured in one process; prints one JSON line.

Usage: ``reading_job.py ROOT WORKSPACE``. Handler times are from the event until the scene is
changed, drawing aside. A frame is a redraw with the events that wait; it is compared with one of
a plain napari window of the same size with three images and two labels layers, in turns.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["NAPARI_CONFIG"] = ""

import napari
import numpy as np
import psutil
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (1600, 1000)
FRAMES = 30
SWITCHES = 12
OPENED = 50
ROWS = 10_000
SETTLED = 5
"""Cases after which memory counts."""


class Heartbeat:
    """Longest gap of a 10 ms timer."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(10)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def start(self) -> None:
        live(0.3)
        self.longest, self._last = 0.0, time.perf_counter()


def live(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while True:
        QApplication.processEvents()
        time.sleep(0.001)
        if time.perf_counter() > end:
            return


def wait(condition: Callable[[], Any], what: str, seconds: float = 300) -> None:
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise SystemExit(f"waited in vain for {what}")
        live(0)


def p95_ms(values: list[float]) -> float:
    return float(np.percentile(values, 95)) * 1000


def handler_ms(acts: list[Callable[[], Any]]) -> tuple[float, float]:
    """95th percentile of what acts take: of this thread's work, and by the clock.

    Each is followed by its redraw, which is not counted; its drawing threads may still be busy.
    """
    cpu, wall = [], []
    for act in acts:
        begun, worked = time.perf_counter(), time.thread_time()
        act()
        cpu.append(time.thread_time() - worked)
        wall.append(time.perf_counter() - begun)
        live(0.02)
    return p95_ms(cpu), p95_ms(wall)


def frame_s(canvas: Any) -> float:
    begun = time.perf_counter()
    canvas._scene_canvas.update()
    canvas.native.repaint()
    QApplication.processEvents()
    return time.perf_counter() - begun


def left_behind(canvas: Any) -> tuple[int, int, int]:
    """Widgets, threads, and objects of OpenGL that there are."""
    parser = canvas._scene_canvas.context.shared.parser
    return len(QApplication.allWidgets()), threading.active_count(), len(parser._objects)


def rss_mb() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 2**20


class LongWorklist:
    """Rows without a folder behind them."""

    changed, reset = Signal(object), Signal()

    def __init__(self, rows: int) -> None:
        from napari_brainseg.session.worklist import WorklistRow

        status = ("new", "in progress", "corrected", "approved")
        self.rows = tuple(
            WorklistRow(
                f"TCGA_{['CS', 'DU', 'FG', 'HT'][n % 4]}_{n:05d}_20010101", Path(f"/data/{n}"),
                slices=20 + n % 60, status=status[n % 4], dsc=(n % 97) / 97, volume_vox=n,
                attributes={"age": str(n % 90), "site": f"site {n % 7}"},
            )
            for n in range(rows)
        )  # fmt: skip

    def row(self, patient: str) -> Any:
        return next((row for row in self.rows if row.patient == patient), None)

    def thumbnail(self, _patient: str) -> None:
        return None


def long_worklist(preferences: Any) -> dict[str, float]:
    """Filter, sort and scroll 10,000 rows, repaints included."""
    from napari_brainseg.widgets.worklist_model import WorklistModel
    from napari_brainseg.widgets.worklist_view import WorklistView

    model = WorklistModel(LongWorklist(ROWS))
    table = WorklistView(model, preferences)
    table.set_wide(True)
    table.resize(760, 800)
    table.show()
    live(0.5)

    def spent(act: Callable[[], Any]) -> float:
        begun = time.perf_counter()
        act()
        table.viewport().repaint()
        QApplication.processEvents()
        return time.perf_counter() - begun

    texts = ("h", "ht", "ht_00", "site 3", "approved site", "", "du 77", "nothing like it", "")
    bar = table.verticalScrollBar()
    found = {
        "filter_10000_max_s": max(spent(lambda t=t: model.search_for(t)) for t in texts),
        "sort_10000_max_s": max(spent(lambda c=c: table.sortByColumn(c, 0)) for c in range(5)),
        "scroll_10000_p95_ms": p95_ms(
            [spent(lambda v=v: bar.setValue(v)) for v in range(0, bar.maximum(), 101)][:60]
        ),
    }
    table.close()
    return found


def main(root: Path, workspace: Path) -> dict[str, float]:
    from napari_brainseg.session.desk import Desk
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.session.workspace import Workspace
    from napari_brainseg.viewer.launch import open_window, show_dock
    from napari_brainseg.viewer.overlay_layers import (
        CORRECTION_NAME,
        DIFFERENCE_NAME,
        DOUBT_NAME,
        PREDICTION_NAME,
        TRUTH_NAME,
    )

    desk = Desk(
        Workspace(workspace).create(), preferences=Preferences(workspace / "preferences.json")
    )
    desk.editor = "Benchmark"
    viewer = open_window(desk=desk, size=SIZE)
    dock = show_dock(viewer)
    view, workbench = dock.workbench.view, dock.workbench
    display = view.display
    found: dict[str, float] = {}
    live(1.0)

    def shown(patient: str) -> Callable[[], bool]:
        return lambda: view.case is not None and view.case.patient == patient

    begun = time.perf_counter()
    workbench.open(root)
    wait(lambda: dock.room.worklist.model.rowCount() > 0, "the worklist")
    found["worklist_appears_s"] = time.perf_counter() - begun
    wait(lambda: view.case is not None, "the first patient")
    first = view.case.patient
    wait(lambda: desk.case.prediction is not None, "its prediction")
    studies = {f.patient: len(f.images) for f in desk.studies.folders}
    patients = sorted(studies)
    found["patients"] = len(patients)
    # The patient of most slices up to 60: the figures are asked for one of 60.
    largest = max((n for n in studies.values() if n <= 60), default=max(studies.values()))
    heavy = next(p for p in patients if studies[p] == largest)
    found["slices"] = largest
    wait(lambda: desk.worklist.progress[0] >= desk.worklist.progress[1], "the survey", 600)

    # opening ------------------------------------------------------------------------------
    def switch(patient: str) -> float:
        begun = time.perf_counter()
        workbench.select(patient)
        wait(shown(patient), patient)
        return time.perf_counter() - begun

    wait(lambda: desk.prefetcher.is_idle, "the neighbours")
    spent = []
    for patient in [p for p in patients if p != first][:SWITCHES]:
        live(0.3)
        wait(lambda: desk.prefetcher.is_idle, "the neighbours")
        live(0.2)
        assert patient in desk.prefetcher.patients or not spent, f"{patient} was not prefetched"
        spent.append(switch(patient))
    found["prefetched_switch_p95_s"] = float(np.percentile(spent, 95))
    desk.preferences.set(prefetch=False, predict_on_open=False)
    cold = [switch(p) for p in patients[-4:]]
    found["cold_switch_max_s"] = max(cold)
    desk.preferences.set(predict_on_open=True)

    # heartbeat ------------------------------------------------------------------------------
    switch(heavy)
    wait(lambda: desk.case.prediction is not None, "the prediction")
    beat = Heartbeat()
    gaps = []
    for _ in range(2):
        beat.start()
        dock.predict.start()
        wait(lambda: desk.predictions.is_busy, "the prediction to begin")
        wait(lambda: not desk.predictions.is_busy and not dock.predict.is_busy, "the prediction")
        live(0.3)
        gaps.append(beat.longest)
    found["heartbeat_predicting_ms"] = min(gaps) * 1000
    desk.batch.start(tuple(patients[:8]), rerun=True)
    beat.start()
    if not desk.batch.is_running:
        raise SystemExit("the batch was over before it was watched")
    wait(lambda: not desk.batch.is_running, "the batch")
    live(0.3)
    found["heartbeat_batch_ms"] = beat.longest * 1000

    # handlers and frames, everything on ----------------------------------------------------
    desk.start_correction("prediction")
    wait(lambda: view.layers.correction is not None, "the correction")
    for name in (TRUTH_NAME, PREDICTION_NAME, CORRECTION_NAME, DIFFERENCE_NAME, DOUBT_NAME):
        display.show(name, True)
        live(0.2)
    depth = view.case.shape[0]
    steps = [lambda z=z % depth: view.go_to(z) for z in range(depth + 20)]
    live(2.0)
    # The smaller of two rounds: other work of the machine is no cost of ours.
    found["scroll_p95_ms"], found["scroll_wall_p95_ms"] = min(handler_ms(steps) for _ in range(2))
    display.composite = True
    live(1.0)
    found["scroll_composite_p95_ms"], _ = min(handler_ms(steps) for _ in range(2))
    display.composite = False
    live(0.5)
    view.go_to(depth // 2)
    levels = [0.05 + 0.9 * (i % 20) / 20 for i in range(40)]
    moves = [lambda t=t: display.set_threshold(t) for t in levels]
    found["threshold_p95_ms"], found["threshold_wall_p95_ms"] = min(
        handler_ms(moves) for _ in range(2)
    )
    display.reset_threshold()
    wait(lambda: display.is_settled, "the mask of the model's threshold")
    live(1.0)

    canvas = viewer.window._qt_viewer.canvas
    bare = napari.Viewer()
    bare.window._qt_window.resize(*SIZE)
    study = view.case.study
    for channel in study.image.data:
        bare.add_image(np.asarray(channel), blending="additive")
    for mask in (view.case.truth, view.case.prediction.mask):
        bare.add_labels(np.asarray(mask).copy())
    bare.dims.set_current_step(0, depth // 2)
    plain = bare.window._qt_viewer.canvas
    live(1.0)
    for _ in range(5):
        plain.native.setFixedSize(canvas.native.size())
        live(0.1)
    found["canvas_pixels"] = canvas.native.width() * canvas.native.height()
    found["bare_canvas_pixels"] = plain.native.width() * plain.native.height()
    ours, theirs = [], []
    for _ in range(FRAMES):
        ours.append(frame_s(canvas))
        theirs.append(frame_s(plain))
    found["frame_ms"] = float(np.median(ours)) * 1000
    found["bare_frame_ms"] = float(np.median(theirs)) * 1000
    found["frame_ratio"] = float(np.median(np.array(ours) / np.array(theirs)))
    bare.close()
    live(0.5)

    # a training run beside -------------------------------------------------------------------
    before = [frame_s(canvas) for _ in range(2 * FRAMES)]
    desk.export()
    events: list[Any] = []
    desk.training_event.connect(events.append)
    desk.start_fine_tuning(epochs=50, steps_per_epoch=20, crop=160)
    wait(lambda: any(e.kind in ("step", "epoch") for e in events), "the first step", 300)
    beat.start()
    live(5.0)
    found["heartbeat_training_ms"] = beat.longest * 1000
    during = [frame_s(canvas) for _ in range(4 * FRAMES)]
    desk.stop_training()
    wait(lambda: desk.trainer is None or not desk.trainer.is_running, "the end of the run", 120)
    live(1.0)
    after = [frame_s(canvas) for _ in range(2 * FRAMES)]
    found |= {
        "frame_before_training_ms": float(np.median(before)) * 1000,
        "frame_during_training_ms": float(np.median(during)) * 1000,
        "frame_after_training_ms": float(np.median(after)) * 1000,
    }
    without = (np.median(before) + np.median(after)) / 2
    found["frame_training_ratio"] = float(np.median(during) / without)

    # many cases ----------------------------------------------------------------------------
    desk.preferences.set(prefetch=True)
    display.show(DIFFERENCE_NAME, False)
    layers, sizes, left = [], [], []
    for number in range(OPENED):
        switch(patients[number % len(patients)])
        wait(lambda: desk.case.prediction is not None, "its prediction")
        wait(lambda: desk.prefetcher.is_idle, "the neighbours")
        live(0.05)
        sizes.append(rss_mb())
        layers.append(tuple(map(id, viewer.layers)))
        left.append(left_behind(canvas))
    found["rss_after_fifth_mb"] = sizes[SETTLED - 1]
    found["rss_growth_mb"] = max(sizes[-3:]) - sizes[SETTLED - 1]
    found["layers_reused"] = float(len(set(layers[SETTLED:])) == 1)
    for number, what in enumerate(("widgets", "threads", "gl_objects")):
        found[f"{what}_after_fifth"] = left[SETTLED - 1][number]
        found[f"{what}_growth"] = max(n[number] for n in left[-3:]) - left[SETTLED - 1][number]
    found |= long_worklist(desk.preferences)
    viewer.close()
    desk.close()
    live(0.2)
    return found


if __name__ == "__main__":
    result = main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
