"""A real window on a real screen (Xvfb), with a desk whose network and trainer are fakes."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import CancelledError, LabelVolume, ScalarVolume, Study
from napari_brainseg.core.segmentation.bundle import Bundle, save_bundle
from napari_brainseg.core.segmentation.inference import Prediction, Progress
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.viewer.launch import open_window, show_dock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.viewer import Viewer

    from napari_brainseg.viewer.case_view import CaseView
    from napari_brainseg.widgets.dock import BrainSegDock

SHAPE = (6, 64, 64)
PATIENTS = ("TEST_AB_0001_20200101", "TEST_AB_0002_20200101", "TEST_AB_0003_20200101")
NAPARI_WARNINGS = (
    "ignore:System theme detection requires a Qt6 backend:UserWarning",  # napari 0.9 on PyQt5
)
MOVE_MS = 15  # vispy drops moves that come within 10 ms


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gui)
            for warning in NAPARI_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


class FakePredictor:
    """Predicts the ground truth moved by two voxels; can wait, and can fail."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, study: Study, bundle: Bundle, **options: Any) -> Prediction:
        options["progress"](Progress("Slices", 2, 6))
        while not self.go_on.wait(0.01):
            if options["cancelled"]():
                raise CancelledError("The prediction was stopped.")
        if self.error is not None:
            raise self.error
        mask = np.roll(study.truth.data, 2, axis=2)
        return Prediction(
            study.patient, mask.astype(np.float32), mask, np.zeros(mask.shape, np.float32),
            bundle.version, "OpenVINO on CPU", "no GPU was found", {"total": 0.5},
        )  # fmt: skip


@dataclass
class Window:
    """A window under test."""

    viewer: Viewer
    dock: BrainSegDock
    predictor: FakePredictor
    root: Path
    candidate: Bundle
    wait: Callable[..., None]
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        return self.dock.workbench.desk

    @property
    def view(self) -> CaseView:
        return self.dock.workbench.view

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    def open(self, patient: str | None = None) -> None:
        """Open a patient and wait until it is shown."""
        if patient is None:
            self.dock.workbench.open(self.root)
            patient = PATIENTS[0]
        else:
            self.dock.workbench.select(patient)
        self.wait(lambda: self.view.case is not None and self.view.case.patient == patient)

    def predict(self) -> None:
        self.dock.predict.start()
        self.wait(lambda: self.view.layers.prediction is not None)

    def correct(self) -> None:
        """Predict and start a correction; the brush is in the hand."""
        self.desk.editor = "A. Tester"
        self.predict()
        self.dock.start.start_button.click()
        self.wait(lambda: self.view.layers.correction is not None)
        self.wait(lambda: self.view.layers.correction.mode == "paint")

    def approve(self) -> None:
        """Sign off; what the checks found is let pass."""
        panel = self.dock.export
        self.wait(lambda: panel.is_checked)
        panel.export_button.click()
        self.wait(lambda: panel.result.isVisible())

    def point(self, y: float, x: float) -> QPoint:
        """Where a voxel of the shown slice lies on the canvas."""
        camera = self.viewer.scene.camera
        return QPoint(
            round(self.canvas.width() / 2 + (x - camera.center[-1]) * camera.zoom),
            round(self.canvas.height() / 2 + (y - camera.center[-2]) * camera.zoom),
        )

    def drag(self, *points: tuple[float, float], release: bool = True) -> None:
        """Drag the mouse over voxels (y, x), with the left button down."""
        QTest.mouseMove(self.canvas, self.point(*points[0]))
        QTest.qWait(MOVE_MS)
        QTest.mousePress(
            self.canvas, Qt.MouseButton.LeftButton, pos=self.point(*points[0]), delay=MOVE_MS
        )
        for point in points[1:]:
            QTest.qWait(MOVE_MS)
            QTest.mouseMove(self.canvas, self.point(*point))
        QTest.qWait(MOVE_MS)
        if release:
            self.release(points[-1])

    def release(self, point: tuple[float, float]) -> None:
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=self.point(*point))
        QTest.qWait(MOVE_MS)

    def key(self, key: Qt.Key, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, modifier)
        QTest.qWait(MOVE_MS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three patients with a square lesion, each with other intensities."""
    folder = tmp_path / "patients"
    for number, patient in enumerate(PATIENTS):
        rng = np.random.default_rng(number)
        image = rng.integers(1, 255, (3, *SHAPE), dtype=np.uint8)
        mask = np.zeros(SHAPE, np.uint8)
        mask[2:4, 24:40, 24:40] = 1
        study = Study(patient, ScalarVolume(image), LabelVolume(mask))
        write_patient(folder, patient, study.image, mask, study.slice_numbers, durable=False)
    return folder


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Bundle]:
    def make(name: str, parent: str | None = None) -> Bundle:
        rng = np.random.default_rng(sum(map(ord, name)))
        weights = {"conv.weight": rng.normal(size=(4, 4)).astype(np.float32)}
        return save_bundle(tmp_path / "bundles" / name, weights, name=name, parent=parent)

    return make


@pytest.fixture
def window(
    qtbot: Any,
    tmp_path: Path,
    root: Path,
    make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Window]:
    bundled = make_bundle("default")
    candidate = make_bundle("fine-tuned", bundled.version)
    monkeypatch.setenv("FAKE_TRAINER_BUNDLE", str(candidate.path))
    predictor = FakePredictor()
    preferences = Preferences(tmp_path / "preferences.json")
    # Tests say themselves what is predicted, and when.
    preferences.set(predict_on_open=False, prefetch=False)
    desk = Desk(
        Workspace(tmp_path / "workspace").create(),
        predictor=predictor,
        bundled=lambda: (bundled,),
        trainer_command=(sys.executable, "-P", str(Path(__file__).with_name("fake_trainer.py"))),
        preferences=preferences,
    )
    viewer = open_window(desk=desk, size=(1100, 700), phantom_root=tmp_path / "phantoms")

    def wait(condition: Callable[[], object], timeout: int = 60_000) -> None:
        qtbot.waitUntil(lambda: bool(condition()), timeout=timeout)

    yield Window(viewer, show_dock(viewer), predictor, root, candidate, wait)
    predictor.go_on.set()
    viewer.close()
    desk.close()
    QApplication.processEvents()
