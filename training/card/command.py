"""``python -m training card``: rewrite a bundle's model card from files that others wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.formats import discover
from napari_brainseg.core.imaging import BrainSegError, DataError
from napari_brainseg.core.segmentation.bundle import CARD, load_bundle
from training.card.material import (
    Material,
    check_evaluation,
    check_member,
    look_at,
    masks_beside,
    masks_of_folds,
    read,
)
from training.card.text import card_text

if TYPE_CHECKING:
    import argparse

    from pydantic import BaseModel

    from napari_brainseg.core.segmentation.bundle import Bundle

    _Model = TypeVar("_Model", bound=BaseModel)

__all__ = ["add_arguments", "gather", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("bundle", help="folder of a model, or name of a bundled one")
    parser.add_argument(
        "--evaluation", type=Path, help="JSON of brainseg evaluate, of this version"
    )
    parser.add_argument(
        "--cross-validation", type=Path, help="cross_validation.json; masks lie beside it"
    )
    parser.add_argument("--calibration", type=Path, help="JSON of python -m training calibrate")
    parser.add_argument("--robustness", type=Path, help="JSON of python -m training robustness")
    parser.add_argument(
        "--data", type=Path, nargs="+", help="folders of the patients measured: for the reasons"
    )
    parser.add_argument("--note", type=Path, help="Markdown that goes in under Remarks")
    parser.add_argument("--suite", default="", help="that makes the model, as the card names it")
    parser.add_argument("--member", help="of an ensemble: a member whose settings stand for all")
    parser.add_argument("--docs", type=Path, help="write the same text here too")


def main(options: argparse.Namespace) -> int:
    """Write the card and print where it is; returns the exit code."""
    try:
        bundle = load_bundle(options.bundle)
        text = card_text(gather(bundle, options)).encode()
        places = [bundle.path / CARD, *([options.docs.absolute()] if options.docs else ())]
        for place in places:
            write_atomically(place, text)
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{place}\n" for place in places))
    return 0


def gather(bundle: Bundle, options: argparse.Namespace) -> Material:
    """Read what the command line names.

    Raises
    ------
    DataError
        If a file cannot be read, or is of another model, other data or other masks.
    ModelError
        If the member named is no model.
    """
    from training.calibrate.results import CalibrationReport
    from training.experiments.cross_validate import CrossValidation
    from training.robustness.results import Robustness

    evaluation = cross_validation = None
    tested, held_out = {}, {}
    folders = {f.patient: f for root in options.data or () for f in discover(root).folders}
    if options.evaluation is not None:
        from napari_brainseg.core.segmentation.evaluation_results import Evaluation

        evaluation = read(options.evaluation, Evaluation)
        check_evaluation(evaluation, bundle, options.evaluation)
        archive = masks_beside(options.evaluation)
        masks = {} if archive is None else dict.fromkeys(archive.patients, archive)
        tested = look_at(evaluation.patients, folders, masks)
    if options.cross_validation is not None:
        cross_validation = read(options.cross_validation, CrossValidation)
        folds = masks_of_folds(options.cross_validation, cross_validation.folds)
        masks = {r.patient: folds[r.fold] for r in cross_validation.patients if r.fold in folds}
        held_out = look_at(cross_validation.patients, folders, masks)
    member = None if options.member is None else load_bundle(options.member)
    if member is not None:
        check_member(member, bundle)
    return Material(
        bundle=bundle,
        evaluation=evaluation,
        cross_validation=cross_validation,
        calibration=_optional(options.calibration, CalibrationReport),
        robustness=_optional(options.robustness, Robustness),
        tested=tested,
        held_out=held_out,
        note="" if options.note is None else _note(options.note),
        suite=options.suite,
        member=member,
    )


def _optional(path: Path | None, model: type[_Model]) -> _Model | None:
    return None if path is None else read(path, model)


def _note(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"The note {path} cannot be read: {error}.", "Give a text file in UTF-8."
        ) from error
