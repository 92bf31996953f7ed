"""Patients as tensors: loaded and prepared once, drawn from at random ever after."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION, draw_split
from napari_brainseg.core.formats import discover, load_study, undated
from napari_brainseg.core.imaging import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_brainseg.core.formats import Fault, StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.preprocessing import Prepared, Recipe

__all__ = ["PHANTOM_SEED", "Cohort", "SlicePool", "ValidationCase", "load_cohort"]

PHANTOM_SEED = 7_001
"""Seed of the phantoms that are trained on; those of demo and tests have others."""


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
    """Everything a run trains on and validates with."""

    pool: SlicePool
    validation: tuple[ValidationCase, ...]
    train_patients: tuple[str, ...]
    sha256: str
    """Of all images and masks, in order of the patients' names."""
    faults: tuple[Fault, ...] = ()
    """Folders that could not be read and were left out; none of them was named."""


class SlicePool:
    """All training slices on one canvas, as tensors on one device.

    Parameters
    ----------
    items : list of (ndarray (Z, C, Y, X) float32, ndarray (Z, Y, X) uint8)
        Prepared patients.
    device : torch.device
        Where to keep them.
    """

    def __init__(
        self,
        items: list[tuple[NDArray[np.float32], NDArray[np.uint8]]],
        device: torch.device,
    ) -> None:
        height = max(image.shape[2] for image, _ in items)
        width = max(image.shape[3] for image, _ in items)
        slices = sum(image.shape[0] for image, _ in items)
        channels = items[0][0].shape[1]
        # 16 bits hold a scaled intensity to a thousandth of its spread, at half the memory
        self.images = torch.empty((slices, channels, height, width), dtype=torch.float16)
        self.masks = torch.zeros((slices, height, width), dtype=torch.uint8)
        extents, owners, start = [], [], 0
        for owner, (image, mask) in enumerate(items):
            stop = start + image.shape[0]
            top, left = (height - image.shape[2]) // 2, (width - image.shape[3]) // 2
            inner = (slice(top, top + image.shape[2]), slice(left, left + image.shape[3]))
            self.images[start:stop] = torch.from_numpy(image.min(axis=(0, 2, 3)))[:, None, None]
            self.images[start:stop, :, inner[0], inner[1]] = torch.from_numpy(image).half()
            self.masks[start:stop, inner[0], inner[1]] = torch.from_numpy(mask)
            extents += [image.shape[2:]] * image.shape[0]
            owners += [owner] * image.shape[0]
            start = stop
        self.extents = torch.tensor(extents)
        self._owners = torch.tensor(owners)
        lesion = self.masks.flatten(1).any(dim=1)
        self._lesions_of = [
            torch.nonzero(lesion & (self._owners == owner)).flatten() for owner in range(len(items))
        ]
        self._lesions_of = [index for index in self._lesions_of if index.numel()]
        self.images, self.masks = self.images.to(device), self.masks.to(device)

    def __len__(self) -> int:
        return int(self.extents.shape[0])

    def draw(self, batch: int, lesion_share: float, generator: torch.Generator) -> Tensor:
        """Draw slice numbers (batch,).

        A share comes from slices with a lesion, the patient drawn first so that a large lesion
        does not count more than a small one; the rest uniformly from all slices.
        """
        index = torch.randint(len(self), (batch,), generator=generator)
        if self._lesions_of:
            for i in range(round(batch * lesion_share)):
                patient = int(torch.randint(len(self._lesions_of), (1,), generator=generator))
                own = self._lesions_of[patient]
                index[i] = own[torch.randint(own.numel(), (1,), generator=generator)]
        return index


