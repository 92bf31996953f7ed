"""Damage to zip archives: the directory, its end, local headers, the streams."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
NAMES = (b"../../../evil.tif", b"/etc/passwd", b"..\\..\\evil.dcm", b"C:\\evil.tif", b"", b"\0\0",
         b"a/" * 40 + b"x.tif", b"con.tif", b"x" * 300 + b".tif", b"\xff\xfe.tif")  # fmt: skip


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Pack files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name), data, method)
    return content.getvalue()


def _places(data: bytearray, sign: bytes) -> list[int]:
    places, at = [], data.find(sign)
    while at >= 0:
        places.append(at)
        at = data.find(sign, at + 4)
    return places


def set_central(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme into an entry of the directory (APPNOTE 6.3.10, 4.3.12)."""
    if places := _places(data, CENTRAL):
        at = rng.choice(places)
        offset, size = rng.choice(
            ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2),
             (38, 4), (42, 4), (6, 2))
        )  # fmt: skip
        value = rng.choice((0, 1, 8, 9, 12, 14, 93, 99, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, len(data)))
        value &= (1 << 8 * size) - 1
        data[at + offset : at + offset + size] = value.to_bytes(size, "little")
    return data


def set_local(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme into a local header (4.3.7)."""
    if places := _places(data, LOCAL):
        at = rng.choice(places)
        offset, size = rng.choice(((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)))
        value = rng.choice((0, 1, 8, 12, 99, 0xFFFF, 0xFFFFFFFF, 1 << 20)) & ((1 << 8 * size) - 1)
        data[at + offset : at + offset + size] = value.to_bytes(size, "little")
    return data


def set_end(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme into the end of the directory (4.3.16), or write it twice."""
    if places := _places(data, END):
        at = places[-1]
        if rng.random() < 0.2:
            return data + data[at:]
        offset, size = rng.choice(((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)))
        value = rng.choice((0, 1, 3, 0xFFFF, 0xFFFFFFFF, len(data), 1 << 27)) & (
            (1 << 8 * size) - 1
        )
        data[at + offset : at + offset + size] = value.to_bytes(size, "little")
    return data


def rename(data: bytearray, rng: random.Random) -> bytearray:
    """Have an entry lead out of the archive, or have an impossible name."""
    if places := _places(data, CENTRAL):
        at = rng.choice(places)
        if at + 46 > len(data):
            return data
        (length,) = struct.unpack_from("<H", data, at + 28)
        name = rng.choice(NAMES)
        data[at + 28 : at + 30] = struct.pack("<H", len(name))
        data[at + 46 : at + 46 + length] = name
    return data


def make_link(data: bytearray, rng: random.Random) -> bytearray:
    """Turn an entry into a symbolic link or a device."""
    if places := _places(data, CENTRAL):
        at = rng.choice(places)
        data[at + 38 : at + 42] = struct.pack(
            "<I", rng.choice((0o120777, 0o060666, 0o010666)) << 16
        )
        data[at + 5 : at + 6] = b"\x03"
    return data


DAMAGE = (set_central, set_central, set_local, set_end, rename, make_link)
