"""The pictures of one patient, as files that people hand on.

What is drawn says nothing of who the patient is but the name of the study: no identity, no date
of birth, no series description, and no metadata in the files.
"""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import CancelledError, DataError
from napari_brainseg.core.imaging.unwritable import unwritable
from napari_brainseg.core.reporting.contact_sheet import contact_sheet
from napari_brainseg.core.reporting.lettering import framed, letter_px
from napari_brainseg.core.reporting.overlay import encoded
from napari_brainseg.core.reporting.slice_drawing import SliceDrawing, annotate, marks_of
from napari_brainseg.core.reporting.study_film import study_film
from napari_brainseg.core.reporting.study_triptych import study_triptych

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import LabelVolume, Modality, Study

__all__ = [
    "OF_A_PATIENT",
    "PictureKind",
    "patient_pictures",
    "refuse_original",
    "slice_picture",
    "write_pictures",
]


class PictureKind(StrEnum):
    """What can be drawn; the value is its name on the command line."""

    OVERLAY = "overlay"
    """Every slice with the outlines of its masks, a PNG each."""
    TRIPTYCH = "triptych"
    """Image, ground truth, prediction side by side for the slices worth a look."""
    GIF = "gif"
    """The slices with lesion as an animation."""
    SHEET = "sheet"
    """All slices on one sheet."""
    CHART = "chart"
    """Bars of DSC by patient; of a whole root, see `root_pictures`."""


OF_A_PATIENT = (PictureKind.OVERLAY, PictureKind.TRIPTYCH, PictureKind.GIF, PictureKind.SHEET)
"""Kinds that each patient has."""


def write_pictures(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
    dest: Path,
    *,
    kinds: Collection[PictureKind] = OF_A_PATIENT,
    modality: Modality | None = None,
    model: str | None = None,
    slices: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Draw a patient's pictures into ``dest/PATIENT``.

    That are ``overlays/PATIENT_012.png``, ``PATIENT_triptych.png``, ``PATIENT.gif`` and
    ``PATIENT_sheet.png``. Pictures of these names are replaced, when all are drawn; nothing else
    in the folder is touched, and after a fault or a cancel it is as it was.

    Parameters
    ----------
    study : Study
    masks : mapping
        ``prediction``, ``correction``, ``truth`` (taken from the study where not named), each
        (Z, Y, X) on the study's grid; any of them may be missing or ``None``.
    dest : Path
        Folder for the pictures of all patients; made where missing.
    kinds : collection of PictureKind
        What to draw; `PictureKind.CHART` has no meaning for one patient and is passed over.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    model : str, optional
        Version of the model that made the prediction, for the legends.
    slices : sequence of int, optional
        Indices along Z of the overlays; all slices if left out.
    progress : callable, optional
        Called with steps done and in all.
    cancelled : callable
        Asked between slices.

    Returns
    -------
    list of Path
        What was written, sorted as drawn.

    Raises
    ------
    DataError
        If a mask does not belong to the study, the folder cannot be written, or it is where the
        patient's original files lie.
    CancelledError
        If `cancelled` said so.
    """
    target = dest / study.patient
    refuse_original(study, target)
    drawn = patient_pictures(
        study, masks, kinds=kinds, modality=modality, model=model, slices=slices,
        progress=progress, cancelled=cancelled,
    )  # fmt: skip
    try:
        dest.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pictures-", dir=dest) as staging:
            names = []
            for name, content in drawn:
                staged = Path(staging, name)
                staged.parent.mkdir(parents=True, exist_ok=True)
                staged.write_bytes(content)
                names.append(name)
            for name in names:
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                Path(staging, name).replace(place)
    except OSError as error:
        raise unwritable(f"pictures to {target}", target, error) from error
    return [target / name for name in names]


def patient_pictures(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
    *,
    kinds: Collection[PictureKind] = OF_A_PATIENT,
    modality: Modality | None = None,
    model: str | None = None,
    slices: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[str, bytes]]:
    """Draw a patient's pictures one after the other: name, with slashes, and content.

    Parameters and errors are those of `write_pictures`; one picture at a time is in memory.
    """
    depth = study.image.grid_shape[0]
    chosen = range(depth) if slices is None else slices
    total = sum(
        {PictureKind.OVERLAY: len(chosen), PictureKind.TRIPTYCH: 1}.get(kind, depth)
        for kind in OF_A_PATIENT
        if kind in kinds
    )
    done = 0

    def advance(steps: int = 1) -> None:
        nonlocal done
        done += steps
        if cancelled():
            raise CancelledError("Stopped.")
        if progress is not None:
            progress(min(done, total), total)

    advance(0)
    name = study.patient
    if PictureKind.OVERLAY in kinds:
        drawing = SliceDrawing(study, marks_of(study, masks), modality=modality)
        digits = max(2, len(str(max(study.slice_numbers))))
        for z in chosen:
            number = f"{study.slice_numbers[z]:0{digits}d}"
            yield f"overlays/{name}_{number}.png", encoded(_slice(drawing, z, model))
            advance()
    if PictureKind.TRIPTYCH in kinds:
        picture = study_triptych(study, masks, modality=modality, model=model)
        yield f"{name}_triptych.png", encoded(picture)
        advance()
    if PictureKind.GIF in kinds:
        before = done
        film = study_film(study, masks, modality=modality, model=model, advance=advance)
        yield f"{name}.gif", film
        done = before
        advance(depth)
    if PictureKind.SHEET in kinds:
        sheet = contact_sheet(study, masks, modality=modality, model=model, advance=advance)
        yield f"{name}_sheet.png", encoded(sheet)


def slice_picture(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
    z: int,
    *,
    modality: Modality | None = None,
    model: str | None = None,
) -> NDArray[np.uint8]:
    """Draw one slice with outlines, caption and legend, RGB (H, W, 3).

    Parameters are those of `write_pictures`; `z` is an index.
    """
    return _slice(SliceDrawing(study, marks_of(study, masks), modality=modality), z, model)


def refuse_original(study: Study, target: Path) -> None:
    """Make sure that pictures do not go where the patient's own files lie.

    Raises
    ------
    DataError
        If they would.
    """
    if study.path is None:
        return
    source = study.path.resolve()
    folder = source if source.is_dir() else source.parent
    place = target.resolve()
    if place == folder or (source.is_dir() and source in place.parents):
        raise DataError(
            f"The pictures of {study.patient} would go among its own files in {folder}.",
            "Choose another folder: original data is never written to.",
        )


def _slice(drawing: SliceDrawing, z: int, model: str | None) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    body = Image.fromarray(drawing.outlines(z))
    annotate(body, drawing, letter_px(body.width))
    head = [drawing.study.patient, f"{drawing.name}, {drawing.slice_name(z)}"]
    return np.asarray(framed(body, head, drawing.legend(model)))
