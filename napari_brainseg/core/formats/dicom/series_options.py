"""Series that a user names on a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError, Modality

if TYPE_CHECKING:
    from napari_brainseg.core.formats.kaggle3m import StudyFolder

__all__ = ["roles_from_options"]

_WORDS = {
    "flair": Modality.FLAIR,
    "pre": Modality.PRE,
    "post": Modality.POST,
}


def roles_from_options(
    folder: StudyFolder, *, flair: str = "", pre: str = "", post: str = ""
) -> StudyFolder:
    """Choose series by what a user typed, e.g. as options of a command.

    Parameters
    ----------
    folder : StudyFolder
        As `discover` found it.
    flair, pre, post : str
        Key of a series, its number in the list of series (from 1), or a part of its description;
        empty leaves the sequence as it was recognised, ``none`` leaves it out.

    Raises
    ------
    DataError
        If nothing fits, more than one series does, or one series is named twice.
    """
    roles = dict(folder.roles)
    said = {"flair": flair, "pre": pre, "post": post}
    for word, text in said.items():
        if not text:
            continue
        modality = _WORDS[word]
        if text.lower() == "none":
            roles.pop(modality, None)
            continue
        key = _find(folder, text)
        # A series has one role: naming it for one takes it from another that was only recognised.
        for other, held in list(roles.items()):
            if held == key and other is not modality and not said[_word(other)]:
                del roles[other]
        roles[modality] = key
    return folder.with_roles(roles)


def _word(modality: Modality) -> str:
    return next(word for word, known in _WORDS.items() if known is modality)


def _find(folder: StudyFolder, text: str) -> str:
    images = [series for series in folder.series if not series.is_mask]
    if not images:
        raise DataError(
            f"{folder.patient} is {folder.format}, without series to choose from: {text!r}.",
            "Leave the choice of series out for such patients.",
        )
    if any(series.key == text for series in images):
        return text
    if text.isdecimal() and 1 <= int(text) <= len(images) and len(text) < 4:
        return images[int(text) - 1].key
    hits = [s for s in images if s.description.lower() == text.lower()] or [
        s for s in images if text.lower() in s.description.lower()
    ]
    if len(hits) == 1:
        return hits[0].key
    listed = "; ".join(f"{n} {s.description}" for n, s in enumerate(images, 1))
    count = "No series" if not hits else f"{len(hits)} series"
    raise DataError(
        f"{count} of {folder.patient} fit {text!r}. There are: {listed}.",
        "Give the number of a series in this list, or more of its description.",
    )
