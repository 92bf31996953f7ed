"""Files of one folder by the patient and session that they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.nifti.names import NameFacts, name_facts
from napari_brainseg.core.formats.nifti.volumes import channel_roles
from napari_brainseg.core.formats.nifti.words import Kind
from napari_brainseg.core.imaging import Modality

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["NamedFile", "by_owner"]

_IMAGES = re.compile(r"images(T[rs])?", re.IGNORECASE)
_NUMBER = re.compile(r"([0-9]{1,4})(?:[ _.-](.*))?")
_CHANNEL = re.compile(r"(.+)_([0-9]{4})\.nii(?:\.gz)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, and what its name says.

    Parameters
    ----------
    path : Path
        The file.
    facts : NameFacts
        What its name says.
    """

    path: Path
    facts: NameFacts


def by_owner(folder: Path, names: Iterable[str]) -> dict[str, list[NamedFile]]:
    """Sort the files of a folder by owner, each a patient and session.

    Parameters
    ----------
    folder : Path
        Where they lie.
    names : iterable of str
        Names of the NIfTI files in it.

    Returns
    -------
    dict
        Owner to files; the owner is empty where names tell sequences only.
    """
    names = sorted(names)
    if groups := _channels(folder, names):
        return groups
    groups = {}
    for name in names:
        facts = name_facts(name)
        groups.setdefault(facts.owner, []).append(NamedFile(folder / name, facts))
    if "" in groups and len(groups) > 1:
        # ``FLAIR.nii.gz`` without a patient's name: then the folder is one patient's.
        known = [o for o in groups if o and (_roles(groups[o]) or groups[o][0].facts.is_bids)]
        if not known:
            return {"": [file for files in groups.values() for file in files]}
    return _without_strays(_without_series_numbers(groups))


def _channels(folder: Path, names: list[str]) -> dict[str, list[NamedFile]]:
    """``imagesTr/CASE_0002.nii.gz`` is the third channel of CASE (nnU-Net); else nothing."""
    matches = [_CHANNEL.fullmatch(name) for name in names]
    if not _IMAGES.fullmatch(folder.name) or not all(matches):
        return {}
    roles = channel_roles(folder)
    groups: dict[str, list[NamedFile]] = {}
    for match in matches:
        assert match is not None
        role = roles.get(int(match[2]))
        why = "name says no sequence" if role is None else "dataset.json says so"
        facts = NameFacts(match[1], Kind.IMAGE, role, why)
        groups.setdefault(match[1], []).append(NamedFile(folder / match[0], facts))
    return groups if roles else {}


def _without_series_numbers(groups: dict[str, list[NamedFile]]) -> dict[str, list[NamedFile]]:
    """``3_FLAIR``, ``4_T1``, ``5_ep2d_diff_ADC`` are one patient: numbers of series.

    Not where a number has two sequences, or where FLAIR comes twice: then they are of patients.
    """
    by_number: dict[int, list[Modality]] = {}
    for owner, files in groups.items():
        roles = _roles(files)
        match = _NUMBER.fullmatch(owner)
        if owner and (match is None or (roles and match[2])):
            return groups
        if match is not None:
            by_number.setdefault(int(match[1]), []).extend(roles)
    found = [role for roles in by_number.values() for role in roles]
    unique = len(set(found)) == len(found)
    if len(by_number) < 2 or len(set(found)) < 2 or any(len(r) > 1 for r in by_number.values()):
        return groups
    if not unique and found.count(Modality.FLAIR) != 1:
        return groups
    return {"": [file for files in groups.values() for file in files]}


def _without_strays(groups: dict[str, list[NamedFile]]) -> dict[str, list[NamedFile]]:
    """``P01_DTI_eddy_FA`` belongs to ``P01`` where that one has sequences of its own."""
    homes = [owner for owner, files in groups.items() if owner and _roles(files)]
    kept: dict[str, list[NamedFile]] = {}
    for owner, files in groups.items():
        home = owner
        if not _roles(files):
            nearest = [h for h in homes if re.match(re.escape(h) + r"[ _.-]", owner)]
            home = max(nearest, key=len, default=owner)
        kept.setdefault(home, []).extend(files)
    return {owner: sorted(files, key=lambda f: f.path.name) for owner, files in kept.items()}


def _roles(files: Iterable[NamedFile]) -> list[Modality]:
    return [f.facts.role for f in files if f.facts.role is not None]
