"""Damage to DICOM files: lengths, VRs, values of the elements that pixels hang on, fragments."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
VRS = (b"AE", b"AS", b"CS", b"DA", b"DS", b"FD", b"FL", b"IS", b"LO", b"OB", b"OW", b"PN", b"SQ",
       b"SH", b"SS", b"UI", b"UL", b"UN", b"US", b"UT", b"AT", b"TM", b"OV", b"ZZ",
       b"\0\0")  # fmt: skip
NUMBERS = ((0x0028, 0x0010), (0x0028, 0x0011), (0x0028, 0x0002), (0x0028, 0x0100),
           (0x0028, 0x0101), (0x0028, 0x0102), (0x0028, 0x0103), (0x0028, 0x0006))  # fmt: skip
"""Rows, columns, samples, bits allocated, bits stored, high bit, sign, planes."""
TEXTS = {
    (0x0028, 0x0008): (b"0", b"1", b"-1", b"2", b"99999999", b"x", b"", b"1\\2"),
    (0x0028, 0x0030): (b"0\\0", b"-1\\1", b"1e-9\\1", b"1", b"nan\\nan", b"a\\b", b"1e30\\1e30"),
    (0x0028, 0x1053): (b"0", b"nan", b"1e300", b"-1", b"inf", b"x", b"1\\2", b"1e-300"),
    (0x0028, 0x1052): (b"nan", b"1e308", b"-1e308", b"x", b""),
    (0x0028, 0x0004): (b"RGB", b"PALETTE COLOR", b"YBR_FULL_422", b"MONOCHROME1", b"X", b""),
    (0x0020, 0x0037): (b"0\\0\\0\\0\\0\\0", b"1\\0\\0\\1\\0\\0", b"nan\\0\\0\\0\\1\\0", b"x",
                       b"2\\0\\0\\0\\2\\0"),
    (0x0020, 0x0032): (b"0\\0\\0", b"nan\\0\\0", b"1e30\\0\\0", b"1", b"", b"a\\b\\c"),
    (0x0002, 0x0010): (b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99",
                       b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.70",
                       b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.90",
                       b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.4.100", b"1.2.3", b"", b"\xff"),
    (0x0008, 0x0016): (b"1.2.840.10008.5.1.4.1.1.4.1", b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2",
                       b"1.2.840.10008.5.1.4.1.1.2", b"", b"1.2.840.10008.1.3.10"),
    (0x0008, 0x0005): (b"ISO_IR 999", b"\\ISO 2022 IR 87", b"UTF-8", b"", b"GB18030", b"utf_16"),
    (0x0020, 0x000E): (b"", b"../../x", b"1.2.3", b"\0", b"9" * 64),
    (0x0020, 0x000D): (b"", b"../../x", b"1.2.3", b"\0"),
    (0x0008, 0x0018): (b"", b"1.2.3"),
    (0x0008, 0x0060): (b"CT", b"SR", b"", b"SEG"),
    (0x0008, 0x0020): (b"", b"99999999", b"../../x", b"19"),
    (0x0010, 0x0020): (b"", b"../../etc/passwd", b"\xff\xfe"),
    (0x0010, 0x0010): (b"\xff\xfe\x00", b"A^B=C=D=E", b"\x1b$B"),
    (0x0018, 0x0050): (b"0", b"-5", b"nan"),
}  # fmt: skip


class Element(NamedTuple):
    """Places in a file: of the tag, the VR (-1 where implicit), the length; and the value."""

    tag: tuple[int, int]
    at: int
    vr_at: int
    length_at: int
    length_size: int
    value_at: int
    length: int


def write_study(folder: Path, kind: str) -> Path:
    """A small study of three sequences of three slices; enhanced kinds in one file a series."""
    from napari_brainseg.core.dataset.phantom import phantom_study
    from napari_brainseg.core.dataset.phantom.dicom import default_series, write_dicom_phantom

    syntax = {
        "plain": "1.2.840.10008.1.2.1",
        "segmented": "1.2.840.10008.1.2.1",
        "implicit": "1.2.840.10008.1.2",
        "deflated": "1.2.840.10008.1.2.1.99",
        "rle": "1.2.840.10008.1.2.5",
        "jpeg2000": "1.2.840.10008.1.2.4.90",
        "jpegls": "1.2.840.10008.1.2.4.80",
        "enhanced": "1.2.840.10008.1.2.1",
        "enhanced jpeg2000": "1.2.840.10008.1.2.4.90",
        "enhanced rle": "1.2.840.10008.1.2.5",
    }[kind]
    study = phantom_study(3, 0, slices=4, size=32, lesions=1)
    series = default_series(
        study, shape=(3, 32, 40), transfer_syntax=syntax, enhanced=kind.startswith("enhanced"),
        slope=0.5, intercept=-20.0,
    )  # fmt: skip
    write_dicom_phantom(folder, study, series=series)
    if kind == "segmented":
        _segment(folder)
    return folder


def _segment(folder: Path) -> None:
    """Add a segmentation drawn by hand, which is the ground truth of the study then."""
    from napari_brainseg.core.dataset.masks import write_mask
    from napari_brainseg.core.formats import load_study
    from napari_brainseg.core.formats.mask_kinds import MaskFormat, MaskMaker

    study = load_study(folder)
    mask = np.zeros(study.image.grid_shape, np.uint8)
    mask[:, 8:15, 9:20] = 1
    apart = folder.with_name(f"{folder.name}-seg.dcm")
    write_mask(apart, study, mask, MaskFormat.DICOM_SEG, maker=MaskMaker("MANUAL", editor="A"))
    apart.rename(folder / "seg.dcm")


def elements(data: bytes | bytearray) -> list[Element]:
    """Elements of a file in a row, those of sequences too; as far as they make sense."""
    found: list[Element] = []
    is_implicit = b"1.2.840.10008.1.2\0" in data[132:600]
    for element in _walk(data, 132):
        found.append(element)
        if len(found) > 2000:
            break
    if is_implicit:
        last = max((e.value_at + e.length for e in found if e.tag[0] == 2), default=132)
        found = [e for e in found if e.tag[0] == 2]
        found.extend(_walk(data, last, implicit=True))
    return found


def _walk(data: bytes | bytearray, at: int, *, implicit: bool = False) -> Iterator[Element]:
    while at + 8 <= len(data):
        tag = struct.unpack_from("<HH", data, at)
        vr = bytes(data[at + 4 : at + 6])
        if tag[0] == 0xFFFE or implicit:
            vr_at, length_at, size, value_at = -1, at + 4, 4, at + 8
        elif vr in LONG:
            vr_at, length_at, size, value_at = at + 4, at + 8, 4, at + 12
        elif vr.isalpha() and vr.isupper():
            vr_at, length_at, size, value_at = at + 4, at + 6, 2, at + 8
        else:
            return
        if value_at > len(data):
            return
        length = int.from_bytes(data[length_at : length_at + size], "little")
        yield Element(tag, at, vr_at, length_at, size, value_at, length)
        # Into sequences and items, over everything else.
        nested = tag == (0xFFFE, 0xE000) or vr == b"SQ" or length == 0xFFFFFFFF
        pixels = tag == (0x7FE0, 0x0010)
        at = value_at if nested and not (pixels and length != 0xFFFFFFFF) else value_at + length


def _choose(data: bytearray, rng: random.Random, *, likely: bool = True) -> Element | None:
    found = elements(data)
    if not found:
        return None
    known = [e for e in found if e.tag in NUMBERS or e.tag in TEXTS or e.tag == (0x7FE0, 0x0010)]
    return rng.choice(known if known and likely and rng.random() < 0.7 else found)


def set_length(data: bytearray, rng: random.Random) -> bytearray:
    """Have an element be as long as no file is, or undefined, or odd."""
    if element := _choose(data, rng):
        value = rng.choice((0, 1, 2, 3, 7, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 1 << 24,
                            element.length + 1, element.length + 2, len(data)))  # fmt: skip
        value &= (1 << 8 * element.length_size) - 1
        end = element.length_at + element.length_size
        data[element.length_at : end] = value.to_bytes(element.length_size, "little")
    return data


def set_vr(data: bytearray, rng: random.Random) -> bytearray:
    """Give an element another VR."""
    if (element := _choose(data, rng)) and element.vr_at >= 0:
        data[element.vr_at : element.vr_at + 2] = rng.choice(VRS)
    return data


def set_tag(data: bytearray, rng: random.Random) -> bytearray:
    """Turn an element into another one: double, out of order, item and delimiter."""
    if element := _choose(data, rng):
        group, number = rng.choice(
            (*NUMBERS, *TEXTS, (0x7FE0, 0x0010), (0xFFFE, 0xE000), (0xFFFE, 0xE00D),
             (0xFFFE, 0xE0DD),
             (0x5200, 0x9230), (0x5200, 0x9229), (0, 0), (0xFFFF, 0xFFFF), (0x0009, 0x0010))
        )  # fmt: skip
        data[element.at : element.at + 4] = struct.pack("<HH", group, number)
    return data


def set_number(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme into rows, columns, samples, bits or sign."""
    known = [e for e in elements(data) if e.tag in NUMBERS and e.length == 2]
    if known:
        element = rng.choice(known)
        value = rng.choice((0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 24, 32, 64, 255, 32768, 65535))
        data[element.value_at : element.value_at + 2] = struct.pack("<H", value)
    return data


