"""Size of a compressed frame as its own header says: looked at before a decoder makes room.

A header of JPEG or JPEG 2000 may claim any size, whatever the DICOM header says, and decoders
believe it: a few changed bytes would take gigabytes and minutes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["CodestreamSize", "codestream_size"]

_J2K = b"\xff\x4f\xff\x51"
"""Start of a codestream and its size segment (ISO/IEC 15444-1, A.4.1 and A.5.1)."""
_JPEG = b"\xff\xd8"
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Start of frame, of JPEG (ISO/IEC 10918-1, B.2.2) and of JPEG-LS (ISO/IEC 14495-1, C.2.2)."""
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a segment."""
_MOST_TILES = 65_535


class CodestreamSize(NamedTuple):
    """Rows, columns and values a pixel."""

    rows: int
    columns: int
    samples: int


def codestream_size(frame: bytes) -> CodestreamSize | None:
    """Read the size of a compressed frame.

    Parameters
    ----------
    frame : bytes
        JPEG, JPEG-LS or JPEG 2000, the latter with or without its boxes.

    Returns
    -------
    CodestreamSize or None
        ``None`` where the header is broken, or has more tiles than there can be.
    """
    try:
        start = frame.find(_J2K)
        if start >= 0 and not frame.startswith(_JPEG):
            return _jpeg_2000(frame, start + len(_J2K))
        return _jpeg(frame)
    except struct.error:
        return None


def _jpeg_2000(frame: bytes, at: int) -> CodestreamSize | None:
    right, bottom, left, top, wide, high, tile_left, tile_top, samples = struct.unpack_from(
        ">8IH", frame, at + 4
    )
    if not (wide and high and right > left and bottom > top):
        return None
    tiles = -(-(right - tile_left) // wide) * -(-(bottom - tile_top) // high)
    if not 0 < tiles <= _MOST_TILES:
        return None
    return CodestreamSize(bottom - top, right - left, samples)


def _jpeg(frame: bytes) -> CodestreamSize | None:
    at = frame.find(_JPEG)
    at = -1 if at < 0 else at + 2
    while 0 <= at < len(frame) - 1:
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in _FRAME_HEADERS:
            rows, columns, samples = struct.unpack_from(">HHB", frame, at + 5)
            return CodestreamSize(rows, columns, samples)
        else:
            at += 2 + max(2, *struct.unpack_from(">H", frame, at + 2))
    return None
