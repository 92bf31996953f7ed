"""What a model card is made from: files that other commands wrote, and the data they are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.case_facts import case_facts, mask_faults
from napari_brainseg.core.segmentation.mask_archive import MaskArchive
from napari_brainseg.core.segmentation.metrics import volume
from training.card.reasons import Case

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.evaluation_results import Evaluation, PatientResult
    from training.calibrate.results import CalibrationReport
    from training.experiments.cross_validate import CrossValidation
    from training.robustness.results import Robustness

__all__ = [
    "Material",
    "check_evaluation",
    "check_member",
    "look_at",
    "masks_beside",
    "masks_of_folds",
    "read",
]

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that a card is written from; what was not measured is ``None``.

    Parameters
    ----------
    bundle : Bundle
        The model.
    evaluation : Evaluation or None
        Of this very version, on patients that it was not trained on.
    cross_validation : CrossValidation or None
        Of models trained as this one was.
    calibration : CalibrationReport or None
        Of the cross-validation's models.
    robustness : Robustness or None
        Of this version or of the cross-validation's models.
    tested, held_out : mapping of str to Case
        Patient to what its images and mask show: of `evaluation`, and of `cross_validation`.
    note : str
        What people add (Markdown).
    suite : str
        Path of the suite that the model comes from, within the repository.
    member : Bundle or None
        One of an ensemble's members, whose settings stand for all.
    """

    bundle: Bundle
    evaluation: Evaluation | None = None
    cross_validation: CrossValidation | None = None
    calibration: CalibrationReport | None = None
    robustness: Robustness | None = None
    tested: Mapping[str, Case] = field(default_factory=dict)
    held_out: Mapping[str, Case] = field(default_factory=dict)
    note: str = ""
    suite: str = ""
    member: Bundle | None = None

    @property
    def config(self) -> dict[str, Any]:
        """Settings of the run, or of a member's; empty where none are recorded."""
        config: dict[str, Any] = self.made.manifest.training.get("config", {})
        return config

    @property
    def made(self) -> Bundle:
        """What a run made: the model, or the member that stands for all."""
        return self.bundle if self.member is None else self.member


def read(path: Path, model: type[_Model]) -> _Model:
    """Read what another command wrote.

    Raises
    ------
    DataError
        If the file cannot be read, or holds something else.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(
            f"{path} cannot be read as {model.__name__}: {error}.",
            "Give the file that the command of that name wrote.",
        ) from error


def check_evaluation(evaluation: Evaluation, bundle: Bundle, path: Path) -> None:
    """Refuse figures that say nothing of this version.

    Raises
    ------
    DataError
        If they are of another version, or of patients that the model was trained on.
    """
    summary = evaluation.summary
    if summary.model != bundle.version:
        raise DataError(
            f"The figures in {path} are of {summary.model}, the model is {bundle.version}.",
            "Measure this version: brainseg evaluate ROOT --model FOLDER --json FILE.",
        )
    if summary.trained_on:
        raise DataError(
            f"The model was trained on patients of {path}: {', '.join(summary.trained_on)}.",
            "That is no test; measure it on others.",
        )


def check_member(member: Bundle, bundle: Bundle) -> None:
    """Refuse settings that are of no member of the ensemble.

    Raises
    ------
    DataError
        Naming the members.
    """
    members = bundle.manifest.training.get("members", ())
    if member.version not in members:
        known = ", ".join(members) or "none: it is no ensemble"
        raise DataError(
            f"{member.version} is no member of {bundle.version}.", f"Its members are {known}."
        )


def masks_beside(path: Path) -> MaskArchive | None:
    """Open the masks that figures belong to: ``<part>_masks.npz`` beside ``<part>.json``.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    masks = path.with_name(f"{path.stem}_masks.npz")
    return MaskArchive(masks) if masks.is_file() else None


def masks_of_folds(path: Path, folds: int) -> dict[int, MaskArchive]:
    """Open the masks of a cross-validation's folds, those that are there, by number from 1.

    Parameters
    ----------
    path : Path
        ``cross_validation.json``.
    folds : int
        How many.
    """
    runs = {n: path.parent / f"fold-{n}" / "evaluation" / "validation.json"
            for n in range(1, folds + 1)}  # fmt: skip
    opened = {number: masks_beside(figures) for number, figures in runs.items()}
    return {number: masks for number, masks in opened.items() if masks is not None}


def look_at(
    results: Sequence[PatientResult],
    folders: Mapping[str, StudyFolder],
    masks: Mapping[str, MaskArchive],
) -> dict[str, Case]:
    """Find what the images of measured patients show, one patient in memory at a time.

    Parameters
    ----------
    results : sequence of PatientResult
        Whom.
    folders : mapping of str to StudyFolder
        Patient to data; patients without are left out.
    masks : mapping of str to MaskArchive
        Patient to the archive that holds the mask as measured; patients without have no faults.

    Raises
    ------
    DataError
        If data or masks are not those that the figures are of.
    """
    cases = {}
    for result in results:
        if result.patient not in folders:
            continue
        study = load_study(folders[result.patient])
        facts = case_facts(study)
        _agrees(result.patient, "ground truth", facts.lesion_vox, result.volume_truth_vox)
        faults = None
        archive = masks.get(result.patient)
        if archive is not None and result.patient in archive:
            mask = archive.load(result.patient)
            _agrees(result.patient, "mask", volume(mask), result.volume_prediction_vox)
            faults = mask_faults(study, mask)
        cases[result.patient] = Case(facts, faults)
    return cases


def _agrees(patient: str, what: str, found: int, measured: int) -> None:
    if found != measured:
        raise DataError(
            f"{patient}: the {what} at hand has {found} voxels, the figures are of one with "
            f"{measured}.",
            "Give the data and the files of one and the same measurement.",
        )
