"""Damage to NIfTI files: header fields at their ends, the gzip stream, extensions."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import random

Field = tuple[int, str]

FIELDS_1: dict[str, list[Field]] = {
    "dim": [(40 + 2 * i, "h") for i in range(8)],
    "type": [(70, "h"), (72, "h")],
    "pixdim": [(76 + 4 * i, "f") for i in range(8)],
    "offset": [(108, "f")],
    "scale": [(112, "f"), (116, "f")],
    "codes": [(252, "h"), (254, "h"), (123, "b")],
    "qform": [(256 + 4 * i, "f") for i in range(6)],
    "sform": [(280 + 4 * i, "f") for i in range(12)],
    "head": [(0, "i"), (344, "i"), (348, "i"), (352, "i"), (356, "i"), (68, "h"), (120, "h")],
}
"""Places and types in NIfTI-1 (nifti1.h)."""
FIELDS_2: dict[str, list[Field]] = {
    "dim": [(16 + 8 * i, "q") for i in range(8)],
    "type": [(12, "h"), (14, "h")],
    "pixdim": [(104 + 8 * i, "d") for i in range(8)],
    "offset": [(168, "q")],
    "scale": [(176, "d"), (184, "d")],
    "codes": [(344, "i"), (348, "i"), (500, "i")],
    "qform": [(352 + 8 * i, "d") for i in range(6)],
    "sform": [(400 + 8 * i, "d") for i in range(12)],
    "head": [(0, "i"), (4, "i"), (540, "i"), (544, "i")],
}
"""Places and types in NIfTI-2 (nifti2.h)."""

WHOLE = (0, 1, -1, 2, 3, 4, 7, 8, 5, 16, 64, 127, 128, 255, 256, 511, 512, 768, 1024, 1280, 1536,
         1792, 2048, 2304, 32767, -32768, 65536, 2**31 - 1, -(2**31), 2**40, 2**62,
         -(2**62))  # fmt: skip
REAL = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e-40, 1e-10, 3e38, 1e9,
        348.0, 352.5, 2e9, -352.0)  # fmt: skip


def sound_files() -> dict[str, bytes]:
    """Volumes as different programs write them, (12, 10, 4) voxels."""
    import nibabel

    rng = np.random.default_rng(0)
    data = rng.integers(-50, 1000, (12, 10, 4)).astype(np.int16)
    mask = np.zeros(data.shape, np.uint8)
    mask[3:6, 4:7, 1:3] = 1
    affine = np.diag([-1.0, -1.0, 3.0, 1.0])
    affine[:3, 3] = 5, 6, -7
    oblique = affine.copy()
    oblique[:3, :3] = affine[:3, :3] @ np.array([[1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]])
    one, two = nibabel.Nifti1Image, nibabel.Nifti2Image
    turned = one(data, affine, nibabel.Nifti1Header(endianness=">"))
    scaled = one(data, affine)
    scaled.header.set_slope_inter(0.5, -10)
    noted = one(data, affine)
    noted.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"made for a test"))
    images = {
        "whole": one(data, affine),
        "real": one(data.astype(np.float32), oblique),
        "double": one(data.astype(np.float64), affine),
        "turned": turned,
        "scaled": scaled,
        "noted": noted,
        "second": two(data, affine),
        "mask": one(mask, affine),
    }
    return {name: _bytes(image) for name, image in images.items()}


def _bytes(image) -> bytes:
    return image.to_bytes()


def _is_second(data: bytearray) -> bool:
    return data[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")


def set_field(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme value into a field of the header."""
    fields = FIELDS_2 if _is_second(data) else FIELDS_1
    order = ">" if data[:1] == b"\0" else "<"
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, kind = rng.choice(fields[rng.choice(sorted(fields))])
        if kind in "fd":
            value: float = rng.choice(REAL)
            packed = struct.pack(order + kind, min(value, 3e38) if kind == "f" else value)
        else:
            size = struct.calcsize(kind)
            number = rng.choice(WHOLE) & ((1 << 8 * size) - 1)
            packed = number.to_bytes(size, "big" if order == ">" else "little")
        if at + len(packed) <= len(data):
            data[at : at + len(packed)] = packed
    return data


def set_dims(data: bytearray, rng: random.Random) -> bytearray:
    """Claim another shape: many axes, huge ones, none."""
    order = ">" if data[:1] == b"\0" else "<"
    size, at, kind = (8, 16, "q") if _is_second(data) else (2, 40, "h")
    most = 2 ** rng.choice((8, 15, 31, 40)) if size == 8 else 32767
    dims = [
        rng.choice((0, 1, 3, 4, 5, 7, 8)),
        *(rng.choice((0, 1, 4, 10, 12, most)) for _ in range(7)),
    ]
    packed = struct.pack(f"{order}8{kind}", *dims)
    data[at : at + len(packed)] = packed
    return data


DAMAGE = (set_field, set_field, set_field, set_dims)


def packed(content: bytes, rng: random.Random) -> bytes:
    """Compress a mutant, and damage the stream of some."""
    stream = bytearray(gzip.compress(content, mtime=0))
    kind = rng.choice(("sound", "sound", "flip", "cut", "head", "tail", "twice", "noise", "zlib"))
    if kind == "flip":
        for _ in range(rng.choice((1, 3))):
            stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del stream[rng.randrange(len(stream)) :]
    elif kind == "head":
        stream[rng.randrange(10)] = rng.randrange(256)
    elif kind == "tail":
        stream[-rng.randint(1, 8)] ^= 0xFF
    elif kind == "twice":
        stream += bytes(stream)
    elif kind == "noise":
        stream += rng.randbytes(50)
    elif kind == "zlib":
        stream = bytearray(zlib.compress(content))
    return bytes(stream)


def bomb(claimed: int) -> bytes:
    """A small gzip file of a volume of `claimed` bytes of zeros."""
    import nibabel

    side = round(claimed ** (1 / 3))
    header = nibabel.Nifti1Header()
    header.set_data_shape((side, side, side))
    header.set_data_dtype(np.uint8)
    header["magic"], header["vox_offset"] = b"n+1", 352
    content = io.BytesIO()
    with gzip.GzipFile("", "wb", 1, content, mtime=0) as stream:
        stream.write(header.binaryblock + bytes(4))
        for _ in range(side):
            stream.write(bytes(side * side))
    return content.getvalue()
