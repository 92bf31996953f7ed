"""Measure a candidate and the version in use for the gate; the verdict is the kernel's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.locked import Known, load_locked
from napari_brainseg.core.dataset.manifest import MANIFEST_NAME
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.gate import (
    EVIDENCE_NAME,
    GateEvidence,
    LeftOut,
    PairedPatient,
    save_evidence,
)
from napari_brainseg.core.segmentation.gate_folds import FoldsEvidence, load_folds_evidence
from napari_brainseg.core.segmentation.inference import Progress
from training.gate.corrections import known_of, names_patients, plan_corrections, unseen
from training.gate.patients import find_locked, folders_by_name
from training.gate.results import FOLDER, evaluated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_brainseg.core.dataset.locked import LockedSet
    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.evaluation_results import Evaluation
    from training.gate.patients import Measurable

__all__ = ["measure_gate"]

CANDIDATE, CURRENT = "Candidate", "Version in use"
WHY = {
    "name": "was trained on this patient",
    "image": "was trained on this image under another name",
    "mask": "was trained on this mask under another name",
}


def measure_gate(
    candidate: Path,
    current: Path,
    locked: Path | None,
    data: Sequence[Path],
    out: Path,
    *,
    corrections: Path | None = None,
    folds_evidence: Path | FoldsEvidence | None = None,
    device: str = "auto",
    cache: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> GateEvidence:
    """Measure both versions on the locked patients, put the folds' figures beside, write a file.

    One patient is in memory at a time. What is measured of the version in use is kept, and not
    measured again for the next candidate.

    Parameters
    ----------
    candidate, current : Path
        Bundles.
    locked : Path or None
        File of the locked set; without one, or where the file is not there, the evidence has no
        locked patients.
    data : sequence of Path
        Folders of patients, for locked ones that have left the folder they lay in.
    out : Path
        File to write, or a folder for ``gate.json``.
    corrections : Path, optional
        The training set: corrected patients are measured with the version in use where that is
        not the one that the run started from; and with both versions where there are no folds and
        neither was trained on them. By default the folder of the locked set, where corrections
        were exported to it.
    folds_evidence : Path or FoldsEvidence, optional
        What inner folds measured of the corrected patients, see `load_folds_evidence`.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; the same for both versions.
    cache : Path, optional
        Cache in whose folder ``gate`` figures of the version in use are kept; by default that of
        the workspace that the locked set belongs to, if it does to one.
    progress : callable, optional
        Called before each patient, and once at the end.
    cancelled : callable, optional
        Asked before each patient and each batch; then nothing is written.

    Raises
    ------
    DataError
        Naming locked patients whose image or mask is not what was locked, or who were corrected
        too; if a patient cannot be measured or a file not be read or written.
    ModelError
        If a model or the device cannot be used.
    CancelledError
        If `cancelled` said so.
    """
    # torch numbers the one GPU of a Mac, engines do not
    device = "mps" if device.startswith("mps:") else device
    cache = cache if cache is not None else _cache_of(locked)
    keep = None if cache is None else cache / FOLDER

    # 1. what is measured: all of it is looked at before the first prediction -------------------
    new, old = load_bundle(candidate), load_bundle(current)
    chosen = load_locked(locked) if locked is not None else None
    folds = _folds(folds_evidence)
    exported = _exported(corrections if corrections is not None else _training_set_of(locked))
    found: tuple[Measurable, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    if chosen is not None:
        _refuse_corrected(chosen, folds)
        at_hand = folders_by_name(data) if _is_needed(chosen) else {}
        fit = find_locked(chosen, at_hand, exported, cancelled=cancelled)
        left_out = _left_out(chosen, new, old)
        names = {each.patient for each in left_out}
        found = tuple(each for each in fit if each.patient not in names)
    plan = plan_corrections(folds, new, old, exported)
    fresh: tuple[Measurable, ...] = ()
    if not folds.patients:
        fresh = unseen(new, old, chosen.names if chosen is not None else (), exported)

    # 2. predictions ----------------------------------------------------------------------------
    count = _Count(progress, 2 * len(found) + 2 * len(fresh) + len(plan.to_measure))

    def measure(bundle: Bundle, patients: Sequence[Measurable]) -> Evaluation | None:
        """Figures of a candidate are not kept: it may never be seen again."""
        if not patients:
            return None
        is_old = bundle is old
        evaluation = evaluated(
            bundle,
            patients,
            device=device,
            cache=keep if is_old else None,
            progress=count.of(CURRENT if is_old else CANDIDATE),
            cancelled=cancelled,
        )
        count.add(len(patients))
        return evaluation

    before, corrected = measure(old, found), measure(old, fresh or plan.to_measure)
    after, corrected_after = measure(new, found), measure(new, fresh)
    count.end()

    # 3. evidence -------------------------------------------------------------------------------
    evidence = GateEvidence(
        candidate=new.version,
        current=old.version,
        base=folds.base or new.manifest.parent,
        locked_digest=chosen.digest if chosen is not None else None,
        locked=_pairs(after, before),
        left_out=left_out,
        corrections=(
            _pairs(corrected_after, corrected)
            if fresh
            else plan.pairs(corrected.patients if corrected is not None else ())
        ),
        corrections_how="unseen" if fresh else folds.how,
        calibration_candidate=after.calibration if after is not None else None,
        calibration_current=before.calibration if before is not None else None,
        engine=after.summary.engine if after is not None else "",
        warnings=_silent(new, old),
        notes=(*plan.notes, *_engines(after, before)),
    )
    save_evidence(out / EVIDENCE_NAME if out.is_dir() else out, evidence)
    return evidence


def _folds(source: Path | FoldsEvidence | None) -> FoldsEvidence:
    if isinstance(source, Path):
        source = load_folds_evidence(source)
    return FoldsEvidence() if source is None else source


def _exported(corrections: Path | None) -> Mapping[str, StudyFolder]:
    """Patients of the training set; an empty one has none."""
    if corrections is None:
        return {}
    try:
        return folders_by_name([corrections])
    except DataError:
        if not corrections.is_dir():
            raise
        return {}


def _refuse_corrected(locked: LockedSet, folds: FoldsEvidence) -> None:
    trained = Known.of(patient.patient for patient in folds.patients)
    if both := [p.patient for p in locked.patients if trained.why(p)]:
        raise DataError(
            f"Locked patients were trained on as corrections: {', '.join(both)}.",
            "Take them out of the training set and train again; a locked patient never trains.",
        )


def _left_out(locked: LockedSet, new: Bundle, old: Bundle) -> tuple[LeftOut, ...]:
    """Whom one of the two was trained on: figures of them would be no test."""
    left: dict[str, LeftOut] = {}
    for bundle, who in ((old, "the version in use"), (new, "the candidate")):
        known = known_of(bundle)
        for patient in locked.patients:
            if why := known.why(patient):
                left[patient.patient] = LeftOut(
                    patient=patient.patient, reason=f"{who} {WHY[why]}."
                )
    return tuple(left[name] for name in sorted(left))


def _pairs(after: Evaluation | None, before: Evaluation | None) -> tuple[PairedPatient, ...]:
    if after is None or before is None:
        return ()
    others = {result.patient: result for result in before.patients}
    return tuple(
        PairedPatient(patient=r.patient, candidate=r, current=others[r.patient])
        for r in after.patients
    )


def _silent(new: Bundle, old: Bundle) -> tuple[str, ...]:
    """Warn of versions that may know locked patients and do not say so."""
    return tuple(
        f"{who} does not say whom it was trained on; locked patients may be among them."
        for bundle, who in ((new, "The candidate"), (old, "The version in use"))
        if not names_patients(bundle)
    )


def _engines(after: Evaluation | None, before: Evaluation | None) -> tuple[str, ...]:
    if after is None or before is None or after.summary.engine == before.summary.engine:
        return ()
    return (
        f"The candidate ran by {after.summary.engine}, the version in use by "
        f"{before.summary.engine}.",
    )


def _is_needed(locked: LockedSet) -> bool:
    return any(not Path(patient.path).is_dir() for patient in locked.patients)


def _training_set_of(locked: Path | None) -> Path | None:
    if locked is None or not (locked.parent / MANIFEST_NAME).is_file():
        return None
    return locked.parent


def _cache_of(locked: Path | None) -> Path | None:
    """``WORKSPACE/cache`` where the file is ``WORKSPACE/training_set/locked.json``."""
    if locked is None:
        return None
    cache = locked.absolute().parent.parent / "cache"
    return cache if cache.is_dir() else None


class _Count:
    """Progress over several measurements as one."""

    def __init__(self, show: Callable[[Progress], None] | None, total: int) -> None:
        self._show = show
        self._total = total
        self._before = 0

    def of(self, stage: str) -> Callable[[Progress], None] | None:
        show = self._show
        if show is None:
            return None

        def tell(progress: Progress) -> None:
            if progress.done < progress.total:
                done = self._before + progress.done
                show(Progress(f"{stage}: {progress.stage}", done, self._total))

        return tell

    def add(self, patients: int) -> None:
        self._before += patients

    def end(self) -> None:
        if self._show is not None:
            self._show(Progress("Done", self._total, self._total))
