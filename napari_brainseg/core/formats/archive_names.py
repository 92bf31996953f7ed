"""Names of a zip archive's entries as paths that are safe below a folder of ours."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from napari_brainseg.core.imaging import DataError

__all__ = ["SafeNames"]

_LONGEST = 200
"""Bytes of a name; file systems allow 255 at most."""
_DEEPEST = 32
_DRIVE = re.compile(r"[A-Za-z]:")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows."""


class SafeNames:
    """Gives each entry of one archive a relative path of its own.

    Parameters
    ----------
    archive : str
        For the messages.
    """

    def __init__(self, archive: str) -> None:
        self._archive = archive
        # Folder to the names in it, without case, to what was written and what it became.
        self._given: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {}
        self._files: set[tuple[str, ...]] = set()

    def path_of(self, name: str) -> tuple[str, ...]:
        """Give the parts of the path for an entry; empty where the name says nothing.

        Names that are too long are shortened with a hash, characters that some systems forbid
        become ``_``, and names that differ in case only get a number, so that neither files nor
        folders of two patients fall together.

        Raises
        ------
        DataError
            If the name leads out of the folder that the archive is unpacked to.
        """
        plain = name.replace("\\", "/")
        if plain.startswith("/") or _DRIVE.match(plain):
            raise self._refused(name, "it is absolute")
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self._refused(name, "it leads out of the archive's folder")
        if len(parts) > _DEEPEST:
            raise self._refused(name[:_LONGEST], f"it is {len(parts)} folders deep")
        place: tuple[str, ...] = ()
        for index, part in enumerate(parts):
            place = (*place, self._part(place, part, is_file=index == len(parts) - 1))
        self._files.add(place)
        return place

    def _part(self, place: tuple[str, ...], part: str, *, is_file: bool) -> str:
        given = self._given.setdefault(place, {})
        clean = _clean(part)
        wanted, number = clean, 1
        while True:
            known = given.get(wanted.casefold())
            if known is None:
                break
            # The same folder again; but a file never takes the place of anything.
            if known[0] == part and not is_file and (*place, known[1]) not in self._files:
                return known[1]
            number += 1
            stem, dot, ending = clean.partition(".")
            wanted = f"{stem}~{number}{dot}{ending}"
        given[wanted.casefold()] = (part, wanted)
        return wanted

    def _refused(self, name: str, why: str) -> DataError:
        return DataError(
            f"The archive {self._archive} was not unpacked: it holds the path {name!r}, and {why}.",
            "No program for images writes such an archive; do not trust it.",
        )


def _clean(part: str) -> str:
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", part)).rstrip(". ") or "_"
    # A lone surrogate cannot be written.
    name = name.encode("utf-8", "replace").decode("utf-8")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    if len(name.encode()) > _LONGEST:
        ending = re.search(r"(\.nii)?\.[A-Za-z0-9]{1,8}$", name)
        tail = f"~{hashlib.sha256(part.encode('utf-8', 'replace')).hexdigest()[:10]}"
        tail += ending[0] if ending else ""
        head = name.encode()[: _LONGEST - len(tail.encode())]
        name = head.decode("utf-8", "ignore") + tail
    return name
