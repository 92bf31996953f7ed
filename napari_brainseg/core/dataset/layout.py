"""Patients written in kaggle_3m layout, each wholly or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.durable import sync_folder
from napari_brainseg.core.dataset.file_lock import BusyError, file_lock
from napari_brainseg.core.imaging import KAGGLE_ORDER, DataError, LabelVolume, ScalarVolume
from napari_brainseg.core.imaging.unwritable import unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Geometry

__all__ = ["EXPORT_LOCK", "place_folder", "recover", "remove_patient", "write_patient"]

EXPORT_LOCK = ".export.lock"
"""Name of the lock file in a folder of patients that several programs write to."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LEFTOVER = re.compile(r"\.(?P<patient>.+)\.(?P<kind>new|old)-[0-9a-f]{8}")
_LESION = 255
"""Value of a lesion voxel in a mask file."""
_WRITERS = 4
"""Threads that write slices: waiting for the disk dominates."""


def write_patient(
    root: Path,
    patient: str,
    image: ScalarVolume | NDArray[np.uint8] | None,
    mask: LabelVolume | NDArray[np.uint8] | None,
    slice_numbers: Sequence[int],
    *,
    overwrite: bool = False,
    durable: bool = True,
    check: Callable[[Path], None] | None = None,
    record: Callable[[], None] | None = None,
    geometry: Geometry | None = None,
) -> Path:
    """Write ``root/PATIENT/PATIENT_N.tif`` and ``PATIENT_N_mask.tif`` for every slice.

    The slices go to a hidden folder beside the patient's, which then takes its name: a reader
    sees the old patient or the new one, never half of one.

    Parameters
    ----------
    root : Path
        Folder of patients; made where missing.
    patient : str
        Name of folder and files: letters, digits, ``.``, ``_`` and ``-``.
    image : ScalarVolume or ndarray of uint8, shape (3, Z, Y, X), or None
        Intensities in `KAGGLE_ORDER`; left out where ``None``.
    mask : LabelVolume or ndarray of 0 and 1, shape (Z, Y, X), or None
        Written as 0 and 255; left out where ``None``.
    slice_numbers : sequence of int, length Z
        Number of each slice, not negative.
    overwrite : bool
        Replace the patient's folder, with all that it holds, if there is one.
    durable : bool
        Wait until the disk has everything. Data that can be made again need not wait.
    check : callable, optional
        Gets the finished folder before it takes the patient's place. What it raises is passed
        on, and nothing is changed.
    record : callable, optional
        Called when the patient stands. What it raises is passed on, and the patient is as it was
        before.
    geometry : Geometry, optional
        Written beside the slices where it has a spacing; see `core.formats.sidecar`.

    Returns
    -------
    Path
        The patient's folder.

    Raises
    ------
    DataError
        If an argument does not fit the layout, the patient is there already, or the place
        cannot be written; nothing is changed then.
    """
    planes, lesions = _image_planes(patient, image), _mask_planes(patient, mask)
    _check(patient, planes, lesions, slice_numbers)

    def write(scratch: Path) -> None:
        _write_slices(scratch, patient, planes, lesions, slice_numbers, durable)
        if geometry is not None:
            _write_geometry(scratch, geometry, planes, lesions, durable)
        if check is not None:
            check(scratch)

    return place_folder(root, patient, write, overwrite=overwrite, durable=durable, record=record)


def place_folder(
    root: Path,
    patient: str,
    write: Callable[[Path], None],
    *,
    overwrite: bool = False,
    durable: bool = True,
    record: Callable[[], None] | None = None,
) -> Path:
    """Fill a patient's folder with files of any kind: a reader sees all of it or nothing.

    Parameters
    ----------
    root : Path
        Folder of patients; made where missing.
    patient : str
        Name of the folder.
    write : callable
        Gets an empty hidden folder beside the patient's, which takes its name afterwards. What it
        raises is passed on, and nothing is changed.
    overwrite, durable, record
        As in `write_patient`.

    Returns
    -------
    Path
        The patient's folder.

    Raises
    ------
    DataError
        If the patient is there already, or the place cannot be written; nothing is changed then.
    """
    target = root / patient
    try:
        root.mkdir(parents=True, exist_ok=True)
        _recover(root, patient)
        if target.exists() and not overwrite:
            raise DataError(
                f"There is a patient {patient} in {root} already.",
                "Choose another folder, or ask for it to be overwritten.",
            )
        scratch = root / f".{patient}.new-{uuid.uuid4().hex[:8]}"
        try:
            scratch.mkdir()
            write(scratch)
            _swap(scratch, target, record)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        if durable:
            sync_folder(root)
    except OSError as error:
        raise unwritable(f"the patient {patient} to {root}", root, error) from error
    return target


