"""The pictures of many patients: into a folder, into one zip archive, with a chart of DSC."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.imaging import BrainSegError, CancelledError, ConfigError
from napari_brainseg.core.reporting.dsc_chart import dsc_chart
from napari_brainseg.core.reporting.lettering import foot_line
from napari_brainseg.core.reporting.picture_archive import PictureArchive
from napari_brainseg.core.reporting.slice_drawing import marks_of
from napari_brainseg.core.reporting.study_pictures import (
    PictureKind,
    refuse_original,
    write_pictures,
)
from napari_brainseg.core.segmentation.metrics import dsc

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import LabelVolume, Modality, Study

__all__ = ["MadePictures", "PictureCase", "PictureProgress", "write_root_pictures"]


class PictureCase(NamedTuple):
    """A patient to draw."""

    study: Study
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None]
    """See `write_pictures`."""
    model: str | None = None
    """Version of the model that made the prediction."""


@dataclass(frozen=True, slots=True)
class PictureProgress:
    """How far the pictures are.

    Parameters
    ----------
    done, total : int
        Patients.
    patient : str
        At work.
    share : float
        Of this patient's pictures, 0 to 1.
    """

    done: int
    total: int
    patient: str
    share: float = 0.0


@dataclass(slots=True)
class MadePictures:
    """What was made.

    Parameters
    ----------
    files : int
        Pictures, charts included.
    patients : list of str
        Drawn.
    unmarked : list of str
        Of these: those without any mask, drawn as they are.
    faults : dict of str to BrainSegError
        Patients that could not be drawn.
    scores : dict of str to dict of str to float
        ``prediction`` and ``correction`` to DSC with the ground truth by patient.
    folder, archive : Path or None
        Where they are.
    """

    files: int = 0
    patients: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    faults: dict[str, BrainSegError] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    folder: Path | None = None
    archive: Path | None = None


def write_root_pictures(
    patients: Sequence[str],
    load: Callable[[str], PictureCase],
    *,
    folder: Path | None = None,
    archive: Path | None = None,
    kinds: Collection[PictureKind] = tuple(PictureKind),
    modality: Modality | None = None,
    progress: Callable[[PictureProgress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> MadePictures:
    """Draw patient after patient; one that cannot be read is named, the others go on.

    Parameters
    ----------
    patients : sequence of str
        Names, in the order in which they are drawn and packed.
    load : callable
        Reads a patient; one study at a time is in memory.
    folder : Path, optional
        For the pictures: ``PATIENT/...`` and the charts, see `write_pictures`.
    archive : Path, optional
        One zip with the same names; the same pictures give the same bytes.
    kinds : collection of PictureKind
        What to draw.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    progress : callable, optional
        Called with `PictureProgress`.
    cancelled : callable
        Asked between slices. What is in the folder stays, patient by patient; of the archive
        nothing is left.

    Returns
    -------
    MadePictures

    Raises
    ------
    ConfigError
        If neither folder nor archive is given.
    DataError
        If they cannot be written.
    CancelledError
        If `cancelled` said so.
    """
    if folder is None and archive is None:
        raise ConfigError("There is no place for the pictures.", "Name a folder or a zip archive.")
    made = MadePictures(folder=folder, archive=archive)
    models: dict[str, None] = {}
    with ExitStack() as stack:
        zipped = None if archive is None else stack.enter_context(PictureArchive(archive))
        for number, patient in enumerate(patients):
            if cancelled():
                raise CancelledError("Stopped.")
            told = _teller(progress, number, len(patients), patient)
            told(0, 1)
            with _place(folder, archive) as place:
                try:
                    case = load(patient)
                    if archive is not None:
                        refuse_original(case.study, archive)
                    files = write_pictures(
                        case.study, case.masks, place, kinds=kinds, modality=modality,
                        model=case.model, progress=told, cancelled=cancelled,
                    )  # fmt: skip
                    _score(case, made)
                except CancelledError:
                    raise
                except BrainSegError as error:
                    made.faults[patient] = error
                    if folder is None:
                        made.faults[patient] = _of_archive(error, place / patient, archive)
                    continue
                if zipped is not None:
                    for file in files:
                        zipped.add(file.relative_to(place).as_posix(), file.read_bytes())
            made.patients.append(patient)
            made.files += len(files)
            if case.model is not None:
                models[case.model] = None
        # Bars of one patient beside its own pictures tell nothing that those do not.
        if PictureKind.CHART in kinds and (len(patients) > 1 or len(kinds) == 1):
            for name, content in _charts(made, tuple(models)):
                made.files += 1
                if folder is not None:
                    write_atomically(folder / name, content)
                if zipped is not None:
                    zipped.add(name, content)
    return made


@contextmanager
def _place(folder: Path | None, archive: Path | None) -> Iterator[Path]:
    """Give the folder in which a patient is drawn; one for the moment where all goes into a zip."""
    if folder is not None:
        yield folder
        return
    assert archive is not None
    # Beside the archive: there is the disk that was chosen for so many pictures.
    with tempfile.TemporaryDirectory(prefix=".pictures-", dir=archive.parent) as scratch:
        yield Path(scratch)


def _of_archive(error: BrainSegError, place: Path, archive: Path | None) -> BrainSegError:
    """Name the archive in place of the folder in which its pictures were drawn for a moment."""
    if str(place) not in error.message:
        return error
    return type(error)(error.message.replace(str(place), str(archive)), error.hint)


def _score(case: PictureCase, made: MadePictures) -> None:
    """Note how well the masks of a patient agree with the ground truth."""
    marks = {mark.name: mark.data for mark in marks_of(case.study, case.masks)}
    if not marks:
        made.unmarked.append(case.study.patient)
    truth = marks.pop("truth", None)
    if truth is None:
        return
    for name, mask in marks.items():
        made.scores.setdefault(name, {})[case.study.patient] = dsc(mask, truth)


def _charts(made: MadePictures, models: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for name, scores in made.scores.items():
        by = f" ({', '.join(models)})" if name == "prediction" and models else ""
        axis = f"Dice coefficient of the {name}{by} with the ground truth"
        yield f"dsc_{name}.png", dsc_chart(scores, axis=axis, note=foot_line())


def _teller(
    progress: Callable[[PictureProgress], None] | None, done: int, total: int, patient: str
) -> Callable[[int, int], None]:
    def told(step: int, steps: int) -> None:
        if progress is not None:
            progress(PictureProgress(done, total, patient, step / max(1, steps)))

    return told
