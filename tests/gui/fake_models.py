"""Versions, gates and a desk that need no files, for tests of the Models tab."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_brainseg.core.imaging import CancelledError, ModelError
from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds
from napari_brainseg.core.segmentation.gate import GateEvidence, PairedPatient, judge
from napari_brainseg.session.effect_log import Reviewed
from napari_brainseg.session.gates import GateRecord
from napari_brainseg.session.model_version import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

BASE, NEW, OLDER, OTHER = (
    "default-20260101-e1eadd01", "corrected-20261122-a1b2c302", "corrected-20261110-77aa0003",
    "ward-7-20261101-0badcafe",
)  # fmt: skip
SECONDS = Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0)


def version(name: str, **facts: Any) -> ModelVersion:
    """A version; a child of the base unless told otherwise."""
    given: dict[str, Any] = {
        "version": name, "name": name.split("-")[0], "path": Path("models") / name,
        "is_bundled": name == BASE, "is_current": name == BASE,
        "parent": None if name == BASE else BASE, "dsc": None, "workspace_dsc": 0.85,
        "workspace_patients": 8, "created": "2026-11-22T09:30:00+00:00",
        "origin": "bundled" if name == BASE else "run", **facts,
    }  # fmt: skip
    return ModelVersion(**given)


def result(patient: str, dsc: float, marked: int, *, lesion: int = 900, hd95: float | None = 4.0):
    return PatientResult(
        patient=patient, slices=20, dsc_reference=None, dsc_native=dsc, dsc_native_lcc=dsc,
        hd95_vox=hd95, hd95_mm=hd95, volume_truth_vox=lesion, volume_prediction_vox=marked,
        seconds=SECONDS,
    )  # fmt: skip


def pair(patient: str, old: float, new: float, **facts: Any) -> PairedPatient:
    lesion = facts.get("lesion", 900)
    both = (facts.get("old_vox", 880), facts.get("new_vox", 890))
    far = facts.get("hd95", (4.2, 3.1))
    return PairedPatient(
        patient=patient,
        current=result(patient, old, both[0], lesion=lesion, hd95=far[0]),
        candidate=result(patient, new, both[1], lesion=lesion, hd95=far[1]),
        compared_with=facts.get("compared_with", "current"),
    )


LOCKED = tuple(
    pair(f"TCGA_{name}_1998010{n}", old, old + change, hd95=(6.0 + n, 5.4 + n - 20 * change))
    for n, (name, old, change) in enumerate(
        (("CS_4944", 0.91, 0.004), ("DU_5851", 0.83, 0.021), ("DU_6404", 0.88, -0.011),
         ("FG_5962", 0.72, 0.093), ("HT_7616", 0.79, 0.055), ("HT_7882", 0.93, -0.002),
         ("HT_8018", 0.66, 0.12)),
    )
)  # fmt: skip
FREE = pair("TCGA_HT_8105_19980826", 1.0, 1.0, lesion=0, old_vox=0, new_vox=0, hd95=(None, None))
CORRECTED = tuple(
    pair(f"TCGA_{name}", old, old + change)
    for name, old, change in (
        ("FG_6688_20020215", 0.61, 0.14), ("FG_6690_20020226", 0.70, 0.09),
        ("HT_7605_19950916", 0.77, 0.04), ("HT_7692_19960724", 0.81, 0.01),
    )
)  # fmt: skip


def evidence(
    candidate: str = NEW,
    locked: Iterable[PairedPatient] = (*LOCKED, FREE),
    corrections: Iterable[PairedPatient] = CORRECTED,
    **facts: Any,
) -> GateEvidence:
    corrected = tuple(corrections)
    return GateEvidence(
        candidate=candidate, current=BASE, base=BASE, locked_digest="a1b2c3" + "0" * 58,
        locked=tuple(locked), corrections=corrected,
        corrections_how="inner folds" if corrected else "none",
        created=datetime(2026, 11, 22, 12, tzinfo=UTC), **facts,
    )  # fmt: skip


def record(number: int = 1, **facts: Any) -> GateRecord:
    """The gate of some evidence, judged by the real rules."""
    found = evidence(**facts)
    verdict = judge(found)
    return GateRecord(
        id=number, candidate=found.candidate, current=found.current, outcome=verdict.outcome,
        evidence=found, verdict=verdict, locked_digest=found.locked_digest,
        created=datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp(), run_id="run",
    )  # fmt: skip


FAILS = (*(pair(p.patient, p.current.dsc_native, p.current.dsc_native - 0.03 * n)
           for n, p in enumerate(LOCKED)), FREE)  # fmt: skip


class FakeRegistry:
    """Does what it is told at once, and keeps what it was told."""

    def __init__(self, versions: Iterable[ModelVersion]) -> None:
        self.listed = list(versions)
        self.told: list[tuple[Any, ...]] = []
        self.acts: list[Any] = []
        self.rollback_version: str | None = None
        self.error: Exception | None = None
        self.comparison: Any = None

    def versions(self) -> tuple[ModelVersion, ...]:
        return tuple(self.listed)

    def history(self) -> tuple[Any, ...]:
        return tuple(self.acts)

    def promote(self, name: str, *, editor: str, reason: str = "", gate: Any = None) -> None:
        self._note("promote", name, editor, reason, gate)

    def rollback(self, *, editor: str, reason: str = "") -> None:
        self._note("rollback", editor)

    def delete(self, name: str, *, editor: str, busy: Collection[str] = ()) -> None:
        if name in busy:
            raise ModelError(f"A run that goes on needs the model {name}.", "Wait for its end.")
        self._note("delete", name, editor)
        self.listed = [v for v in self.listed if v.version != name]

    def export(self, name: str, path: Path) -> Path:
        self._note("export", name, path)
        return path

    def import_bundle(self, path: Path) -> ModelVersion:
        self._note("import", path)
        found = version(OTHER, origin="import", parent="elsewhere-20260101-00000000")
        self.listed.append(found)
        return found

    def compare(self, first: str, second: str) -> Any:
        self._note("compare", first, second)
        return self.comparison

    def _note(self, *told: Any) -> None:
        if self.error is not None:
            raise self.error
        self.told.append(told)


class FakeGates:
    """Gates by candidate."""

    def __init__(self, *records: GateRecord) -> None:
        self.records = {found.candidate: found for found in records}

    def latest(self, candidate: str, current: str) -> GateRecord | None:
        found = self.records.get(candidate)
        return found if found is not None and found.current == current else None


class FakePreferences:
    changed = Signal(str)
    hide = False

    def get(self, name: str) -> object:
        assert name == "hide_identifiers"
        return self.hide


class FakeWorklist:
    changed = Signal(object)
    reset = Signal()
    rows: tuple[Any, ...] = ()

    def show(self, *rows: bool) -> None:
        """Let predictions be stale or not."""
        self.rows = tuple(
            SimpleNamespace(patient=f"P{n}", is_stale=stale) for n, stale in enumerate(rows)
        )
        self.reset.emit()


class FakeMeasuring:
    """Measures when it is told to go on; can fail, and be called off."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.cancelled = threading.Event()
        self.asked: list[str] = []
        self.error: Exception | None = None

    def measure(self, name: str) -> GateRecord:
        self.asked.append(name)
        while not self.go_on.wait(0.01):
            if self.cancelled.is_set():
                raise CancelledError("The measurement was stopped.")
        if self.error is not None:
            raise self.error
        return record(candidate=name)

    def cancel(self) -> None:
        self.cancelled.set()


class FakeDesk:
    opened = Signal(object)
    models_changed = Signal()
    training_finished = Signal(object)

    def __init__(self, versions: Iterable[ModelVersion], *records: GateRecord) -> None:
        self.registry = FakeRegistry(versions)
        self.gates = FakeGates(*records)
        self.worklist = FakeWorklist()
        self.preferences = FakePreferences()
        self.editor: str | None = "A. Tester"
        self.gate_measuring = FakeMeasuring()
        self.going_on: list[Any] = []
        self.reviews: dict[str, Reviewed] = {}
        self.effects = SimpleNamespace(
            reviewed=lambda name, current: self.reviews.get(name, Reviewed(name, current))
        )

    def runs(self) -> list[Any]:
        return self.going_on

    def measure_gate(self, name: str) -> GateRecord:
        found = self.gate_measuring.measure(name)
        self.gates.records[name] = found
        return found

    def submit(self, act: Any) -> None:
        worker = threading.Thread(target=act, name="worker")
        worker.start()
        worker.join()
