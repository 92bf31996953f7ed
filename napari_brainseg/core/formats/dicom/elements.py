"""Single elements of a DICOM header, from raw bytes to numbers and text."""

from __future__ import annotations

import math
import struct
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats.dicom.header_tags import (
    FORMATS,
    IN_GROUPS,
    LENGTHS,
    TAGS,
    VRS,
)
from napari_brainseg.core.formats.dicom.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Collection
    from io import BytesIO

__all__ = ["Elements"]

_AFTER_HEADER = 0x7FE00008
_CHARACTER_SET = 0x00080005
_SEGMENTS = 0x00620002
_AGENTS = 0x00180012
"""Contrast agents of multi-frame files, coded (PS3.3, C.8.13.3.1)."""
_SHARED_GROUPS = 0x52009229
_FRAME_GROUPS = 0x52009230
_LONGEST_TEXT = 1024
"""Bytes of a value that are looked at: descriptions have 64 at most."""


class Elements:
    """The elements of one header that count, raw.

    Attributes
    ----------
    ended : int
        Tag that came after the header (pixel data); 0 where the file ended first.
    """

    def __init__(self, meta: Any, dataset: Any, ended: int) -> None:
        self._meta = meta
        self._dataset = dataset
        # Plain integers: pydicom's tags compare in Python, a hundred times a file.
        self._held = {int(tag): element for tag, element in dataset.items()}
        self._encodings: list[str] | None = None
        self.ended = ended

    @classmethod
    def read(cls, file: BytesIO) -> Elements:
        """Read a header; raises whatever pydicom raises for a broken one."""
        from pydicom.filereader import read_partial

        watch = _Watch()
        dataset = read_partial(file, stop_when=watch, force=True, specific_tags=list(_wanted()))
        return cls(dataset.file_meta, dataset, watch.ended)

    @classmethod
    def inflated(cls, body: bytes) -> Elements:
        """Read the header of a deflated file, whose body was inflated."""
        from io import BytesIO

        from pydicom.filereader import read_dataset
        from pydicom.uid import DeflatedExplicitVRLittleEndian

        watch = _Watch()
        tags = list(_wanted())
        dataset = read_dataset(BytesIO(body), False, True, None, watch, specific_tags=tags)
        elements = cls({}, dataset, watch.ended)
        elements._meta = {0x00020010: str(DeflatedExplicitVRLittleEndian)}
        return elements

    @property
    def media_class(self) -> str:
        """SOP class by the meta information; tells a DICOMDIR."""
        with quiet():
            # A damaged UID is no reason to speak of it on the terminal.
            return self._text(0x00020002)

    def values(self, names: Collection[str]) -> dict[str, Any]:
        """All that is there, by the names of `HeaderRecord`; broken values are left out."""
        found: dict[str, Any] = {}
        for tag, (name, kind) in TAGS.items():
            if (tag not in self._held and tag >> 16 != 2) or name not in names or name in found:
                continue
            value = self._value(tag, name, kind)
            if value not in (None, "", ()):
                found[name] = value
        if _SHARED_GROUPS in self._held or _FRAME_GROUPS in self._held:
            self._from_groups(found)
        if _SEGMENTS in self._held:
            found["segment_algorithms"] = self._algorithms()
        if _AGENTS in self._held and "contrast_agent" not in found:
            agents = self._dataset[_AGENTS].value
            found["contrast_agent"] = ", ".join(str(a.get("CodeMeaning", "coded")) for a in agents)
        return found

    def _value(self, tag: int, name: str, kind: str) -> Any:
        if kind == "text":
            return self._text(tag)
        if kind == "texts":
            return tuple(part.strip() for part in self._text(tag).split("\\") if part.strip())
        numbers = self._numbers(tag)
        if kind == "floats":
            return numbers if len(numbers) == LENGTHS[name] else None
        if not numbers:
            return None
        if name == "b_value":
            # GE adds a thousand million to the value.
            return numbers[0] % 1e5
        return int(numbers[0]) if kind == "int" else numbers[0]

    def _raw(self, tag: int) -> tuple[Any, str, bool]:
        """Give the value, its VR, and whether it is little-endian."""
        if tag >> 16 == 2:
            held = self._meta.get(tag)
            value = getattr(held, "value", held)
            return (b"" if value is None else value), "UI", True
        element = self._held.get(tag)
        if element is None:
            return b"", "", True
        vr = getattr(element, "VR", None)
        if vr in (None, "UN"):
            vr = VRS.get(tag, "")
        return element.value, vr, bool(getattr(element, "is_little_endian", True))

    def _text(self, tag: int) -> str:
        value, _, _ = self._raw(tag)
        if not isinstance(value, bytes):
            return "" if value is None else str(value).strip(" \0")
        value = value[:_LONGEST_TEXT]
        try:
            plain = value.isascii() and b"\x1b" not in value
            text = value.decode("ascii") if plain else self._decode(value)
        except (LookupError, UnicodeError, ValueError):
            text = value.decode("latin-1")
        # Thousands of files say the same.
        return sys.intern(text.replace("\0", "").strip())

    def _decode(self, value: bytes) -> str:
        from pydicom.charset import decode_bytes, python_encoding

        if self._encodings is None:
            raw, _, _ = self._raw(_CHARACTER_SET)
            said = raw.decode("latin-1") if isinstance(raw, bytes) else raw or ""
            terms = said.split("\\") if isinstance(said, str) else [str(term) for term in said]
            terms = [term.strip(" \0") for term in terms]
            known = [python_encoding.get(term, "latin-1") for term in terms]
            self._encodings = known if any(terms) else []
        # Nothing said means ASCII; what is not is mostly UTF-8 or Latin 1.
        return str(decode_bytes(value, self._encodings or [_guess(value)], set()))

    def _numbers(self, tag: int) -> tuple[float, ...]:
        value, vr, little = self._raw(tag)
        if not isinstance(value, bytes):
            return _numbers_of(value)
        letter = FORMATS.get(vr)
        try:
            if letter is not None:
                size = struct.calcsize(letter)
                count = min(len(value) // size, 8)
                order = "<" if little else ">"
                numbers = struct.unpack(f"{order}{count}{letter}", value[: count * size])
            else:
                # A decimal comma is against the rules (PS3.5, 6.2, DS), but found.
                plain = value[:_LONGEST_TEXT].replace(b"\0", b"").replace(b",", b".")
                parts = plain.split(b"\\")
                numbers = tuple(float(part) for part in parts if part.strip())
        except (struct.error, ValueError):
            return ()
        return tuple(float(n) for n in numbers) if all(map(math.isfinite, numbers)) else ()

    def _from_groups(self, found: dict[str, Any]) -> None:
        """Fill in what a multi-frame file says in its functional groups, of the first frame."""
        for tag in (_SHARED_GROUPS, _FRAME_GROUPS):
            if tag not in self._held:
                continue
            items = self._dataset[tag].value
            if not items:
                continue
            item = items[0]
            if tag == _FRAME_GROUPS:
                found["places"] = len({_position(one) for one in items} - {()})
            for name, (group, keyword, kind) in IN_GROUPS.items():
                inner = item.get(group)
                if found.get(name) is not None or not inner:
                    continue
                numbers = _numbers_of(inner[0].get(keyword))
                if kind == "floats":
                    if len(numbers) == LENGTHS[name]:
                        found[name] = numbers
                elif numbers:
                    found[name] = numbers[0]

    def _algorithms(self) -> tuple[str, ...]:
        segments = self._dataset[_SEGMENTS].value
        return tuple(str(segment.get("SegmentAlgorithmType", "")) for segment in segments)


def _position(item: Any) -> tuple[float, ...]:
    inner = item.get("PlanePositionSequence")
    return _numbers_of(inner[0].get("ImagePositionPatient")) if inner else ()


class _Watch:
    """Stops behind the header, and notes what came there."""

    def __init__(self) -> None:
        self.ended = 0

    def __call__(self, tag: int, vr: str | None, length: int) -> bool:
        """Whether to stop before this element."""
        del vr, length
        number = int(tag)
        if number < _AFTER_HEADER:
            return False
        self.ended = number
        return True


@lru_cache(maxsize=1)
def _wanted() -> tuple[Any, ...]:
    from pydicom.tag import Tag

    tags = [tag for tag in TAGS if tag >> 16 != 2]
    return tuple(
        map(Tag, [*tags, _CHARACTER_SET, _SEGMENTS, _AGENTS, _SHARED_GROUPS, _FRAME_GROUPS])
    )


def _numbers_of(value: Any) -> tuple[float, ...]:
    if value is None or isinstance(value, (str, bytes)):
        return ()
    try:
        many = list(value) if hasattr(value, "__iter__") else [value]
        numbers = tuple(float(one) for one in many)
    except (TypeError, ValueError):
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _guess(value: bytes) -> str:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
