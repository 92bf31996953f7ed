"""The main job driven from outside: real clicks, keys and brush strokes, a picture of each step."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.widgets.hands import Hands, TourError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.widgets.dock import BrainSegDock

__all__ = ["Tour"]

PATIENTS = 6
SEED = 42
EDITOR = "Demo"
OBLIQUE_DEG = (4.0, -3.0, 2.0)
"""Heads are never quite straight."""
HANDED_ON = "handed-on"
"""Folder of what leaves as DICOM SEG and report."""


@dataclass
class _Step:
    title: str
    text: str
    picture: Path
    seconds: float


@dataclass
class Tour:
    """Runs the main job and reports what it saw.

    Parameters
    ----------
    scratch : Path
        For phantoms and workspace.
    output : Path
        For screenshots and the report page.
    size : tuple of int
        Of the window, in pixels.
    root : Path, optional
        Folder of patients with ground truth; phantoms are made if left out.
    """

    scratch: Path
    output: Path
    size: tuple[int, int]
    root: Path | None = None
    steps: list[_Step] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self) -> int:
        """Do the job; returns 0, or 1 after a step that failed."""
        begun = time.perf_counter()
        for old in (*self.output.glob("*.png"), *self.output.glob("report.html")):
            old.unlink()
        fault = ""
        try:
            self._job()
        except BrainSegError as error:
            fault = str(error)
        self.facts["seconds"] = round(time.perf_counter() - begun, 1)
        self.facts["peak_memory_mb"] = _peak_memory_mb()
        self._report(fault)
        if fault:
            sys.stderr.write(f"The demo stopped: {fault}\n")
            return 1
        sys.stdout.write(
            f"The demo took {self.facts['seconds']:.0f} s. See {self.output / 'report.html'}\n"
        )
        return 0

    def _job(self) -> None:
        from napari_brainseg.core.dataset.phantom import write_phantoms
        from napari_brainseg.session.desk import Desk
        from napari_brainseg.session.preferences import Preferences
        from napari_brainseg.session.workspace import Workspace
        from napari_brainseg.viewer.launch import open_window, show_dock

        root = self.root
        if root is None:
            root = self.scratch / "phantoms"
            write_phantoms(root, patients=PATIENTS, seed=SEED)
        # Whatever the user prefers, the tour begins where everybody does.
        preferences = Preferences(self.scratch / "preferences.json")
        desk = Desk(workspace=Workspace(self.scratch / "workspace"), preferences=preferences)
        viewer = open_window(root, desk=desk, size=self.size)
        viewer.window._qt_window.move(0, 0)  # noqa: SLF001 -- the screenshot is of the whole screen
        hands, dock = Hands(viewer), show_dock(viewer)
        try:
            self._open_and_predict(hands, dock)
            self._read(hands, dock)
            self._correct(hands, dock)
            self._export(hands, dock)
            self._fine_tune(hands, dock)
            self._clinical(hands, dock)
        except BrainSegError:
            hands.picture(self.output / "fault.png")
            raise
        finally:
            viewer.close()
            hands.rest(0.2)

    def _open_and_predict(self, hands: Hands, dock: BrainSegDock) -> None:
        start = time.perf_counter()
        desk, view = dock.workbench.desk, dock.workbench.view
        hands.wait_for(lambda: view.case is not None, 60, "the study to open")
        case = desk.case
        assert case is not None
        self.facts["patient"] = case.patient
        self._show(hands, "open", "Open", "The study is open: FLAIR, ground truth outlined.", start)
        start = time.perf_counter()
        hands.wait_for(lambda: case.prediction is not None, 120, "the prediction")
        hands.wait_for(lambda: not dock.predict.is_busy, 10, "the end of the prediction")
        prediction = case.prediction
        assert prediction is not None
        self.facts["model"] = prediction.model_version
        self.facts["engine"] = f"{prediction.engine}: {prediction.reason}"
        self.facts["predict_seconds"] = round(prediction.timings["total"], 2)
        text = f"The prediction lies beside the ground truth. {prediction.engine}."
        self._show(hands, "prediction", "Predict", text, start)

    def _read(self, hands: Hands, dock: BrainSegDock) -> None:
        from napari_brainseg.widgets.reading_tour import read

        read(hands, dock, self._stepwise(hands))

    def _stepwise(self, hands: Hands) -> Callable[[str, str, str], None]:
        """Make what shows steps that follow one another; the time of each begins with the last."""
        begun = [time.perf_counter()]

        def show(name: str, title: str, text: str) -> None:
            self._show(hands, name, title, text, begun[-1])
            begun.append(time.perf_counter())

        return show

    def _correct(self, hands: Hands, dock: BrainSegDock) -> None:
        from napari_brainseg.widgets.correcting_tour import correct

        self.facts |= correct(hands, dock, self._stepwise(hands), EDITOR)

    def _export(self, hands: Hands, dock: BrainSegDock) -> None:
        from napari_brainseg.core.formats import load_study
        from napari_brainseg.widgets.correcting_tour import look_at_unseen

        start = time.perf_counter()
        desk = dock.workbench.desk
        case = desk.case
        assert case is not None
        assert case.correction is not None
        looked = look_at_unseen(hands, dock)
        hands.click(dock.export.export_button)
        hands.wait_for(lambda: case.status.value == "approved", 30, "the export")
        hands.wait_for(lambda: dock.export.result.isVisible(), 10, "the export's result")
        exported = load_study(desk.workspace.training_set / case.patient)
        if exported.truth is None or not (exported.truth.data == case.correction.data).all():
            raise TourError("The exported mask is not the corrected one.")
        if not (exported.image.data == case.study.image.data).all():
            raise TourError("The exported image is not the study's.")
        self._show(
            hands, "export", "Sign off",
            f"{looked} slices that the checks missed were looked at; image and corrected mask are "
            "in the training set, read again, voxel for voxel equal.",
            start,
        )  # fmt: skip

    def _fine_tune(self, hands: Hands, dock: BrainSegDock) -> None:
        from napari_brainseg.widgets.training_tour import fine_tune

        self.facts |= fine_tune(hands, dock, self._stepwise(hands))

    def _clinical(self, hands: Hands, dock: BrainSegDock) -> None:
        from napari_brainseg.core.dataset.phantom import phantom_study
        from napari_brainseg.core.dataset.phantom.dicom import write_dicom_phantom
        from napari_brainseg.widgets.clinical_tour import clinical

        study = phantom_study(SEED, PATIENTS, lesions=1, missing=())
        source = self.scratch / "dicom" / "export"
        write_dicom_phantom(source, study, oblique_deg=OBLIQUE_DEG)
        output = self.output / HANDED_ON
        output.mkdir(parents=True, exist_ok=True)
        for old in output.glob("PT-*"):
            old.unlink()
        self.facts |= clinical(
            hands, dock, self._stepwise(hands), source=source, output=output, editor=EDITOR
        )

    def _show(self, hands: Hands, name: str, title: str, text: str, start: float) -> None:
        seconds = time.perf_counter() - start
        path = self.output / f"{len(self.steps) + 1:02d}-{name}.png"
        hands.picture(path)
        self.steps.append(_Step(title, text, path, seconds))

    def _report(self, fault: str) -> None:
        from napari_brainseg.core.reporting.page import Page

        page = Page("BrainSeg: the main job, step by step")
        page.paragraph("Research use, not for diagnosis.", note=True)
        if fault:
            page.paragraph(f"The run stopped: {fault}")
        page.table(
            ("What", "Measured in this run"),
            [(name.replace("_", " "), _plain(value)) for name, value in self.facts.items()],
        )
        for number, step in enumerate(self.steps, start=1):
            page.heading(f"{number}. {step.title}")
            page.paragraph(f"{step.text} ({step.seconds:.1f} s)")
            page.picture(step.picture, step.title)
        page.write(self.output / "report.html")
        (self.output / "report.json").write_text(json.dumps(self.facts, indent=2) + "\n")


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "; ".join(", ".join(f"{k} {_plain(v)}" for k, v in item.items()) for item in value)
    return str(value)


def _peak_memory_mb() -> int:
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset // 2**20)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak // (2**20 if sys.platform == "darwin" else 2**10))
