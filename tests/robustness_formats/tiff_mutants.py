"""Damage to the structure of TIFF files: tags, offsets, loops of directories."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

INTERESTING = (254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324,
               325, 338, 339, 270, 305, 33550, 34412, 50838, 50839)  # fmt: skip
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}


def sound_files() -> dict[str, bytes]:
    """Slices as different programs write them, (24, 20) pixels."""
    import tifffile

    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (24, 20, 3), np.uint8)
    mask = np.zeros((24, 20), np.uint8)
    mask[3:9, 4:8] = 255
    kinds = {
        "plain": (image, {"photometric": "rgb"}),
        "strips": (image, {"photometric": "rgb", "rowsperstrip": 5}),
        "lzw": (image, {"photometric": "rgb", "compression": "lzw"}),
        "deflate": (image, {"photometric": "rgb", "compression": "zlib", "predictor": True}),
        "tiles": (image, {"photometric": "rgb", "tile": (16, 16)}),
        "big": (image, {"photometric": "rgb", "bigtiff": True}),
        "turned": (image, {"photometric": "rgb", "byteorder": ">"}),
        "planar": (image.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
        "imagej": (image, {"photometric": "rgb", "imagej": True}),
        "jpeg": (image, {"photometric": "rgb", "compression": "jpeg"}),
        "packbits": (image, {"photometric": "rgb", "compression": "packbits"}),
        "zstd": (image, {"photometric": "rgb", "compression": "zstd"}),
        "mask": (mask, {"photometric": "minisblack"}),
    }
    files = {}
    for name, (data, options) in kinds.items():
        content = io.BytesIO()
        tifffile.imwrite(content, data, **options)
        files[name] = content.getvalue()
    return files


def _layout(data: bytearray) -> tuple[str, bool]:
    order = ">" if data[:2] == b"MM" else "<"
    return order, len(data) > 4 and data[2:4] in (b"+\0", b"\0+")


def _entries(data: bytearray) -> Iterator[tuple[int, int, int]]:
    """Place, tag and type of each entry of the first directory."""
    order, is_big = _layout(data)
    try:
        (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
        (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, at)
        at += 8 if is_big else 2
        for index in range(min(count, 64)):
            place = at + index * (20 if is_big else 12)
            tag, kind = struct.unpack_from(order + "HH", data, place)
            yield place, tag, kind
    except struct.error:
        return


def _entry(data: bytearray, rng: random.Random) -> tuple[int, int, int] | None:
    entries = list(_entries(data))
    likely = [entry for entry in entries if entry[1] in INTERESTING]
    return rng.choice(likely or entries) if entries else None


def set_value(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme value into a tag: sizes, bits, compression, offsets."""
    order, is_big = _layout(data)
    if entry := _entry(data, rng):
        place, _, kind = entry
        size = min(SIZES.get(kind, 4), 4)
        at = place + (12 if is_big else 8)
        value = rng.choice(
            (0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 32, 64, 65535, 0x7FFFFFFF, 0xFFFFFFFF, 32773, 34712,
             50000, 8, 20, 24, rng.getrandbits(31), len(data), len(data) - 1)
        )  # fmt: skip
        value &= (1 << 8 * size) - 1
        data[at : at + size] = value.to_bytes(size, "little" if order == "<" else "big")
    return data


def set_count(data: bytearray, rng: random.Random) -> bytearray:
    """Have a tag promise more values, or fewer."""
    order, is_big = _layout(data)
    if entry := _entry(data, rng):
        at, code = entry[0] + 4, order + ("Q" if is_big else "I")
        value = rng.choice((0, 1, 2, 3, 1000, 1 << 20, 1 << 28, 0xFFFFFFFF))
        data[at : at + (8 if is_big else 4)] = struct.pack(code, value)
    return data


def set_type(data: bytearray, rng: random.Random) -> bytearray:
    """Give a tag another type."""
    order, _ = _layout(data)
    if entry := _entry(data, rng):
        data[entry[0] + 2 : entry[0] + 4] = struct.pack(order + "H", rng.randrange(20))
    return data


def set_tag(data: bytearray, rng: random.Random) -> bytearray:
    """Turn a tag into another one."""
    order, _ = _layout(data)
    if entry := _entry(data, rng):
        data[entry[0] : entry[0] + 2] = struct.pack(order + "H", rng.choice(INTERESTING))
    return data


def loop(data: bytearray, rng: random.Random) -> bytearray:
    """Have the directory lead to itself, to the header, or beyond the file."""
    order, is_big = _layout(data)
    entries = list(_entries(data))
    if entries:
        at = entries[-1][0] + (20 if is_big else 12)
        first = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)[0]
        value = rng.choice((first, 8, 0, 1, len(data) - 2, 0x7FFFFFFF, first + 2))
        data[at : at + (8 if is_big else 4)] = struct.pack(order + ("Q" if is_big else "I"), value)
    return data


def set_start(data: bytearray, rng: random.Random) -> bytearray:
    """Have the header point elsewhere, or name another kind of TIFF."""
    order, is_big = _layout(data)
    if rng.random() < 0.3 and len(data) > 4:
        data[2:4] = struct.pack(order + "H", rng.choice((42, 43, 0, 85, 0x4F52)))
    elif len(data) > 16:
        value = rng.choice((0, 4, 6, len(data) - 1, len(data), rng.randrange(len(data)), 1 << 31))
        at = 8 if is_big else 4
        data[at : at + 4] = struct.pack(order + "I", value)
    return data


DAMAGE = (set_value, set_value, set_value, set_count, set_type, set_tag, loop, set_start)
