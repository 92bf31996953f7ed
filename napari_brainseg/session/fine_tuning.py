"""What a fine-tuning run is made of: who trains, who is replayed, who measures, and why.

A run starts from the bundled base, or from the version in use by choice, with all corrections:
versions are never chained. The locked patients of the workspace measure and never train.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_brainseg.core.dataset.locked import LEAST_LOCKED
from napari_brainseg.core.dataset.splits import (
    REFERENCE_VALIDATION,
    check_no_leakage,
    same_person,
)
from napari_brainseg.core.formats import undated
from napari_brainseg.core.imaging import ConfigError, DataError, ModelError
from napari_brainseg.core.protocol import RunConfig, parse_config
from napari_brainseg.core.protocol.fine_tuning_defaults import fine_tuning_defaults
from napari_brainseg.session.content_hashes import ContentHashes
from napari_brainseg.session.locked_patients import first_locked, known_to, locked_of
from napari_brainseg.session.training_set import exported_patients

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from napari_brainseg.core.dataset.locked import LockedSet
    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.model_registry import ModelRegistry
    from napari_brainseg.session.workspace import Workspace

__all__ = ["DEFAULTS", "FineTuningPlan", "Start", "base_of", "plan_fine_tuning"]

Start = Literal["base", "current"]

NAME = "fine-tuned"
REPLAY_EACH = 3
LEAST_REPLAY = 12
"""Patients the base model knows already are trained on again, so that it does not forget them."""
TYPICAL = 8
"""Corrections that a form shows the defaults for, before any are counted."""

DEFAULTS: dict[str, Any] = {"name": NAME, **fine_tuning_defaults(TYPICAL, replayed=LEAST_REPLAY)}
"""What a fine-tuning run does unlike a run from scratch, for 8 corrections with replay."""


@dataclass(frozen=True, slots=True)
class FineTuningPlan:
    """A run that is ready to start.

    Parameters
    ----------
    config : RunConfig
        For the trainer.
    base : str
        Version that it starts from.
    corrected : tuple of str
        Corrected patients that train.
    replayed : tuple of str
        Patients known to the base model that train again.
    locked : LockedSet or None
        Who measures; `None` where nobody can be locked.
    is_new_locked : bool
        Whether the set was drawn just now and is not frozen yet; see `keep_locked`.
    notes : tuple of str
        What the user should know.
    """

    config: RunConfig
    base: str
    corrected: tuple[str, ...]
    replayed: tuple[str, ...]
    locked: LockedSet | None
    is_new_locked: bool
    notes: tuple[str, ...]


def base_of(registry: ModelRegistry) -> Bundle:
    """Return the bundled model that runs start from: the one that the version in use descends from.

    The default one if that is not known, or is an ensemble, which cannot be trained on.

    Raises
    ------
    ModelError
        If none is bundled, or it is damaged.
    """
    bundled = {bundle.version: bundle for bundle in registry.bundled()}
    found: Bundle | None = registry.current
    while found is not None and found.version not in bundled:
        parent = found.manifest.parent
        try:
            found = None if parent is None else registry.load(parent)
        except ModelError:
            found = None
    if found is not None and found.manifest.network.members == 1:
        return found
    single = (b.version for b in bundled.values() if b.manifest.network.members == 1)
    version = next(single, None)
    if version is None:
        raise ModelError(
            "No model is bundled with this installation that a run could start from.",
            "Install napari-brainseg again.",
        )
    return registry.load(version)


def plan_fine_tuning(
    workspace: Workspace,
    base: Bundle,
    studies: Discovery | None,
    *,
    current: Bundle | None = None,
    catalogue: Catalogue | None = None,
    start: Start = "base",
    **changes: Any,
) -> FineTuningPlan:
    """Choose patients and settings of a fine-tuning run. Nothing but a cache is written.

    Parameters
    ----------
    workspace : Workspace
        With exported corrections.
    base : Bundle
        The bundled base model.
    studies : Discovery or None
        Original data at hand; patients with masks may be locked and are replayed.
    current : Bundle, optional
        The version in use, which the gate compares with; `base` if left out.
    catalogue : Catalogue, optional
        Knows which locked set is in use.
    start : {"base", "current"}
        What the run starts from.
    **changes
        Fields of `RunConfig` that the user set.

    Raises
    ------
    DataError
        If nothing was exported, nobody is left to train on, or locked patients are missing.
    ConfigError
        If a changed field does not fit, or the version in use is too far from a bundled one to
        start from.
    """
    corrected = exported_patients(workspace.training_set)
    if not corrected:
        raise DataError(
            f"The training set {workspace.training_set} holds no corrections.",
            "Correct a patient and export it first.",
        )
    current = base if current is None else current
    begin = current if start == "current" else base
    if begin is not base and begin.manifest.parent not in (None, base.version):
        raise ConfigError(
            f"{begin.version} was fine-tuned from {begin.manifest.parent}, which is fine-tuned "
            "itself: a run from it would be a chain on a chain, and drift.",
            "Start from the bundled model; it trains on all corrections all the same.",
        )
    seed = int(changes.get("seed", RunConfig.model_fields["seed"].default))
    with_truth = () if studies is None else _with_truth(studies)

    locked = locked_of(workspace, catalogue)
    is_new = locked is None
    if locked is None:
        hashes = ContentHashes(workspace.cache, catalogue)
        known = known_to((base, current))
        locked = first_locked(workspace, studies, hashes, known=known, seed=seed)
        hashes.save()
    folders = _locked_folders(locked, workspace, studies)

    training = _training(workspace, corrected, locked)
    replayed = _replay(
        with_truth,
        begin.train_patients,
        taken=(*corrected, *locked.names),
        wanted=max(LEAST_REPLAY, REPLAY_EACH * len(training)),
        seed=seed,
    )
    check_no_leakage((*training, *replayed), locked.names)
    reference = tuple(p for p in training if same_person(p, REFERENCE_VALIDATION))
    defaults = fine_tuning_defaults(len(training), replayed=len(replayed))
    config = parse_config(
        {
            "name": NAME,
            **defaults,
            **({} if replayed else {"replay_share": 0.0}),
            "lock_reference": not reference,
            **changes,
            "base": begin.path,
            "current": current.path,
            "locked": workspace.locked if locked.patients else None,
            "data": _data(studies, with_truth, folders, workspace.training_set),
            "corrections": workspace.training_set,
            "train_patients": (*training, *replayed),
            "replay_patients": replayed,
            "validation_patients": locked.names,
        },
        source="the Training panel",
    )
    notes = _notes(config, training, replayed, corrected, locked, begin, reference, is_new)
    found = locked if locked.patients else None
    return FineTuningPlan(
        config, begin.version, training, replayed, found, is_new and found is not None, notes
    )


def _with_truth(studies: Discovery) -> tuple[str, ...]:
    return tuple(f.patient for f in studies.folders if f.has_masks)


def _training(
    workspace: Workspace, corrected: tuple[str, ...], locked: LockedSet
) -> tuple[str, ...]:
    """Corrected patients that may train: those not locked, under whatever name."""
    from napari_brainseg.core.dataset.manifest import current_entries

    entries = current_entries(workspace.training_set)
    images = frozenset(p.image_sha256 for p in locked.patients)
    persons = {undated(name) for name in locked.names}
    training = tuple(
        name
        for name in corrected
        if undated(name) not in persons and entries[name].image_sha256 not in images
    )
    if not training:
        raise DataError(
            f"All corrected patients are locked in this workspace: {', '.join(corrected)}.",
            "They measure every version, so they never train. Correct and export another patient.",
        )
    return training


def _locked_folders(
    locked: LockedSet, workspace: Workspace, studies: Discovery | None
) -> tuple[Path, ...]:
    """Folders of locked patients, where the data at hand does not hold them."""
    at_hand = set() if studies is None else set(_with_truth(studies))
    at_hand |= set(exported_patients(workspace.training_set))
    folders, absent = [], []
    for patient in locked.patients:
        if patient.patient in at_hand:
            continue
        folder = Path(patient.path)
        if folder.exists():
            folders.append(folder)
        else:
            absent.append(patient.patient)
    if absent:
        raise DataError(
            f"Locked patients of this workspace are not at hand: {', '.join(absent)}.",
            "Open the folder of patients that holds them, so that figures stay comparable.",
        )
    return tuple(folders)


def _data(
    studies: Discovery | None,
    with_truth: Collection[str],
    locked: tuple[Path, ...],
    training_set: Path,
) -> tuple[Path, ...]:
    elsewhere = tuple(path for path in locked if not path.is_relative_to(training_set))
    if studies is None or not with_truth:
        return elsewhere
    if studies.faults:
        # One faulty patient must not stop the run: name the good ones, not the root.
        return (*(f.path for f in studies.folders if f.has_masks), *elsewhere)
    return (studies.root, *elsewhere)


def _replay(
    with_truth: Iterable[str],
    seen: Iterable[str],
    *,
    taken: Iterable[str],
    wanted: int,
    seed: int,
) -> tuple[str, ...]:
    known = {undated(name) for name in seen}
    barred = {undated(name) for name in (*taken, *REFERENCE_VALIDATION)}
    free = sorted(n for n in with_truth if undated(n) in known and undated(n) not in barred)
    return tuple(sorted(random.Random(seed).sample(free, min(len(free), wanted))))


def _notes(
    config: RunConfig,
    training: tuple[str, ...],
    replayed: tuple[str, ...],
    corrected: tuple[str, ...],
    locked: LockedSet,
    begin: Bundle,
    reference: tuple[str, ...],
    is_new: bool,
) -> tuple[str, ...]:
    again = (
        f" and {_count(len(replayed), 'patient')} that {begin.version} knows already (replay, "
        f"{config.replay_share:.0%} of each batch)"
    )
    number = len(locked.patients)
    notes = [
        f"Starts from {begin.version}. Trains on {_count(len(training), 'corrected patient')}"
        f"{again if replayed else ''}; validates on {_count(number, 'locked patient')}, on which "
        "nothing is chosen."
    ]
    if not replayed:
        notes.append("No base data at hand: replay impossible, forgetting is more likely.")
    if number and is_new:
        notes.append(
            f"{', '.join(locked.names)} will be locked: measured with from now on, never trained "
            "on."
        )
    if number < LEAST_LOCKED:
        notes.append(
            f"The gate needs {LEAST_LOCKED} locked patients; with {number} it will say: not "
            "enough evidence."
        )
    if refused := [name for name in corrected if name not in training]:
        notes.append(f"Not trained on, as they are locked: {', '.join(refused)}.")
    flattered = [p for p in locked.names if same_person(p, begin.train_patients)]
    if flattered:
        notes.append(
            f"{begin.version} was trained on {', '.join(flattered)}: its DSC there flatters it."
        )
    if reference:
        notes.append(
            f"{', '.join(reference)} belongs to the ten reference validation patients: the new "
            "version must not be compared with published figures."
        )
    return tuple(notes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
