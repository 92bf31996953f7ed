"""Every mask that was ever exported, by the hash of what it holds, and images that were replaced.

They lie in ``.versions`` of a training set and are never changed, so that any past state of the
set can be made again, see `rebuild`.
"""

from __future__ import annotations

import io
import os
import shutil
import uuid
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.dataset.durable import sync_folder, write_atomically
from napari_brainseg.core.dataset.hashing import sha256_of_arrays
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["VERSIONS_NAME", "has_mask", "keep_images", "keep_mask", "kept_images", "load_mask"]

VERSIONS_NAME = ".versions"


def keep_mask(training_set: Path, mask: NDArray[np.uint8]) -> str:
    """Keep a mask, read it back, and return its hash.

    Parameters
    ----------
    training_set : Path
        Its folder.
    mask : ndarray of uint8, shape (Z, Y, X)
        Zeros and ones. Some 60 slices take 10 kB.

    Raises
    ------
    DataError
        If it cannot be written, or reads back differently.
    """
    digest = sha256_of_arrays(mask)
    if has_mask(training_set, digest) and _is_sound(training_set, digest):
        return digest
    packed = io.BytesIO()
    np.savez_compressed(packed, bits=np.packbits(mask.reshape(-1)), shape=np.asarray(mask.shape))
    write_atomically(_mask_path(training_set, digest), packed.getvalue())
    load_mask(training_set, digest)
    return digest


def has_mask(training_set: Path, digest: str) -> bool:
    """Whether a mask of this hash was kept."""
    return _mask_path(training_set, digest).is_file()


def load_mask(training_set: Path, digest: str) -> NDArray[np.uint8]:
    """Read a kept mask, uint8 of shape (Z, Y, X).

    Raises
    ------
    DataError
        If it was not kept, cannot be read, or is not what was kept.
    """
    path = _mask_path(training_set, digest)
    hint = "Restore the file from a backup of the workspace."
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            shape = tuple(int(n) for n in file["shape"])
            mask = np.unpackbits(file["bits"], count=int(np.prod(shape))).reshape(shape)
    except FileNotFoundError as error:
        raise DataError(f"The mask {path} is missing.", hint) from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"The mask {path} cannot be read: {error}.", hint) from error
    if sha256_of_arrays(mask) != digest:
        raise DataError(f"The mask {path} was changed: its hash differs from its name.", hint)
    return mask


def keep_images(training_set: Path, patient: str, image_sha256: str) -> None:
    """Keep a patient's export with its images, which stays where it is.

    By hard links where the disk has them, so that it takes no room.

    Raises
    ------
    DataError
        If it cannot be kept.
    """
    source, target = training_set / patient, _image_path(training_set, patient, image_sha256)
    if not source.is_dir() or target.is_dir():
        return
    scratch = target.with_name(f".{patient}.{uuid.uuid4().hex[:8]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(source, scratch, copy_function=_link)
            scratch.replace(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise DataError(
            f"Cannot keep {source} in {target}: {error.strerror or error}.",
            "Check permissions and free space.",
        ) from error


def kept_images(training_set: Path, patient: str, image_sha256: str) -> Path | None:
    """Folder with the images of an earlier export, `None` if they were not kept."""
    path = _image_path(training_set, patient, image_sha256)
    return path if path.is_dir() else None


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _is_sound(training_set: Path, digest: str) -> bool:
    try:
        load_mask(training_set, digest)
    except DataError:
        # Written once more, and read back then.
        return False
    return True


def _mask_path(training_set: Path, digest: str) -> Path:
    return training_set / VERSIONS_NAME / "masks" / f"{digest}.npz"


def _image_path(training_set: Path, patient: str, image_sha256: str) -> Path:
    return training_set / VERSIONS_NAME / "images" / image_sha256 / patient
