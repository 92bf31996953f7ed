"""Signing off: what to look at before, what people decide, and what goes into the training set.

Thread-safety: methods may be called from any thread, and all of them take time: not for the GUI
thread. Signals are emitted in the calling one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.session.live_checks import LiveChecks
from napari_brainseg.session.sign_off_checks import Finding, FindingKind
from napari_brainseg.session.sign_off_state import SignOffState

if TYPE_CHECKING:
    from napari_brainseg.core.dataset.manifest import ManifestEntry
    from napari_brainseg.session.case import Case, CaseStatus
    from napari_brainseg.session.opened_case import OpenedCase
    from napari_brainseg.session.preferences import Preferences
    from napari_brainseg.session.review_log import ReviewAct, ReviewRecord, SecondReading
    from napari_brainseg.session.seen import SeenSlices
    from napari_brainseg.session.shelf import Shelf
    from napari_brainseg.session.worklist import Worklist

__all__ = ["Finding", "FindingKind", "OpenFindingsError", "Review", "SignOffState"]


class OpenFindingsError(DataError):
    """The checks found what must be acknowledged first.

    Parameters
    ----------
    findings : tuple of Finding
        Those that were not.
    """

    def __init__(self, patient: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(
            f"{patient} was not approved: {' '.join(f.message for f in findings)}",
            "Look at them, or approve anyway; they are recorded then.",
        )
        self.findings = findings


class Review:
    """Checks and decisions of the case that is open.

    Parameters
    ----------
    opened : OpenedCase
        Which case.
    shelf : Shelf
        Catalogue, training set, models, and who works.
    preferences : Preferences
        The least size of an island.
    worklist : Worklist
        Status of patients that are not open.
    """

    decided = Signal(object)
    """`ReviewRecord` on the open case."""
    exported = Signal(object)
    """`ManifestEntry`."""
    seen_changed = Signal()
    """Another slice of the open case was looked at."""
    fault = Signal(object)
    """`BrainSegError` of tidying up after signing off; the export itself stands."""

    def __init__(
        self, opened: OpenedCase, shelf: Shelf, preferences: Preferences, worklist: Worklist
    ) -> None:
        self._opened = opened
        self._shelf = shelf
        self._worklist = worklist
        self._checks = LiveChecks(shelf, preferences)
        self._checks.seen_changed.connect(self.seen_changed.emit)

    def follow_seen(self, case: Case, seen: SeenSlices) -> None:
        """Take what is seen of a case from here; the catalogue learns it some seconds later."""
        self._checks.follow_seen(case, seen)

    def state(self) -> SignOffState:
        """All that can be told of the sign-off, in one go.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        case = self._opened.case
        if case is None:
            return SignOffState(waiting=self._waiting())
        second = self._second_reader_of(case) if case.status == "approved" else None
        return SignOffState(
            self.checks(), self.reviews(case), self._refusal(case), second, self._waiting()
        )

    def checks(self) -> tuple[Finding, ...]:
        """Tell what to look at before the open case is signed off; nothing without a correction.

        Raises
        ------
        DataError
            If the catalogue cannot be read.
        """
        case = self._opened.case
        correction = None if case is None else case.correction
        if case is None or correction is None:
            return ()
        # As painted: what was not committed yet will be, before it is signed off.
        return self._checks.look(case, correction, correction.data)

    def approve(self, note: str = "", findings: tuple[Finding, ...] | None = None) -> ManifestEntry:
        """Sign the correction off into the training set. Training is never started by it.

        Parameters
        ----------
        note : str
            Whatever should be known later.
        findings : tuple of Finding, optional
            Those that the person lets pass ("approve anyway"); they are recorded.

        Raises
        ------
        OpenFindingsError
            If the checks find something of a kind that is not among `findings`.
        DataError
            If there is no correction, the case waits for a second reader, or the export failed;
            the case stays as it was, and can be approved again.
        """
        from napari_brainseg.core.dataset.hashing import sha256_of_arrays
        from napari_brainseg.session.case import CaseStatus
        from napari_brainseg.session.correction_record import read_correction_record
        from napari_brainseg.session.review_log import ReviewAct
        from napari_brainseg.session.training_set import export_case

        case, editor = self._need_own_case(), self._need_editor()
        correction = case.correction
        if correction is None:
            raise DataError(
                f"{case.patient} has no correction to export.", "Start a correction first."
            )
        request = self._request(case)
        if request is not None:
            request.refuse(editor)
        correction.commit()
        found = self._checks.look(case, correction, correction.saved, thorough=True)
        known = {finding.kind for finding in findings or ()}
        open_ones = tuple(f for f in found if f.must_acknowledge and f.kind not in known)
        if open_ones:
            raise OpenFindingsError(case.patient, open_ones)
        entry = export_case(
            case,
            self._shelf.workspace.training_set,
            editor=editor,
            record=read_correction_record(self._shelf.catalogue, correction.id),
            second_reader=None if request is None else request.second_reader(editor),
            note=note.strip(),
            findings=[finding.message for finding in found],
        )
        self._decide(case, ReviewAct.APPROVE, editor, note, entry.mask_sha256, found)
        if sha256_of_arrays(correction.saved) != entry.mask_sha256:
            # Painted on meanwhile: that is not what was signed off.
            case.mark(CaseStatus.CORRECTED)
        self.exported.emit(entry)
        self._tidy(correction.id)
        return entry

    def reject(self, note: str) -> ReviewRecord:
        """Mark the open case as not fit for training, with the reason.

        If it was exported, it is withdrawn from the training set; its files stay among the older
        versions.

        Raises
        ------
        DataError
            If no reason is given, or it cannot be kept.
        """
        from napari_brainseg.session.review_log import ReviewAct
        from napari_brainseg.session.training_set import withdraw

        case, editor = self._need_own_case(), self._need_editor()
        if not note.strip():
            raise DataError(
                f"{case.patient} was not rejected: no reason is given.", "Say why in a few words."
            )
        # First: a case that stays approved by a fault is tried again, one that trains is not seen.
        withdraw(self._shelf.workspace.training_set, case.patient, editor=editor, note=note.strip())
        return self._decide(case, ReviewAct.REJECT, editor, note)

    def reopen(self, note: str = "") -> ReviewRecord:
        """Take the open case up again, whatever was decided; a request for a reader ends.

        What was exported stays in the training set until the case is approved again or rejected.

        Raises
        ------
        DataError
            If it cannot be kept.
        """
        from napari_brainseg.session.review_log import ReviewAct

        case, editor = self._need_own_case(), self._need_editor()
        return self._decide(case, ReviewAct.REOPEN, editor, note)

    def ask_second_reader(self, note: str = "") -> ReviewRecord:
        """Ask for another person to approve or correct the open case.

        Raises
        ------
        DataError
            If there is no correction to read, or it cannot be kept.
        """
        from napari_brainseg.session.review_log import ReviewAct

        case, editor = self._need_own_case(), self._need_editor()
        if case.correction is None:
            raise DataError(
                f"{case.patient} has no correction that a second reader could look at.",
                "Start a correction first.",
            )
        return self._decide(case, ReviewAct.ASK, editor, note)

    def reviews(self, case: Case | None = None) -> tuple[ReviewRecord, ...]:
        """All decisions on a case, by default the open one, oldest first."""
        from napari_brainseg.session.review_log import reviews_of

        case = case or self._opened.case
        return () if case is None else reviews_of(self._shelf.catalogue, case.id)

    def second_reading(self) -> SecondReading | None:
        """Return the request for a second reader of the open case that stands, if any."""
        case = self._opened.case
        return None if case is None else self._request(case)

    def waiting(self) -> int:
        """How many corrections of the training set the model in use was not trained on.

        See `waiting_patients` for what counts; locked patients never train, so they do not wait.

        Raises
        ------
        BrainSegError
            If manifest, locked set or model cannot be read.
        """
        from napari_brainseg.session.locked_patients import held_out
        from napari_brainseg.session.training_begin import training_began
        from napari_brainseg.session.training_set import waiting_patients

        workspace, bundle = self._shelf.workspace, self._shelf.registry.current
        began = training_began(self._shelf.catalogue, bundle.version)
        return len(
            waiting_patients(
                workspace.training_set, bundle, began=began, validation=held_out(workspace)
            )
        )

    def mark(self, patient: str, status: str) -> None:
        """Set how far the work on any patient of the worklist is, without checks or export.

        A patient that is rejected is withdrawn from the training set all the same.

        Parameters
        ----------
        patient : str
            Name in the worklist.
        status : str
            Value of `CaseStatus`.

        Raises
        ------
        DataError
            If there is no such status, the first reader approves in place of the second, or it
            cannot be kept.
        """
        from napari_brainseg.session.case import CaseStatus
        from napari_brainseg.session.review_log import act_for
        from napari_brainseg.session.training_set import withdraw

        case, editor = self._opened.case, self._shelf.editor
        if status == CaseStatus.REJECTED:
            withdraw(
                self._shelf.workspace.training_set, patient, editor=editor or "unknown", note=""
            )
        if case is None or case.patient != patient:
            self._worklist.set_status(patient, status)
        elif editor is None:
            case.mark(CaseStatus(status))
        else:
            wanted = CaseStatus(status)
            self._decide(case, act_for(wanted), editor, "", status=wanted)

    # inside -----------------------------------------------------------------------------------

    def _request(self, case: Case) -> SecondReading | None:
        from napari_brainseg.session.review_log import second_reading

        return second_reading(self._shelf.catalogue, case.id)

    def _refusal(self, case: Case) -> str | None:
        """Say why the editor may not approve."""
        request, editor = self._request(case), self._shelf.editor
        if case.read_only is not None or request is None or editor is None:
            return case.read_only
        try:
            request.refuse(editor)
        except DataError as error:
            return error.message
        return None

    def _second_reader_of(self, case: Case) -> str | None:
        from napari_brainseg.core.dataset.manifest import current_entries

        entry = current_entries(self._shelf.workspace.training_set).get(case.patient)
        return None if entry is None else entry.second_reader

    def _waiting(self) -> int | None:
        try:
            return self.waiting()
        except BrainSegError:
            # A model that cannot be opened is told where models are shown.
            return None

    def _decide(
        self,
        case: Case,
        act: ReviewAct,
        editor: str,
        note: str,
        mask_sha256: str | None = None,
        findings: tuple[Finding, ...] = (),
        status: CaseStatus | None = None,
    ) -> ReviewRecord:
        from napari_brainseg.session.review_log import Decision

        correction = case.correction
        number = None if correction is None else correction.id
        record = case.decide(
            Decision(act, editor, note, number, mask_sha256, findings, status=status)
        )
        self.decided.emit(record)
        return record

    def _need_case(self) -> Case:
        case = self._opened.case
        if case is None:
            raise DataError("No patient is open.", "Open a patient's folder first.")
        return case

    def _need_own_case(self) -> Case:
        case = self._need_case()
        if case.read_only is not None:
            raise DataError(
                f"{case.patient} cannot be signed off here: {case.read_only}",
                "Sign it off there, or take the case over first.",
            )
        return case

    def _tidy(self, correction_id: int) -> None:
        """Do what follows a sign-off; its faults are told and change nothing."""
        from napari_brainseg.session.compaction import compact

        def pack() -> None:
            compact(self._shelf.catalogue, correction_id)

        for act in (pack, self._shelf.back_up):
            try:
                act()
            except BrainSegError as error:
                self.fault.emit(error)

    def _need_editor(self) -> str:
        name = self._shelf.editor
        if name is None:
            raise DataError("Nobody is named as editor.", "Give your name or your initials first.")
        return name
