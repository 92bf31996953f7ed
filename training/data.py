"""Patients as tensors: found, split, prepared once, drawn from at random ever after."""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.formats import discover
from napari_brainseg.core.formats.series_choices import chosen_words
from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.cache import PreparedCache, default_cache
from training.pool import SlicePool
from training.protocols import split_patients
from training.sources import FolderSource, PhantomSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from napari_brainseg.core.formats import Fault, StudyFolder
    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.preprocessing import Prepared, Recipe
    from training.preparation import PreparedPatient, Purpose
    from training.sources import Source

__all__ = [
    "PHANTOM_SEED",
    "Cohort",
    "ValidationCase",
    "find_patients",
    "load_cohort",
    "recipe_of",
]

PHANTOM_SEED = 7_001
"""Seed of the phantoms that are trained on; those of demo and tests have others."""
NATIVE_MULTIPLE = 16
"""The native recipe pads to a multiple of this at least: also a shallow network's slices stay
those that others were trained on."""
MOST_NAMED = 5
"""Patients named in a note of figures."""
WORKERS = 4
"""Patients prepared at a time: numpy and zlib let go of the interpreter, so threads do."""


@dataclass(frozen=True, eq=False)
class ValidationCase:
    """A patient whose whole volume is predicted after each epoch."""

    patient: str
    prepared: Prepared
    truth: NDArray[np.uint8]
    """(Z, Y, X), native grid."""
    truth_on_network_grid: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Everything a run trains on and measures with."""

    pool: SlicePool
    validation: tuple[ValidationCase, ...]
    train_patients: tuple[str, ...]
    """Those that slices are drawn from."""
    sha256: str
    """Of the names, images and masks of training and validation patients, in their order."""
    faults: tuple[Fault, ...] = ()
    """Folders that could not be read and were left out; none of them was named."""
    validation_folders: tuple[StudyFolder, ...] = ()
    test: tuple[StudyFolder, ...] = ()
    """Patients that the finished model is measured with; nothing of them was read."""
    notes: tuple[str, ...] = ()
    """What the user should know of how the data was made ready."""
    image_sha256: Mapping[str, str] = field(default_factory=dict)
    mask_sha256: Mapping[str, str] = field(default_factory=dict)
    """Hashes of images and masks of the training patients; see `core.dataset.hashing`."""
    train_folders: Mapping[str, StudyFolder] = field(default_factory=dict)
    """Of the training patients; phantoms have none."""

    @property
    def placement(self) -> str:
        """Where the training slices are kept, for users."""
        return self.pool.where


def recipe_of(config: RunConfig, network_multiple: int) -> Recipe:
    """Build the recipe that a config asks for.

    Parameters
    ----------
    config : RunConfig
        Its recipe and the steps before it.
    network_multiple : int
        Height and width that the network takes without padding are multiples of this.

    Raises
    ------
    ConfigError
        If a library that a step needs is missing.
    """
    own = {}
    if config.recipe == "native":
        own["multiple"] = math.lcm(NATIVE_MULTIPLE, network_multiple)
    return get_recipe(
        config.recipe,
        bias_correction=config.bias_correction,
        skull_stripping=config.skull_stripping,
        **own,
    )


def load_cohort(
    config: RunConfig,
    recipe: Recipe,
    device: torch.device,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Cohort:
    """Find, split, load and prepare the patients of a run.

    Parameters
    ----------
    config : RunConfig
        Which patients, and how they are drawn from.
    recipe : Recipe
        How they are prepared.
    device : torch.device
        Where batches are wanted.
    progress : callable, optional
        Called with the number of patients that are ready, and of all; from this thread.

    Raises
    ------
    ConfigError
        If patients are named that are not there, the split leaks, also by the same images under
        two names, or the filters leave nothing to train on.
    DataError
        If a patient cannot be read or has no mask.
    """
    folders, faults = find_patients(config)
    split = split_patients(config, folders)
    cache = PreparedCache((config.cache or default_cache()).expanduser())
    jobs: list[tuple[Source, Purpose]] = [
        *((FolderSource(folders[name]), "training") for name in split.train),
        *((PhantomSource(PHANTOM_SEED, index), "training") for index in range(config.phantoms)),
        *((FolderSource(folders[name]), "validation") for name in split.validation),
    ]
    ready: list[PreparedPatient] = []
    workers = ThreadPoolExecutor(config.threads or WORKERS, thread_name_prefix="prepare")
    try:
        for patient in workers.map(lambda job: cache.patient(job[0], recipe, job[1]), jobs):
            ready.append(patient)
            if progress is not None:
                progress(len(ready), len(jobs))
    finally:
        workers.shutdown(cancel_futures=True)
    cache.trim()
    trained = len(jobs) - len(split.validation)
    _refuse_same_images(ready[:trained], ready[trained:])
    own, left_out = _filtered(config, ready[:trained])
    measured = ready[trained:]
    pool = SlicePool(
        own,
        device,
        sampling=config.sampling,
        lesion_share=config.lesion_share,
        context=config.context_slices,
        lesions_only=config.drop_empty_slices,
        replayed=frozenset(config.replay_patients),
        replay_share=config.replay_share,
    )
    return Cohort(
        pool=pool,
        validation=tuple(_case(patient, recipe) for patient in measured),
        train_patients=tuple(p.patient for p in own),
        sha256=_sha256([*own, *measured]),
        faults=faults,
        validation_folders=tuple(folders[name] for name in split.validation),
        test=tuple(folders[name] for name in split.test),
        notes=(
            *split.notes,
            *cache.notes,
            *left_out,
            *_stripped(recipe, ready),
            *_by_hand(folders, (*split.train, *split.validation, *split.test)),
        ),
        image_sha256={p.patient: p.image_sha256 for p in own},
        mask_sha256={p.patient: p.mask_sha256 for p in own},
        train_folders={p.patient: folders[p.patient] for p in own if p.patient in folders},
    )


def _refuse_same_images(
    trained: Sequence[PreparedPatient], measured: Sequence[PreparedPatient]
) -> None:
    """Refuse one study under two names, e.g. as DICOM and converted, on both sides."""
    names = {patient.image_sha256: patient.patient for patient in measured}
    pairs = [f"{p.patient} is {names[p.image_sha256]}" for p in trained if p.image_sha256 in names]
    if pairs:
        raise ConfigError(
            f"The same images train and are measured, under two names: {', '.join(pairs)}.",
            "Take one of each pair out of the data, e.g. the DICOM files or their conversion.",
        )


def _by_hand(folders: Mapping[str, StudyFolder], names: Iterable[str]) -> tuple[str, ...]:
    """Say whose series are not those that were recognised."""
    said = ((name, chosen_words(folders[name])) for name in names)
    return tuple(f"{name}: {words}" for name, words in said if words)


def _filtered(
    config: RunConfig, patients: list[PreparedPatient]
) -> tuple[list[PreparedPatient], tuple[str, ...]]:
    """Leave out patients that no slice would be drawn from, and say which."""
    if not (config.drop_lesion_free_patients or config.drop_empty_slices):
        return patients, ()
    kept = [p for p in patients if p.mask.any()]
    dropped = [p.patient for p in patients if not p.mask.any()]
    if not kept:
        raise ConfigError(
            f"None of the {len(patients)} patients to train on has a lesion, and those without "
            "are dropped.",
            "Turn drop_lesion_free_patients and drop_empty_slices off, or add patients with a "
            "lesion.",
        )
    return kept, ((f"Without a lesion, left out: {', '.join(dropped)}.",) if dropped else ())


def _stripped(recipe: Recipe, patients: Sequence[PreparedPatient]) -> tuple[str, ...]:
    """Say what skull stripping took from the lesions, and from whose."""
    if not recipe.skull_stripping:
        return ()
    lesions = sum(p.lesion_vox for p in patients)
    blanked = sum(p.blanked_lesion_vox for p in patients)
    text = f"Skull stripping blanked {blanked} of {lesions} lesion voxels"
    hit = sorted(
        (p.blanked_lesion_vox / p.lesion_vox, p.patient) for p in patients if p.blanked_lesion_vox
    )
    if not hit:
        return (f"{text}.",)
    worst = ", ".join(f"{name} {share:.1%}" for share, name in reversed(hit[-MOST_NAMED:]))
    return (f"{text} ({blanked / lesions:.2%}); most of {worst}.",)


def _case(patient: PreparedPatient, recipe: Recipe) -> ValidationCase:
    assert patient.truth is not None, "patients are prepared for validation with their truth"
    # copies: a run of days should not hang on files that are mapped, perhaps over a network
    prepared = recipe.revive(np.array(patient.images, dtype=np.float32), patient.record)
    truth, mask = np.array(patient.truth), np.array(patient.mask)
    return ValidationCase(patient.patient, prepared, truth, mask)


def _sha256(patients: Iterable[PreparedPatient]) -> str:
    digest = hashlib.sha256()
    for patient in patients:
        digest.update(f"{patient.patient}:{patient.content_sha256};".encode())
    return digest.hexdigest()


def find_patients(config: RunConfig) -> tuple[dict[str, StudyFolder], tuple[Fault, ...]]:
    """Find patients by name, a correction in place of its original; and folders left out.

    Raises
    ------
    ConfigError
        If the config names no data.
    BrainSegError
        If a patient that it names cannot be read.
    """
    roots: list[Path] = [*config.data, *([config.corrections] if config.corrections else [])]
    if not roots and not config.phantoms:
        raise ConfigError("The config names no data.", "Give folders of patients in `data`.")
    wanted = {*(config.train_patients or ()), *(config.validation_patients or ())}
    wanted |= {*config.test_patients}
    folders: dict[str, StudyFolder] = {}
    faults: list[Fault] = []
    for root in roots:
        discovery = discover(root)
        for fault in discovery.faults:
            if fault.path.name in wanted:
                raise fault.error
            faults.append(fault)
        folders.update({folder.patient: folder for folder in discovery.folders})
    return folders, tuple(faults)
