"""Which volume of a 4D file is which sequence."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats.nifti.words import Kind, meaning, split
from napari_brainseg.core.imaging import KAGGLE_ORDER, Modality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_brainseg.core.formats.nifti.header import NiftiHeader

__all__ = ["VolumeRoles", "channel_roles", "volume_roles"]

_TABLE = "dataset.json"
_LARGEST_TABLE = 16 * 2**20
_BETWEEN = re.compile(r"[,;/|]")


@dataclass(frozen=True, slots=True)
class VolumeRoles:
    """Roles of volumes, by index, and what they were recognised by.

    Parameters
    ----------
    roles : mapping of int to Modality
        Volumes without a role are left out.
    why : str
        For users.
    warning : str
        What to check; empty where the file itself is clear.
    """

    roles: Mapping[int, Modality] = field(default_factory=dict)
    why: str = ""
    warning: str = ""


def volume_roles(path: Path, header: NiftiHeader, *, guess: bool = True) -> VolumeRoles:
    """Recognise the volumes of a 4D file.

    By ``dataset.json`` of the folder above (Medical Segmentation Decathlon), else by a list in the
    header's description (``T1, FLAIR, T1c``), else three volumes are before contrast, FLAIR and
    after contrast, as kaggle_3m orders its channels.

    Parameters
    ----------
    path : Path
        The file.
    header : NiftiHeader
        Its header.
    guess : bool
        Take three volumes without names for the three sequences.
    """
    named = _table(path.parent.parent / _TABLE)
    if len(named) == header.volumes and (roles := _roles_of(named)):
        return VolumeRoles(roles, f"{_TABLE} says so")
    description = bytes(header.raw["descrip"].item()).split(b"\0")[0].decode("ascii", "ignore")
    names = _BETWEEN.split(description)
    if len(names) == header.volumes and (roles := _roles_of(names)):
        return VolumeRoles(roles, "description in the header")
    if header.volumes != len(KAGGLE_ORDER) or not guess:
        return VolumeRoles()
    return VolumeRoles(
        dict(enumerate(KAGGLE_ORDER)),
        "place among three volumes",
        f"{path.name} holds three volumes without names; they are taken as "
        f"{', '.join(KAGGLE_ORDER)}. Choose which volume is which if that is wrong.",
    )


def channel_roles(folder: Path) -> dict[int, Modality]:
    """Roles of the channels that ``dataset.json`` above a folder of images names.

    Parameters
    ----------
    folder : Path
        ``imagesTr`` or ``imagesTs`` of nnU-Net or the Decathlon.
    """
    return _roles_of(_table(folder.parent / _TABLE))


def _roles_of(names: Sequence[str]) -> dict[int, Modality]:
    """Roles by name; empty where one comes twice."""
    roles: dict[int, Modality] = {}
    for index, name in enumerate(names):
        kind, role, _ = meaning([word.text for word in split(name)])
        if kind is Kind.IMAGE and role is not None:
            if role in roles.values():
                return {}
            roles[index] = role
    return roles


def _table(path: Path) -> list[str]:
    """Names of the channels in ``dataset.json``, in order; empty without one."""
    try:
        if path.stat().st_size > _LARGEST_TABLE:
            return []
        content: Any = json.loads(path.read_bytes())
        listed = content.get("modality") or content.get("channel_names")
        return [str(listed[str(index)]) for index in range(len(listed))]
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return []
