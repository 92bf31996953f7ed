"""Who corrected what, when and from which model: ``manifest.jsonl`` of a training set."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from napari_brainseg import __version__
from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.file_lock import file_lock
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MANIFEST_NAME",
    "ManifestEntry",
    "append_entry",
    "current_entries",
    "manifest_lines",
    "read_manifest",
]

MANIFEST_NAME = "manifest.jsonl"

_HEX = r"^[0-9a-f]{64}$"
_SHA256 = Field(pattern=_HEX)
_LOCK = ".manifest.lock"


def _now() -> datetime:
    return datetime.now().astimezone()


class ManifestEntry(BaseModel):
    """One exported correction, or its withdrawal.

    Fields with a default came later: lines of earlier versions lack them.
    """

    # Fields of a later version are left alone, so that an older one can still read the set.
    model_config = ConfigDict(extra="ignore", frozen=True)

    patient: str = Field(min_length=1, description="Name of the study, with its date")
    source: Path | None = Field(
        description="Where the study was read from; none for DICOM, whose paths may name patients"
    )
    withdrawn: bool = Field(
        default=False, description="The patient left the training set; the rest is as exported"
    )
    created: AwareDatetime = Field(
        default_factory=_now, description="Time of the export, or of the withdrawal"
    )
    started: AwareDatetime | None = Field(default=None, description="Begin of the correction")
    editor: str = Field(min_length=1, description="Who signs the correction")
    second_reader: str | None = Field(default=None, description="Who read it as well, if any")
    note: str = Field(default="", description="Of who signed, in words")
    findings: tuple[str, ...] = Field(
        default=(), description="What the checks found and was let pass"
    )
    base_model: str | None = Field(description="Version of the model that was corrected, if any")
    correction_base: Literal["prediction", "truth", "empty"] = Field(
        description="What the correction started from"
    )
    image_sha256: str = _SHA256
    mask_sha256: str = _SHA256
    base_mask_sha256: str | None = Field(
        default=None, pattern=_HEX, description="Of the mask that the correction started from"
    )
    original_mask_sha256: str | None = Field(
        default=None, pattern=_HEX, description="Of the ground truth, if any"
    )
    voxels_added: int = Field(ge=0, description="Against the correction's base")
    voxels_removed: int = Field(ge=0, description="Against the correction's base")
    strokes: int = Field(ge=0, description="Strokes that stand, undone ones not counted")
    seconds: float = Field(ge=0, description="Time spent editing")
    tools: dict[str, int] = Field(
        default_factory=dict, description="Strokes that stand, by the tool that made them"
    )
    slices_touched: int | None = Field(
        default=None, ge=0, description="Slices in which mask and base differ"
    )
    workspace_id: str | None = Field(default=None, description="Of the catalogue")
    correction_id: int | None = Field(default=None, description="Of the correction in it")
    software_version: str = Field(default=__version__, description="Of napari-brainseg")


def append_entry(training_set: Path, entry: ManifestEntry) -> None:
    """Add an entry; the file is replaced as a whole and durable when this returns.

    Earlier lines are kept byte by byte. Other programs may do the same at the same time: a lock
    file makes them wait for each other.

    Raises
    ------
    DataError
        If the manifest is damaged or cannot be written; it stays as it was then.
    """
    with file_lock(training_set / _LOCK):
        content = _content(training_set)
        _parse(training_set / MANIFEST_NAME, content)
        if content and not content.endswith(b"\n"):
            content += b"\n"
        line = entry.model_dump_json().encode() + b"\n"
        write_atomically(training_set / MANIFEST_NAME, content + line)


def read_manifest(training_set: Path) -> tuple[ManifestEntry, ...]:
    """Read all entries, oldest first; none where there is no manifest.

    Raises
    ------
    DataError
        If the file cannot be read or a line is no entry; the message names the line.
    """
    return _parse(training_set / MANIFEST_NAME, _content(training_set))


def manifest_lines(training_set: Path) -> tuple[tuple[bytes, ManifestEntry], ...]:
    """Read all entries with their lines as they stand in the file; see `read_manifest`."""
    lines = [line for line in _content(training_set).splitlines() if line.strip()]
    return tuple(zip(lines, read_manifest(training_set), strict=True))


def current_entries(
    source: Path | Iterable[ManifestEntry],
) -> dict[str, ManifestEntry]:
    """Return the latest entry of each patient, sorted by patient; without withdrawn ones.

    Parameters
    ----------
    source : Path or iterable of ManifestEntry
        The training set, or what `read_manifest` gave.
    """
    entries = read_manifest(source) if isinstance(source, Path) else source
    latest = {entry.patient: entry for entry in entries}
    return {name: entry for name, entry in sorted(latest.items()) if not entry.withdrawn}


def _content(training_set: Path) -> bytes:
    path = training_set / MANIFEST_NAME
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DataError(
            f"The manifest {path} cannot be read: {error.strerror or error}.",
            "Check permissions.",
        ) from error


def _parse(path: Path, content: bytes) -> tuple[ManifestEntry, ...]:
    entries = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entries.append(ManifestEntry.model_validate_json(line))
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'line'}: {fault['msg']}"
                for fault in error.errors()
            )
            raise DataError(
                f"Line {number} of the manifest {path} is no entry ({faults}).",
                "Restore the file from a backup, or take the line out.",
            ) from error
    return tuple(entries)
