"""A patient's DICOM series as a study."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_brainseg.core.formats.assembly import Loaded, assemble
from napari_brainseg.core.formats.dicom.about import attributes_of, identity_of
from napari_brainseg.core.formats.dicom.enhanced import frames_of
from napari_brainseg.core.formats.dicom.files import text
from napari_brainseg.core.formats.dicom.frame_volumes import frame_volumes
from napari_brainseg.core.formats.dicom.pixels import (
    Reach,
    dtype_of,
    fill_padding,
    read_frames,
)
from napari_brainseg.core.formats.dicom.quiet import quiet
from napari_brainseg.core.formats.dicom.stack import Stack, build_stack
from napari_brainseg.core.imaging import (
    AS_STORED,
    DataError,
    FrameRef,
    Modality,
    SourceGrid,
    upright,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    from napari_brainseg.core.formats.dicom.frames import Frame
    from napari_brainseg.core.formats.kaggle3m import StudyFolder
    from napari_brainseg.core.imaging import SeriesInfo, Study

__all__ = ["load_dicom", "load_series"]

_T = TypeVar("_T")
_R = TypeVar("_R")

_READERS = min(8, (os.cpu_count() or 1) + 2)
"""Threads by default: a few more than cores, so that a slow disk or network is kept busy."""


def load_dicom(folder: StudyFolder, *, workers: int | None = None) -> Study:
    """Read the series of a patient that have a role.

    Parameters
    ----------
    folder : StudyFolder
        From discovery. Where no series was recognised, the longest one is shown in place of
        the sequence before contrast.
    workers : int, optional
        Reading threads.

    Returns
    -------
    Study
        On the grid of FLAIR.

    Raises
    ------
    DataError
        If a file is broken or compressed in a way that cannot be read here, a series is in
        colour, or there is none.
    """
    said: list[str] = []
    if not folder.roles:
        folder = _with_stand_in(folder, said)
    loaded: dict[Modality, Loaded] = {}
    about: dict[Modality, Dataset] = {}
    with quiet():
        for modality, key in folder.roles:
            loaded[modality], about[modality] = _load(folder.find(key), workers)
        first = about.get(Modality.FLAIR) or next(iter(about.values()))
        study = assemble(
            folder,
            loaded,
            attributes=attributes_of(first),
            identity=identity_of(first),
            warnings=said,
        )
    loaded.clear()
    return _with_truth(folder, study) if folder.truth else study


def load_series(series: SeriesInfo, *, workers: int | None = None) -> Loaded:
    """Read one series, upright, in real values.

    Raises
    ------
    DataError
        As `load_dicom`.
    """
    with quiet():
        return _load(series, workers)[0]


def _with_stand_in(folder: StudyFolder, said: list[str]) -> StudyFolder:
    images = [series for series in folder.series if not series.is_mask]
    if not images:
        raise DataError(
            f"{folder.patient} in {folder.path} has no image series.",
            "Open the folder that holds the images.",
        )
    best = max(images, key=lambda series: series.slices)
    said.append(
        f"No series was recognised as FLAIR or T1; {best.description or 'the longest one'} is "
        f"shown as {Modality.PRE}. Choose which series is which."
    )
    return folder.with_roles({Modality.PRE: best.key})


def _with_truth(folder: StudyFolder, study: Study) -> Study:
    """Add the ground truth of the folder; a fault in it must not keep the images away."""
    from napari_brainseg.core.formats.masks import read_mask

    series = folder.find(folder.truth)
    try:
        truth = read_mask(series.files[0], study)
    except DataError as error:
        return replace(study, warnings=(*study.warnings, f"No ground truth: {error}"))
    return replace(study, truth=truth)


def _load(series: SeriesInfo, workers: int | None) -> tuple[Loaded, Dataset]:
    headers = _each(frames_of, series.files, workers)
    if not headers:
        raise DataError(f"The series {series.description or series.key} has no files.")
    found = [frame for frames, _ in headers for frame in frames]
    stack = build_stack(found if series.part is None else _part(found, series))
    first = stack.there[0]
    shape = (len(stack.frames), first.pixels.rows, first.pixels.columns)
    turned, affine = AS_STORED, None
    if stack.affine_lps is not None:
        turned, affine = upright(stack.affine_lps, shape)
    a, b, c = turned.axes
    try:
        data = np.empty((shape[a], shape[b], shape[c]), dtype_of(stack.there))
        _fill(stack, turned.undo(data), workers)
    except MemoryError as error:
        raise DataError(
            f"The series {series.description or series.key} in {first.path.parent} has {shape[0]} "
            f"slices of {shape[1]} x {shape[2]} pixels, too many for the memory of this computer.",
            "Close other programs, or choose another series.",
        ) from error
    dataset = next(d for frames, d in headers if frames[0].path == first.path)
    grid = SourceGrid(
        shape=shape,
        affine_lps=stack.affine_lps,
        reorientation=turned,
        path=first.path.parent,
        frames=tuple(
            None if frame is None else FrameRef(frame.path, frame.sop_instance_uid, frame.index)
            for frame in stack.frames
        ),
        series_uid=text(dataset, "SeriesInstanceUID"),
    )
    loaded = Loaded(
        data=data,
        affine_lps=affine,
        grid=grid,
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        warnings=stack.warnings,
        spacing_mm=stack.spacing_mm,
    )
    return loaded, dataset


def _part(frames: list[Frame], series: SeriesInfo) -> list[Frame]:
    volumes = frame_volumes(frames)
    if series.part is None or series.part >= len(volumes):
        raise DataError(
            f"{series.files[0]} has {len(volumes)} volumes, fewer than when it was found.",
            "Open the study again.",
        )
    return volumes[series.part]


def _fill(stack: Stack, stored: NDArray[Any], workers: int | None) -> None:
    """Read the pixels of a stack into an array (slices, rows, columns)."""
    by_file: dict[Path, list[tuple[Frame, NDArray[Any]]]] = {}
    for frame, plane in zip(stack.frames, stored, strict=True):
        if frame is not None:
            by_file.setdefault(frame.path, []).append((frame, plane))
    reaches: list[Reach] = []
    for found in _each(lambda item: read_frames(*item), by_file.items(), workers):
        reaches.extend(found)
    low = min(reach.low for reach in reaches)
    high = max(reach.high for reach in reaches)
    low, high = (low, high) if low <= high else (0.0, 0.0)
    if any(reach.padded for reach in reaches):
        for frame, plane in zip(stack.frames, stored, strict=True):
            if frame is not None:
                fill_padding(frame, plane, low, high)
    for frame, plane in zip(stack.frames, stored, strict=True):
        if frame is None:
            plane[...] = low


def _each(work: Callable[[_T], _R], items: Iterable[_T], workers: int | None) -> list[_R]:
    """Call `work` for each in parallel; the first that fails decides the error."""
    if workers == 1:
        return [work(item) for item in items]
    pool = ThreadPoolExecutor(workers or _READERS, thread_name_prefix="brainseg-dicom")
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(cancel_futures=True)
