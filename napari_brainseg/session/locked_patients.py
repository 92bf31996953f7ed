"""The locked patients of a workspace: who they are, who could be, and how the set grows.

Thread-safety: every method may be called from any thread; `changed` is emitted in the calling one.
Not for the GUI thread where patients are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.dataset.locked import (
    NOTHING_KNOWN,
    Known,
    LockedPatient,
    LockedSet,
    choose_locked,
    draw_locked,
    extend_locked,
    freeze_locked,
    load_generations,
    wanted_number,
)
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.content_hashes import ContentHashes
from napari_brainseg.session.locked_candidates import DRAW_SEED, locked_candidates, with_truth
from napari_brainseg.session.training_set import exported_patients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

__all__ = [
    "LockedPatients",
    "first_locked",
    "held_out",
    "keep_locked",
    "known_to",
    "locked_of",
]

DIGEST = "locked_digest"
"""Setting of the catalogue: the set in use, so that a file that was replaced is noticed."""
MOST_READ = 40
"""Patients whose masks are read for a draw: a sample stands for more of them."""


class LockedPatients:
    """The locked set of a workspace.

    Parameters
    ----------
    workspace : Workspace
        It has the file.
    catalogue : Catalogue
        Notes which set is in use.
    models : callable, optional
        Gives the models that no locked patient may be known to: the base, and the one in use.
    """

    changed = Signal()
    """There is another set."""

    def __init__(
        self,
        workspace: Workspace,
        catalogue: Catalogue,
        *,
        models: Callable[[], Iterable[Bundle]] | None = None,
    ) -> None:
        self._workspace = workspace
        self._catalogue = catalogue
        self._models = models

    def current(self) -> LockedSet | None:
        """Return the latest generation; `None` before patients were locked.

        Raises
        ------
        DataError
            If the file was changed, replaced or lost.
        """
        return locked_of(self._workspace, self._catalogue)

    def generations(self) -> tuple[LockedSet, ...]:
        """Return all generations, the oldest first.

        Raises
        ------
        DataError
            If the file was changed.
        """
        return load_generations(self._workspace.locked)

    def candidates(self, studies: Discovery | None) -> tuple[LockedPatient, ...]:
        """Return patients with ground truth or an approved correction; reads all that are new.

        Those that a model was trained on are among them; `why_not` tells.
        """
        hashes = ContentHashes(self._workspace.cache, self._catalogue)
        try:
            return locked_candidates(self._workspace, studies, hashes)
        finally:
            hashes.save()

    def why_not(self, candidate: LockedPatient) -> str:
        """Say how a model knows a candidate: ``"name"``, ``"image"``, ``"mask"``, ``""`` if not."""
        return self._known().why(candidate)

    def choose(
        self,
        studies: Discovery | None,
        names: Iterable[str] | None = None,
        *,
        wanted: int | None = None,
        seed: int = DRAW_SEED,
    ) -> LockedSet:
        """Lock patients for the first time: those named, or a stratified draw.

        Raises
        ------
        DataError
            If there is a locked set already, nobody can be drawn, or a named patient cannot be
            locked.
        """
        if self._workspace.locked.is_file():
            raise DataError(
                f"Patients are locked in {self._workspace.locked} already.",
                "Extend the set; figures of the earlier generation compare no more then.",
            )
        candidates, known = self.candidates(studies), self._known()
        if names is not None:
            locked = choose_locked(candidates, names, known=known)
        else:
            locked = draw_locked(candidates, seed=seed, wanted=wanted, known=known)
        if not locked.patients:
            raise DataError(
                "No patient can be locked: none with ground truth is at hand that no model was "
                "trained on, and too few corrections are approved.",
                "Open a folder with such patients, or approve at least three corrections.",
            )
        self.keep(locked)
        return locked

    def extend(
        self,
        studies: Discovery | None,
        names: Iterable[str] | None = None,
        *,
        wanted: int | None = None,
        seed: int = DRAW_SEED,
    ) -> LockedSet:
        """Add patients: a new generation, whose figures do not compare with earlier ones.

        Patients that are gone, or that a model knows by now, are left out of it.

        Raises
        ------
        DataError
            If there is no set yet, or nobody can be added.
        """
        earlier = self.current()
        if earlier is None:
            raise DataError("No patients are locked yet.", "Choose some first.")
        candidates = self.candidates(studies)
        there = {candidate.patient for candidate in candidates}
        locked = extend_locked(
            earlier,
            candidates,
            seed=seed,
            wanted=wanted,
            names=names,
            known=self._known(),
            gone=[
                p.patient
                for p in earlier.patients
                if p.patient not in there and not Path(p.path).is_dir()
            ],
        )
        self.keep(locked)
        return locked

    def keep(self, locked: LockedSet) -> None:
        """Freeze a set that was drawn elsewhere, e.g. with the plan of a run.

        Raises
        ------
        DataError
            If another set is frozen already, or it cannot be written.
        """
        keep_locked(self._workspace, self._catalogue, locked)
        self.changed.emit()

    def _known(self) -> Known:
        return NOTHING_KNOWN if self._models is None else known_to(self._models())


def known_to(bundles: Iterable[Bundle]) -> Known:
    """Gather what models were trained on, as far as their bundles tell."""
    known = NOTHING_KNOWN
    for bundle in bundles:
        training = bundle.manifest.training
        known |= Known.of(
            bundle.train_patients,
            training.get("image_sha256") or (),
            training.get("mask_sha256") or (),
        )
    return known


def locked_of(workspace: Workspace, catalogue: Catalogue | None = None) -> LockedSet | None:
    """Read the locked set of a workspace, and compare it with what the catalogue knows.

    Raises
    ------
    DataError
        If the file was changed, replaced or lost.
    """
    generations = load_generations(workspace.locked)
    noted = None if catalogue is None else catalogue.get(DIGEST)
    if noted and noted not in {generation.digest for generation in generations}:
        what = "was replaced by another one" if generations else "is gone"
        raise DataError(
            f"The locked set {workspace.locked} {what}.",
            "Restore it from a backup of the workspace. If there is none, remove the file and "
            "choose locked patients anew: earlier figures do not compare then.",
        )
    return generations[-1] if generations else None


def held_out(workspace: Workspace) -> tuple[str, ...]:
    """Patients of a workspace that never train: the locked ones, or those of an earlier split.

    Raises
    ------
    DataError
        If the file was changed.
    """
    from napari_brainseg.core.dataset.splits import load_split

    locked = locked_of(workspace)
    if locked is not None:
        return locked.names
    return load_split(workspace.splits).validation if workspace.splits.is_file() else ()


def keep_locked(workspace: Workspace, catalogue: Catalogue | None, locked: LockedSet) -> None:
    """Freeze a locked set and note it in the catalogue.

    Raises
    ------
    DataError
        If another set is frozen there, or it cannot be written.
    """
    freeze_locked(workspace.locked, locked)
    if catalogue is not None:
        catalogue.set(DIGEST, locked.digest)


def first_locked(
    workspace: Workspace,
    studies: Discovery | None,
    hashes: ContentHashes,
    *,
    known: Known,
    seed: int,
) -> LockedSet:
    """Draw the first locked set of a workspace; nothing is written.

    Validation patients that an earlier version froze stay the ones that measure, as far as no
    model was trained on them. The set is empty where nobody is eligible.

    Raises
    ------
    DataError
        If the manifest or an earlier split cannot be read.
    """
    from napari_brainseg.core.dataset.splits import load_split

    if workspace.splits.is_file():
        frozen = load_split(workspace.splits)
        named = locked_candidates(workspace, studies, hashes, only=frozen.validation)
        kept = {undated(c.patient): c for c in named if not known.why(c)}
        if kept:
            return choose_locked(kept.values(), (c.patient for c in kept.values()))
    at_hand = {undated(name) for name in exported_patients(workspace.training_set)}
    at_hand |= {undated(folder.patient) for folder in with_truth(studies)}
    candidates = locked_candidates(
        workspace, studies, hashes, known=known, most=MOST_READ, seed=seed
    )
    return draw_locked(candidates, seed=seed, wanted=wanted_number(len(at_hand)), known=known)
