"""Sets how far the work on a patient is, whether the case was ever open or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.hashing import image_sha256
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.case_log import CaseStatus, register_case, set_status
from napari_brainseg.session.review_log import Decision, act_for, decide
from napari_brainseg.session.worklist_query import NOTHING, read_known

if TYPE_CHECKING:
    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.patient_log import PatientRecord

__all__ = ["keep_status"]


def keep_status(
    catalogue: Catalogue,
    patient: str,
    folder: StudyFolder | None,
    record: PatientRecord | None,
    status: str,
) -> None:
    """Write the status of a patient's case; a case that was never open is added.

    May read the patient's pixels: not for the GUI thread.

    Raises
    ------
    DataError
        If the patient has no case and cannot be read, or its first reader approves it in place
        of the second.
    """
    known = read_known(catalogue, [patient]).get(patient, NOTHING)
    case = known.case_of(None if record is None else record.image_sha256)
    if case is not None:
        _set(catalogue, case.id, CaseStatus(status))
        return
    if folder is None:
        raise DataError(
            f"The status of {patient} cannot be kept: the patient cannot be read.",
            "Put the files in order, then look for them again.",
        )
    study = load_study(folder)
    case_id, _ = register_case(catalogue, study, image_sha256(study))
    _set(catalogue, case_id, CaseStatus(status))


def _set(catalogue: Catalogue, case_id: int, status: CaseStatus) -> None:
    editor = catalogue.editor
    if editor is None:
        set_status(catalogue, case_id, status)
    else:
        decide(catalogue, case_id, Decision(act_for(status), editor, status=status))