def load_cohort(config: RunConfig, recipe: Recipe, device: torch.device) -> Cohort:
    """Find, split, load and prepare the patients of a run.

    Raises
    ------
    ConfigError
        If patients are named that are not there, or training and validation overlap.
    DataError
        If a patient cannot be read or has no mask.
    """
    folders, faults = _find(config)
    train, validation = _split(config, folders)
    digest = hashlib.sha256()
    items: list[tuple[NDArray[np.float32], NDArray[np.uint8]]] = []
    cases: list[ValidationCase] = []

    def prepare(study: Study) -> tuple[Study, Prepared, NDArray[np.uint8]]:
        if study.truth is None:
            raise DataError(
                f"{study.patient} has no masks, so nothing can be learned from it ({study.path}).",
                "Leave it out of the training patients, or correct and export it first.",
            )
        prepared = recipe.prepare(study.image.data, spacing_mm=study.image.geometry.spacing_mm)
        return study, prepared, prepared.prepare_mask(study.truth.data)

    def from_folder(name: str) -> tuple[Study, Prepared, NDArray[np.uint8]]:
        return prepare(load_study(folders[name], workers=1))

    def from_phantom(index: int) -> tuple[Study, Prepared, NDArray[np.uint8]]:
        from napari_brainseg.core.dataset.phantom import phantom_study

        return prepare(phantom_study(PHANTOM_SEED, index))

    with ThreadPoolExecutor(config.threads or 4) as pool:
        ready = [*pool.map(from_folder, train), *pool.map(from_phantom, range(config.phantoms))]
        for study, prepared, mask in ready:
            _digest(digest, study)
            items.append((prepared.data, mask))
        for study, prepared, mask in pool.map(from_folder, validation):
            _digest(digest, study)
            truth = study.truth.data if study.truth is not None else mask
            cases.append(ValidationCase(study.patient, prepared, truth, mask))
    names = (*train, *(study.patient for study, _, _ in ready[len(train) :]))
    return Cohort(SlicePool(items, device), tuple(cases), names, digest.hexdigest(), faults)


def _find(config: RunConfig) -> tuple[dict[str, StudyFolder], tuple[Fault, ...]]:
    """Patients by name, a correction in place of its original; and folders left out."""
    roots: list[Path] = [*config.data, *([config.corrections] if config.corrections else [])]
    if not roots and not config.phantoms:
        raise ConfigError("The config names no data.", "Give folders of patients in `data`.")
    wanted = {*(config.train_patients or ()), *(config.validation_patients or ())}
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


def _split(
    config: RunConfig, folders: dict[str, StudyFolder]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    locked = {undated(p) for p in config.locked_patients}
    if config.lock_reference:
        locked |= {undated(p) for p in REFERENCE_VALIDATION}
    named = [*(config.train_patients or ()), *(config.validation_patients or ())]
    absent = sorted(set(named) - set(folders))
    if absent:
        raise ConfigError(
            f"Patients named in the config are not in the data: {', '.join(absent)}.",
            "Check their names, and the folders in `data` and `corrections`.",
        )
    free = sorted(p for p in folders if undated(p) not in locked)
    if config.validation_patients is not None:
        validation = config.validation_patients
    elif config.train_patients is not None or not free:
        validation = ()
    else:
        validation = draw_split(free, seed=config.seed, share=config.validation_share).validation
    held = {undated(p) for p in validation}
    train = config.train_patients
    if train is None:
        train = tuple(p for p in free if undated(p) not in held)
    leaked = _overlap(train, held) + _overlap(train, locked)
    if leaked:
        raise ConfigError(
            f"Patients to train on are also validation or locked patients: {', '.join(leaked)}.",
            "A patient is either trained on or measured with, never both.",
        )
    if not train and not config.phantoms:
        raise ConfigError("No patient is left to train on.", "Add patients, or lock fewer of them.")
    return tuple(train), tuple(validation)


def _overlap(patients: Iterable[str], keys: set[str]) -> list[str]:
    return sorted(p for p in patients if undated(p) in keys)


def _digest(digest: hashlib._Hash, study: Study) -> None:
    digest.update(study.patient.encode())
    digest.update(np.ascontiguousarray(study.image.data).data)
    if study.truth is not None:
        digest.update(np.ascontiguousarray(study.truth.data).data)
