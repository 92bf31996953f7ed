"""Patients that could be locked: with ground truth or an approved correction, and readable."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.locked import NOTHING_KNOWN, Known, LockedPatient
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.training_set import exported_patients

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_brainseg.core.dataset.locked import MaskSource
    from napari_brainseg.core.formats import Discovery, StudyFolder
    from napari_brainseg.session.content_hashes import ContentHashes
    from napari_brainseg.session.workspace import Workspace

__all__ = ["DRAW_SEED", "locked_candidates", "with_truth"]

DRAW_SEED = 42


def locked_candidates(
    workspace: Workspace,
    studies: Discovery | None,
    hashes: ContentHashes,
    *,
    known: Known = NOTHING_KNOWN,
    only: Iterable[str] | None = None,
    most: int | None = None,
    seed: int = DRAW_SEED,
) -> tuple[LockedPatient, ...]:
    """Gather patients with ground truth or an approved correction, sorted by name.

    A correction stands for its patient where there is one. Patients that cannot be read are left
    out.

    Parameters
    ----------
    workspace : Workspace
        With exported corrections.
    studies : Discovery or None
        Original data at hand.
    hashes : ContentHashes
        Reads and remembers.
    known : Known
        Persons of it are not read at all.
    only : iterable of str, optional
        Names to look at, and no others.
    most : int, optional
        How many patients with ground truth are read at most; drawn with `seed`.

    Raises
    ------
    DataError
        If the manifest cannot be read.
    """
    names = None if only is None else set(only)
    corrected = exported_patients(workspace.training_set)
    folders = [
        folder
        for folder in with_truth(studies)
        if folder.patient not in corrected and undated(folder.patient) not in known.persons
    ]
    if most is not None and len(folders) > most:
        folders = random.Random(seed).sample(sorted(folders, key=lambda f: f.patient), most)
    found = []
    for name in corrected:
        if undated(name) not in known.persons and (names is None or name in names):
            found.append(_correction(workspace.training_set, name, hashes))
    for folder in folders:
        if names is None or folder.patient in names:
            found.append(_candidate(folder, "ground truth", hashes))
    return tuple(sorted((c for c in found if c is not None), key=lambda c: c.patient))


def _correction(training_set: Path, name: str, hashes: ContentHashes) -> LockedPatient | None:
    from napari_brainseg.core.formats import discover

    try:
        return _candidate(discover(training_set / name).folders[0], "correction", hashes)
    except DataError:
        # Preflight says what is wrong with it.
        return None


def _candidate(
    folder: StudyFolder, source: MaskSource, hashes: ContentHashes
) -> LockedPatient | None:
    try:
        content = hashes.of(folder)
    except DataError:
        return None
    if content.mask_sha256 is None:
        return None
    return LockedPatient(
        patient=folder.patient,
        image_sha256=content.image_sha256,
        mask_sha256=content.mask_sha256,
        mask_source=source,
        path=str(folder.path),
        lesion_vox=content.lesion_vox,
    )


def with_truth(studies: Discovery | None) -> tuple[StudyFolder, ...]:
    """Folders that come with masks."""
    return () if studies is None else tuple(f for f in studies.folders if f.has_masks)
