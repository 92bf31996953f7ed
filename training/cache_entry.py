"""One prepared patient as files: arrays that can be mapped, and what describes them. No torch."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.dataset.durable import write_atomically
from training.preparation import PreparedPatient

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ENTRY", "read_entry", "remove_entry", "write_entry"]

ENTRY = "entry.json"
ARRAYS = ("images", "mask", "truth")


def write_entry(folder: Path, patient: PreparedPatient) -> None:
    """Write a patient into an empty folder; durable when it returns.

    Raises
    ------
    OSError, DataError
        If it cannot be written.
    """
    files = {}
    for name in ARRAYS:
        array = getattr(patient, name)
        if array is None:
            continue
        with (folder / f"{name}.npy").open("w+b") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
        files[name] = _fingerprint(folder / f"{name}.npy")
    facts = {
        "patient": patient.patient,
        "content": patient.content_sha256,
        "floor": patient.floor.tolist(),
        "record": patient.record,
        "lesion_vox": patient.lesion_vox,
        "blanked_lesion_vox": patient.blanked_lesion_vox,
        "image": patient.image_sha256,
        "lesion_mask": patient.mask_sha256,
        "files": files,
    }
    text = json.dumps({"crc32": _crc_of_facts(facts), "facts": facts})
    write_atomically(folder / ENTRY, text.encode())


def read_entry(folder: Path, *, check: bool = True) -> PreparedPatient:
    """Map an entry's arrays.

    Parameters
    ----------
    folder : Path
        As `write_entry` left it.
    check : bool
        Compare every file's size and checksum, which reads all of it once.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If a file is missing or damaged.
    """
    entry = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
    facts: dict[str, Any] = entry["facts"]
    if entry["crc32"] != _crc_of_facts(facts):
        raise ValueError(f"{ENTRY} does not fit its checksum")
    arrays: dict[str, NDArray[Any] | None] = dict.fromkeys(ARRAYS)
    for name, recorded in facts["files"].items():
        path = folder / f"{name}.npy"
        if check and _fingerprint(path) != recorded:
            raise ValueError(f"{path.name} does not fit its size or checksum")
        # copy on write: nothing gets to the disk, and Torch takes no read-only arrays
        arrays[name] = np.load(path, mmap_mode="c")
    return PreparedPatient(
        patient=facts["patient"],
        content_sha256=facts["content"],
        images=arrays["images"],  # type: ignore[arg-type]
        mask=arrays["mask"],  # type: ignore[arg-type]
        truth=arrays["truth"],
        floor=np.array(facts["floor"], dtype=np.float32),
        record=facts["record"],
        lesion_vox=facts["lesion_vox"],
        blanked_lesion_vox=facts["blanked_lesion_vox"],
        image_sha256=facts["image"],
        mask_sha256=facts["lesion_mask"],
    )


def remove_entry(folder: Path) -> None:
    """Remove an entry: the files it can hold, and the folder if nothing else lies in it."""
    with contextlib.suppress(OSError):
        # the description goes first: without it the rest counts for nothing
        for path in sorted(folder.iterdir(), key=lambda path: path.name != ENTRY):
            if path.suffix in (".npy", ".json") or path.name.startswith(f".{ENTRY}"):
                path.unlink()
        folder.rmdir()


def _fingerprint(path: Path) -> list[int]:
    """Size and CRC-32 of a file."""
    size = path.stat().st_size
    if size == 0:
        return [0, 0]
    return [size, zlib.crc32(np.memmap(path, dtype=np.uint8, mode="r").data)]


def _crc_of_facts(facts: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())