def set_text(data: bytearray, rng: random.Random) -> bytearray:
    """Put nonsense into what places, scales, orders or names the pixels."""
    known = [e for e in elements(data) if e.tag in TEXTS and e.value_at + e.length <= len(data)]
    if known:
        element = rng.choice(known)
        value = rng.choice(TEXTS[element.tag])
        value += b" " * (len(value) % 2)
        if element.length_size == 2 or element.vr_at < 0:
            start = element.value_at
            data[start : start + element.length] = value
            size = element.length_size
            data[element.length_at : element.length_at + size] = len(value).to_bytes(size, "little")
    return data


def drop(data: bytearray, rng: random.Random) -> bytearray:
    """Leave an element out."""
    element = _choose(data, rng)
    if element and element.length < len(data):
        del data[element.at : element.value_at + element.length]
    return data


def double(data: bytearray, rng: random.Random) -> bytearray:
    """Write an element twice."""
    element = _choose(data, rng)
    if element and element.length < len(data):
        piece = data[element.at : element.value_at + element.length]
        data[element.at : element.at] = piece * rng.choice((1, 1, 3))
    return data


def nest(data: bytearray, rng: random.Random) -> bytearray:
    """Put a sequence in a sequence in a sequence, deeper than any reader should follow."""
    pixels = [e for e in elements(data) if e.tag == (0x7FE0, 0x0010)]
    if pixels:
        head = struct.pack("<HH", 0x0040, 0xA730) + b"SQ\0\0" + b"\xff" * 4
        item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        data[pixels[0].at : pixels[0].at] = (head + item) * rng.choice((3, 50, 2000))
    return data