def remove_patient(root: Path, patient: str) -> None:
    """Remove a patient's folder: a reader sees all of it or nothing.

    Raises
    ------
    DataError
        If it cannot be removed.
    """
    target = root / patient
    if not target.is_dir():
        return
    # `recover` takes it for a half-written patient if this is cut off.
    scratch = root / f".{patient}.new-{uuid.uuid4().hex[:8]}"
    try:
        target.replace(scratch)
        shutil.rmtree(scratch)
        sync_folder(root)
    except OSError as error:
        raise DataError(
            f"Cannot remove {target}: {error.strerror or error}.", "Check permissions."
        ) from error


def recover(root: Path) -> None:
    """Tidy up after a write that was cut off, e.g. by a power failure.

    A patient that was about to be replaced comes back; half-written ones are removed. So does one
    that was replaced already, if the manifest of `root` still tells of the one before. Nothing is
    done while another program holds `EXPORT_LOCK`; otherwise nobody may be writing to `root`.

    Raises
    ------
    DataError
        If the folder cannot be changed.
    """
    lock = root / EXPORT_LOCK
    try:
        # Where nothing was ever exported there is no lock, and none is made.
        with file_lock(lock, patience_s=0.0) if lock.exists() else contextlib.nullcontext():
            _recover(root, None)
    except BusyError:
        return
    except OSError as error:
        raise DataError(
            f"Cannot tidy up {root}: {error.strerror or error}.", "Check permissions."
        ) from error


def _recover(root: Path, patient: str | None) -> None:
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        match = _LEFTOVER.fullmatch(path.name)
        if match is None or patient not in (None, match["patient"]):
            continue
        target = root / match["patient"]
        if match["kind"] == "old" and not target.exists():
            path.replace(target)
        elif match["kind"] == "old" and _tells_of(root, match["patient"], path, target):
            unrecorded = target.with_name(f".{target.name}.new-{uuid.uuid4().hex[:8]}")
            target.replace(unrecorded)
            path.replace(target)
            shutil.rmtree(unrecorded)
        else:
            shutil.rmtree(path)


def _tells_of(root: Path, patient: str, old: Path, new: Path) -> bool:
    """Whether a manifest, if there is one, tells of the old folder and not of the new one."""
    from napari_brainseg.core.dataset.hashing import mask_sha256
    from napari_brainseg.core.dataset.manifest import current_entries
    from napari_brainseg.core.formats import load_masks

    try:
        entry = current_entries(root).get(patient)
        if entry is None or mask_sha256(load_masks(new)[0]) == entry.mask_sha256:
            return False
        return mask_sha256(load_masks(old)[0]) == entry.mask_sha256
    except DataError:
        # What cannot be read cannot speak for the old one.
        return False


def _swap(scratch: Path, target: Path, record: Callable[[], None] | None) -> None:
    """Put a finished folder in place of another; if that or `record` fails, the other is back."""
    old = target.with_name(f".{target.name}.old-{uuid.uuid4().hex[:8]}")
    is_new = not target.exists()
    if not is_new:
        target.replace(old)
    try:
        scratch.replace(target)
        if record is not None:
            record()
    except BaseException:
        if target.exists():
            target.replace(scratch)
        if not is_new:
            old.replace(target)
        raise
    if is_new:
        return
    # The new patient stands; what is left of the old one, `recover` removes later.
    shutil.rmtree(old, ignore_errors=True)


def _write_slices(
    folder: Path,
    patient: str,
    planes: NDArray[np.uint8] | None,
    lesions: NDArray[np.uint8] | None,
    slice_numbers: Sequence[int],
    durable: bool,
) -> None:
    def write(z: int) -> None:
        stem = f"{patient}_{slice_numbers[z]}"
        if planes is not None:
            _write_tiff(folder / f"{stem}.tif", planes[z], "rgb", durable)
        if lesions is not None:
            _write_tiff(folder / f"{stem}_mask.tif", lesions[z], "minisblack", durable)

    pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="brainseg-write")
    try:
        list(pool.map(write, range(len(slice_numbers))))
    finally:
        pool.shutdown(cancel_futures=True)
    if durable:
        sync_folder(folder)


