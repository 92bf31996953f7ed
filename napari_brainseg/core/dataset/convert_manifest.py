"""What a converted folder remembers of its source: ``manifest.json``, enough for the way back."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
)

from napari_brainseg import __version__
from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.file_lock import file_lock
from napari_brainseg.core.imaging import DataError, Modality, Reorientation, SourceGrid, StudyFormat

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CONVERSION_MANIFEST",
    "Channel",
    "ConvertedPatient",
    "Scale",
    "StoredGrid",
    "Target",
    "enter",
    "read_conversion",
]

CONVERSION_MANIFEST = "manifest.json"
"""Name of the file in a folder of converted patients."""

Target = Literal["kaggle_3m", "nifti", "png"]

_SCHEMA = 1
_LOCK = ".manifest.lock"


def _plain(name: str) -> str:
    """Let pass only what names a file in a folder, nothing that leads out of it."""
    if not name or name in (".", "..") or any(sign in name for sign in "/\\\0"):
        raise ValueError(f"{name!r} is no plain file name")
    return name


PlainName = Annotated[str, AfterValidator(_plain)]
_Row = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
_Matrix = tuple[_Row, _Row, _Row, _Row]
_Shape = tuple[
    Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
]
_SHA256 = Field(pattern=r"^[0-9a-f]{64}$")


class _Entry(BaseModel):
    # Fields of a later version are left alone.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Scale(_Entry):
    """Line from stored whole numbers to the source's intensities."""

    low: FiniteFloat = Field(description="Intensity that is stored as 0")
    high: FiniteFloat = Field(description="Intensity that is stored as `levels`")
    levels: Literal[255, 65535] = Field(description="Highest number that can be stored")
    exact: bool = Field(description="Whether every intensity comes back as it was")

    @property
    def step(self) -> float:
        """Difference of intensity between two neighbouring stored numbers."""
        return (self.high - self.low) / self.levels


class Channel(_Entry):
    """One modality."""

    modality: Modality
    written: bool = Field(description="Whether it has voxels of its own in the converted files")
    fill: int | None = Field(
        default=None, ge=0, le=255,
        description="Without voxels of its own: the value of the blank channel; else FLAIR's copy",
    )  # fmt: skip
    dtype: str = Field(
        pattern=r"^[<>|=]?[a-z][0-9]{1,2}$", description="numpy's name, of the source's intensities"
    )
    scale: Scale | None = Field(default=None, description="None where stored as they are")
    source_file: PlainName | None = Field(default=None, description="NIfTI: name of its file")
    sha256: str = _SHA256


class StoredGrid(_Entry):
    """How the source's files store the volume; see `core.imaging.SourceGrid`."""

    shape: _Shape
    affine_lps: _Matrix | None
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, grid: SourceGrid) -> StoredGrid:
        """Take over what is no path and no UID."""
        turn = grid.reorientation
        return cls.model_validate(
            {
                "shape": grid.shape,
                "affine_lps": grid.affine_lps,
                "axes": turn.axes,
                "flips": turn.flips,
            }
        )

    def grid(self) -> SourceGrid:
        """As the formats take it."""
        return SourceGrid(self.shape, self.affine_lps, Reorientation(self.axes, self.flips))


class ConvertedPatient(_Entry):
    """One patient: what it was converted from, and into what."""

    name: PlainName = Field(description="Of its folder here")
    to: Target
    bare: bool = Field(
        default=False,
        description="NIfTI: file names without the patient's, which would read as a sequence",
    )
    format: StudyFormat = Field(description="Of the source")
    source_name: PlainName | None = Field(
        default=None, description="Name in the source; None where it may tell who the patient is"
    )
    identity: dict[str, str] = Field(
        default_factory=dict, description="Who the patient is: only if it was asked for"
    )
    shape: _Shape = Field(description="(Z, Y, X) in voxels, upright")
    spacing_mm: tuple[FiniteFloat, FiniteFloat, FiniteFloat] | None
    affine_lps: _Matrix | None = Field(description="From upright index (z, y, x) to LPS, mm")
    stored: StoredGrid | None = Field(default=None, description="The source's grid")
    slice_numbers: tuple[int, ...]
    source_names: dict[PlainName, PlainName] = Field(
        default_factory=dict,
        description="kaggle_3m: PATIENT_N.tif to the name in the source, where they differ",
    )
    channels: tuple[Channel, ...]
    missing_modalities: tuple[Modality, ...] = ()
    chosen_series: str = Field(
        default="", description="In words: where the series are not those that were recognised"
    )
    has_truth: bool = False
    truth_value: int = Field(default=255, ge=1, le=255, description="kaggle_3m: of lesion voxels")
    truth_file: PlainName | None = Field(default=None, description="NIfTI: name of the mask")
    image_sha256: str = Field(description="Of the eight-bit image", pattern=r"^[0-9a-f]{64}$")
    mask_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    notes: tuple[str, ...] = Field(default=(), description="What is not exact, in words")
    created: AwareDatetime = Field(default_factory=lambda: datetime.now().astimezone())
    software_version: str = __version__


def read_conversion(folder: Path) -> dict[str, ConvertedPatient]:
    """Read the manifest of a converted folder; empty where there is none.

    Raises
    ------
    DataError
        If it cannot be read, or is of a later version of this program.
    """
    path = folder / CONVERSION_MANIFEST
    hint = "Convert the source again, or restore the file from a backup."
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}.", "Check permissions."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error}).", hint) from error
    try:
        if content["schema"] > _SCHEMA:
            raise DataError(
                f"{path} was written by a later version (schema {content['schema']}).",
                "Update BrainSeg.",
            )
        patients = [ConvertedPatient.model_validate(entry) for entry in content["patients"]]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path} is no manifest ({where}: {first['msg']}).", hint) from error
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} is no manifest of a conversion ({error}).", hint) from error
    return {patient.name: patient for patient in patients}


def enter(folder: Path, patient: ConvertedPatient) -> None:
    """Add a patient to the manifest, or replace it; the file is whole at any time.

    Whatever stops it, Ctrl-C too, the manifest tells what it told before.

    Raises
    ------
    DataError
        If the manifest is damaged or cannot be written; it stays as it was then.
    """
    with file_lock(folder / _LOCK):
        before = read_conversion(folder)
        try:
            _write(folder, {**before, patient.name: patient})
        except BaseException:
            if read_conversion(folder) != before:
                _write(folder, before)
            raise


def _write(folder: Path, patients: dict[str, ConvertedPatient]) -> None:
    # One patient a line: people can read and compare it.
    lines = ",\n".join(patients[name].model_dump_json() for name in sorted(patients))
    text = f'{{"schema": {_SCHEMA}, "patients": [\n{lines}\n]}}\n'
    write_atomically(folder / CONVERSION_MANIFEST, text.encode())