def damage_pixels(data: bytearray, rng: random.Random) -> bytearray:
    """Flip bits of the pixels: fragments and codestreams where they are compressed."""
    pixels = [e for e in elements(data) if e.tag == (0x7FE0, 0x0010)]
    start = pixels[0].value_at if pixels else len(data) // 2
    if start < len(data):
        end = rng.choice((len(data), min(len(data), start + 200)))
        for _ in range(rng.choice((1, 2, 10, 50))):
            data[rng.randrange(start, max(start + 1, end))] ^= 1 << rng.randrange(8)
    return data


def set_double(data: bytearray, rng: random.Random) -> bytearray:
    """Put an extreme into one of the doubles that enhanced files hold."""
    known = [
        e for e in elements(data)
        if e.vr_at >= 0 and data[e.vr_at : e.vr_at + 2] == b"FD" and e.length >= 8
    ]  # fmt: skip
    if known:
        element = rng.choice(known)
        value = rng.choice((0.0, -1.0, np.nan, np.inf, 1e300, 1e-300))
        data[element.value_at : element.value_at + 8] = struct.pack("<d", value)
    return data


DAMAGE = (set_length, set_vr, set_tag, set_number, set_number, set_text, set_text, set_text, drop,
          double, nest, damage_pixels, damage_pixels, set_double)  # fmt: skip
