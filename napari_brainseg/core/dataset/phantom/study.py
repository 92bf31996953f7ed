"""Phantom patients as studies and as kaggle_3m folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.dataset.phantom.anatomy import build_anatomy, draw_frame
from napari_brainseg.core.dataset.phantom.contrasts import acquire
from napari_brainseg.core.dataset.phantom.lesions import draw_seedlings, grow, push
from napari_brainseg.core.imaging import (
    KAGGLE_ORDER,
    ConfigError,
    Geometry,
    LabelVolume,
    Modality,
    ScalarVolume,
    Study,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["phantom_study", "write_phantoms"]

LESION_FREE_SHARE = 0.08
STRIPPED_SHARE = 0.12
MISSING_POST_SHARE = 0.09


def phantom_study(
    seed: int,
    index: int = 0,
    *,
    lesions: int | None = None,
    skull_stripped: bool | None = None,
    slices: int | None = None,
    size: int = 256,
    missing: Iterable[Modality] | None = None,
) -> Study:
    """Make one synthetic patient.

    Parameters
    ----------
    seed : int
        Seed of the series, 0 or more.
    index : int, optional
        Number of the patient in the series; the patient follows from (seed, index) alone.
    lesions : int, optional
        Number of lesions; drawn (0 to 3, mostly 1) when not given.
    skull_stripped : bool, optional
        Whether scalp and skull are black; drawn when not given.
    slices : int, optional
        Number of slices; drawn from 18 to 30 when not given.
    size : int, optional
        Rows and columns in pixels; the field of view is always 240 mm.
    missing : iterable of Modality, optional
        Sequences that were not acquired; FLAIR stands in for them, as in kaggle_3m. Drawn when
        not given.

    Returns
    -------
    Study
        Image (3, Z, Y, X) uint8 and truth (Z, Y, X): the FLAIR abnormality, lesion and oedema.

    Raises
    ------
    ConfigError
        If a number is out of range, or FLAIR itself should be missing.
    """
    for name, value, least in (
        ("seed", seed, 0),
        ("index", index, 0),
        ("lesions", lesions, 0),
        ("slices", slices, 1),
        ("size", size, 32),
    ):
        if value is not None and value < least:
            raise ConfigError(
                f"A phantom cannot have {name} {value}.", f"Give {name} of at least {least}."
            )
    gone = None if missing is None else tuple(Modality(m) for m in missing)
    if gone is not None and Modality.FLAIR in gone:
        raise ConfigError(
            "A phantom cannot lack FLAIR: it stands in for every other missing sequence.",
            f"Choose from {Modality.PRE} and {Modality.POST}.",
        )
    rng = np.random.default_rng((seed, index))
    # Every choice is drawn whether it is used or not, so that asking for one does not move the
    # others.
    drawn_slices = int(rng.integers(18, 31))
    drawn_lesions = int(rng.choice([1, 2, 3], p=[0.78, 0.16, 0.06]))
    drawn_lesions *= int(rng.random() >= LESION_FREE_SHARE)
    drawn_stripped = bool(rng.random() < STRIPPED_SHARE)
    drawn_gone: tuple[Modality, ...] = ()
    if rng.random() < MISSING_POST_SHARE:
        drawn_gone = (Modality.POST,)
        if rng.random() < 0.6:
            drawn_gone = (Modality.PRE, Modality.POST)
    count = drawn_lesions if lesions is None else lesions
    stripped = drawn_stripped if skull_stripped is None else skull_stripped
    gone = drawn_gone if gone is None else gone

    frame = draw_frame(rng, slices or drawn_slices, size)
    seedlings = draw_seedlings(rng, count, frame)
    anatomy = build_anatomy(frame, rng, push(frame, seedlings, rng.uniform(0.08, 0.32)))
    grown = [g for s in seedlings if (g := grow(s, frame, anatomy, rng)) is not None]
    image = acquire(anatomy, grown, frame, rng, skull_stripped=stripped)
    for modality in gone:
        image[KAGGLE_ORDER.index(modality)] = image[KAGGLE_ORDER.index(Modality.FLAIR)]
    truth = np.zeros(frame.shape, np.uint8)
    for lesion in grown:
        truth |= lesion.mask
    geometry = Geometry(spacing_mm=frame.spacing_mm)
    return Study(
        patient=f"PHANTOM_{seed:04d}_{index:04d}",
        image=ScalarVolume(image, KAGGLE_ORDER, geometry),
        truth=LabelVolume(truth, geometry),
        missing_modalities=tuple(m for m in KAGGLE_ORDER if m in gone),
    )


def write_phantoms(
    dest: Path,
    *,
    patients: int,
    seed: int,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a series of phantom patients as kaggle_3m folders.

    Parameters
    ----------
    dest : Path
        Root folder; made where it does not exist.
    patients : int
        Number of patients.
    seed : int
        Seed of the series.
    overwrite : bool
        Replace folders of the same names.
    progress : callable, optional
        Called with the number of patients done and asked for, after each.

    Returns
    -------
    list of Path
        The patients' folders.

    Raises
    ------
    ConfigError
        If `patients` is under 1.
    DataError
        If a folder is there already, or cannot be written.
    """
    from napari_brainseg.core.dataset.layout import write_patient

    if patients < 1:
        raise ConfigError(f"Cannot write {patients} phantoms.", "Ask for at least one.")
    folders = []
    for index in range(patients):
        study = phantom_study(seed, index)
        folders.append(
            write_patient(
                dest,
                study.patient,
                study.image,
                study.truth,
                study.slice_numbers,
                overwrite=overwrite,
                durable=False,
            )
        )
        if progress is not None:
            progress(index + 1, patients)
    return folders