def _write_geometry(
    folder: Path,
    geometry: Geometry,
    planes: NDArray[np.uint8] | None,
    lesions: NDArray[np.uint8] | None,
    durable: bool,
) -> None:
    from napari_brainseg.core.formats.sidecar import GEOMETRY_FILE, geometry_json

    volume = planes if lesions is None else lesions
    assert volume is not None
    content = geometry_json(geometry, (volume.shape[0], volume.shape[1], volume.shape[2]))
    if content is not None:
        _write_file(folder / GEOMETRY_FILE, content, durable)


def _write_tiff(path: Path, data: NDArray[np.uint8], photometric: str, durable: bool) -> None:
    import tifffile

    # In memory first: on a full disk tifffile stops in the middle of a slice and does not tell.
    content = io.BytesIO()
    # No software tag and no description: the same slice always gives the same bytes.
    tifffile.imwrite(content, data, photometric=photometric, metadata=None, software=False)
    _write_file(path, content.getbuffer(), durable)


def _write_file(path: Path, content: bytes | memoryview, durable: bool) -> None:
    with path.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _image_planes(
    patient: str, image: ScalarVolume | NDArray[np.uint8] | None
) -> NDArray[np.uint8] | None:
    """Bring an image to (Z, Y, X, C)."""
    if image is None:
        return None
    if isinstance(image, ScalarVolume) and image.modalities != KAGGLE_ORDER:
        raise DataError(
            f"{patient}: the channels are {', '.join(image.modalities)}; "
            f"kaggle_3m holds {', '.join(KAGGLE_ORDER)}.",
            "Bring the channels into this order.",
        )
    data: NDArray[Any] = image.data if isinstance(image, ScalarVolume) else image
    if data.ndim != 4 or data.shape[0] != len(KAGGLE_ORDER) or data.dtype != np.uint8:
        raise DataError(
            f"{patient}: the image has shape {data.shape} and dtype {data.dtype}; kaggle_3m "
            f"holds ({len(KAGGLE_ORDER)}, Z, Y, X) of uint8.",
            "Scale the volume to 0-255 and give its three channels.",
        )
    return np.ascontiguousarray(data.transpose(1, 2, 3, 0))


def _mask_planes(
    patient: str, mask: LabelVolume | NDArray[np.uint8] | None
) -> NDArray[np.uint8] | None:
    """Bring a mask to (Z, Y, X) of 0 and 255."""
    if mask is None:
        return None
    if not isinstance(mask, LabelVolume) and mask.dtype.kind not in "bui":
        raise DataError(
            f"{patient}: the mask holds {mask.dtype} values; expected 0 and 1.",
            "Apply the threshold first.",
        )
    try:
        labels = mask if isinstance(mask, LabelVolume) else LabelVolume(mask)
    except DataError as error:
        raise DataError(f"{patient}: {error.message}", error.hint) from error
    return labels.data * np.uint8(_LESION)


def _check(
    patient: str,
    planes: NDArray[np.uint8] | None,
    lesions: NDArray[np.uint8] | None,
    slice_numbers: Sequence[int],
) -> None:
    if _NAME.fullmatch(patient) is None:
        raise DataError(
            f"The patient name {patient!r} cannot name a folder.",
            "Use letters, digits, '.', '_' and '-'; begin with a letter or digit.",
        )
    shapes = [volume.shape[:3] for volume in (planes, lesions) if volume is not None]
    if not shapes:
        raise DataError(f"{patient}: there is neither image nor mask to write.")
    if len(set(shapes)) > 1:
        raise DataError(
            f"{patient}: the mask has shape {shapes[1]}, the image {shapes[0]}.",
            "Give both on the same grid.",
        )
    numbers = list(slice_numbers)
    if len(numbers) != shapes[0][0] or len(set(numbers)) != len(numbers) or min(numbers) < 0:
        raise DataError(
            f"{patient}: {shapes[0][0]} slices need as many different slice numbers from 0 up; "
            f"given: {numbers}.",
            "Give one number a slice.",
        )
