"""The locked set of a workspace as a file: frozen, hashed, in generations.

The set may grow, and every earlier state of it stays on record. Figures on different generations
do not compare.
"""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.file_lock import file_lock
from napari_brainseg.core.dataset.locked_places import keep_places, with_place, without_place
from napari_brainseg.core.dataset.splits import institution_of
from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "LEAST_LOCKED",
    "LockedPatient",
    "LockedSet",
    "MaskSource",
    "freeze_locked",
    "load_generations",
    "load_locked",
]

LEAST_LOCKED = 5
"""With fewer locked patients the gate has not enough evidence."""

SCHEMA_VERSION = 1
MaskSource = Literal["ground truth", "correction"]
_HEX = r"^[0-9a-f]{64}$"
_LOCK = ".locked.lock"


def _now() -> datetime:
    return datetime.now().astimezone()


class LockedPatient(BaseModel):
    """A patient with image and mask, as they were when locked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patient: str = Field(min_length=1)
    image_sha256: str = Field(pattern=_HEX)
    mask_sha256: str = Field(pattern=_HEX)
    mask_source: MaskSource
    path: str
    """Absolute; folder with image and mask. Not part of the digest: data may move."""
    lesion_vox: int = Field(ge=0)

    @property
    def institution(self) -> str:
        """Institution in the name, ``""`` if it tells none."""
        return institution_of(self.patient)


class LockedSet(BaseModel):
    """Patients that measure every version of a workspace and train none.

    Sorted by name; no person and no image twice. `digest` is the SHA-256 of all but `path` and
    `created`, computed where left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    patients: tuple[LockedPatient, ...]
    seed: int | None = None
    """Of the draw; ``None`` where the patients were named."""
    created: AwareDatetime = Field(default_factory=_now)
    generation: int = Field(default=1, ge=1)
    digest: str = ""

    @field_validator("patients")
    @classmethod
    def _sort(cls, patients: tuple[LockedPatient, ...]) -> tuple[LockedPatient, ...]:
        for what, keys in (
            ("the person of", [undated(p.patient) for p in patients]),
            ("the image of", [p.image_sha256 for p in patients]),
        ):
            twice = sorted(
                p.patient for p, key in zip(patients, keys, strict=True) if keys.count(key) > 1
            )
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} stands in it more than once")
        return tuple(sorted(patients, key=lambda p: p.patient))

    @model_validator(mode="after")
    def _check_digest(self) -> LockedSet:
        digest = _digest(self)
        if self.digest and self.digest != digest:
            raise ValueError(
                f"the digest {self.digest[:12]}... was recorded, {digest[:12]}... is what its "
                "patients give"
            )
        object.__setattr__(self, "digest", digest)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the patients, sorted."""
        return tuple(p.patient for p in self.patients)

    @property
    def is_enough(self) -> bool:
        """Whether the gate can judge by them."""
        return len(self.patients) >= LEAST_LOCKED


def load_locked(path: Path) -> LockedSet | None:
    """Read the latest generation of a locked set; `None` where there is no file.

    Raises
    ------
    DataError
        If the file cannot be read, is no locked set, or was changed since it was frozen.
    """
    generations = load_generations(path)
    return generations[-1] if generations else None


def load_generations(path: Path) -> tuple[LockedSet, ...]:
    """Read all generations of a locked set, the oldest first; none where there is no file.

    Raises
    ------
    DataError
        As `load_locked`.
    """
    hint = "Restore it from a backup of the workspace; figures on another set do not compare."
    try:
        content: Any = json.loads(path.read_bytes())
        version = content["schema_version"]
        raw = [
            {**item, "patients": [with_place(p, path) for p in item["patients"]]}
            for item in content["generations"]
        ]
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"The locked set {path} cannot be read: {error!r}.", hint) from error
    if version != SCHEMA_VERSION:
        raise DataError(
            f"The locked set {path} has format {version}; this version knows {SCHEMA_VERSION}.",
            "Update napari-brainseg.",
        )
    try:
        generations = tuple(LockedSet.model_validate(item) for item in raw)
    except (ValidationError, TypeError) as error:
        said = (
            "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise DataError(
            f"The locked set {path} was changed since it was frozen: {said}.", hint
        ) from error
    numbers = [generation.generation for generation in generations]
    if not generations or numbers != list(range(1, len(numbers) + 1)):
        raise DataError(
            f"The locked set {path} was changed since it was frozen: it holds the generations "
            f"{numbers}.",
            hint,
        )
    return generations


def freeze_locked(path: Path, locked: LockedSet) -> None:
    """Write a locked set once and for all; writing the same one again changes nothing.

    The first set makes the file; the next generation is added to it, the earlier ones stay.

    Raises
    ------
    DataError
        If another set is frozen there already, a generation is left out, or the file cannot be
        read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(path.parent / _LOCK):
        frozen = load_generations(path)
        if locked.generation <= len(frozen):
            there = frozen[locked.generation - 1]
            if there.digest != locked.digest:
                raise DataError(
                    f"Another locked set is frozen in {path} ({len(there.patients)} patients, "
                    f"{there.digest[:12]}...).",
                    "Figures would no longer compare. Use that set, or extend it.",
                )
            return
        if locked.generation != len(frozen) + 1:
            raise DataError(
                f"The locked set {path} has {len(frozen)} generations; number "
                f"{locked.generation} does not follow.",
                "Extend the latest one.",
            )
        generations = [g.model_dump(mode="json") for g in (*frozen, locked)]
        keep_places(path, (p for g in generations for p in g["patients"]))
        for generation in generations:
            generation["patients"] = [without_place(p, path.parent) for p in generation["patients"]]
        content = {"schema_version": SCHEMA_VERSION, "generations": generations}
        write_atomically(path, json.dumps(content, indent=2).encode() + b"\n")


def _digest(locked: LockedSet) -> str:
    patients = [p.model_dump(mode="json", exclude={"path"}) for p in locked.patients]
    content = [patients, locked.seed, locked.generation]
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
