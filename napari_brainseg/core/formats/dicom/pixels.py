"""Pixels of DICOM files as real values: decoded, rescaled, nothing clipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_brainseg.core.formats.dicom.codestreams import codestream_size
from napari_brainseg.core.formats.dicom.files import read_whole
from napari_brainseg.core.imaging import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_brainseg.core.formats.dicom.frames import Frame, PixelFacts

__all__ = ["Reach", "dtype_of", "fill_padding", "read_frames"]

_PACKAGES = {
    "1.2.840.10008.1.2.4.50": "napari-brainseg[jpeg]",
    "1.2.840.10008.1.2.4.51": "napari-brainseg[jpeg]",
    "1.2.840.10008.1.2.4.57": "napari-brainseg[jpeg]",
    "1.2.840.10008.1.2.4.70": "napari-brainseg[jpeg]",
    "1.2.840.10008.1.2.4.80": "napari-brainseg[jpeg]",
    "1.2.840.10008.1.2.4.81": "napari-brainseg[jpeg]",
    "1.2.840.10008.1.2.4.90": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg-openjpeg",
}
_FLOATS = ("FloatPixelData", "DoubleFloatPixelData")
_INTEGERS = (np.uint8, np.int16, np.uint16, np.int32, np.int64)

_LONGEST = 300
_APART = 0.05
"""A mark for no measurement that is hardly lower than the lowest value is left as it is."""


class Reach(NamedTuple):
    """Lowest and highest real value of a frame that was measured, and whether some was not."""

    low: float
    high: float
    padded: bool


def dtype_of(frames: Sequence[Frame]) -> np.dtype[Any]:
    """Give the smallest dtype that holds every real value that the frames can have.

    Integers where slopes and intercepts are whole numbers, else float32; doubles stay doubles.
    """
    if any(frame.pixels.floating for frame in frames):
        wide = any(frame.pixels.bits_allocated > 32 for frame in frames)
        return np.dtype(np.float64 if wide else np.float32)
    low = high = 0.0
    for frame in frames:
        if not (frame.slope.is_integer() and frame.intercept.is_integer()):
            return np.dtype(np.float32)
        ends = [value * frame.slope + frame.intercept for value in frame.pixels.limits]
        low, high = min(low, *ends), max(high, *ends)
    for dtype in _INTEGERS:
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return np.dtype(dtype)
    return np.dtype(np.float32)


def read_frames(path: Path, wanted: Sequence[tuple[Frame, NDArray[Any]]]) -> list[Reach]:
    """Read frames of one file.

    Parameters
    ----------
    path : Path
        The file.
    wanted : sequence of (Frame, ndarray of shape (rows, columns))
        Which frames, and where their real values go.

    Returns
    -------
    list of Reach
        Of each.

    Raises
    ------
    DataError
        If the pixels cannot be decoded or are cut off.
    """
    order = sorted(range(len(wanted)), key=lambda k: wanted[k][0].index)
    facts = wanted[0][0].pixels
    found: dict[int, Reach] = {}
    planes = _decode(path, facts, [wanted[k][0].index for k in order])
    for k, plane in zip(order, planes, strict=True):
        frame, out = wanted[k]
        if plane.shape != out.shape:
            raise _broken(path, f"a picture of {plane.shape} pixels where {out.shape} was said")
        found[k] = _convert(frame, plane, out)
    return [found[k] for k in range(len(wanted))]


def _decode(path: Path, facts: PixelFacts, indices: list[int]) -> Iterator[NDArray[Any]]:
    """Decode frames, ascending; of files without compression they are views."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = facts.transfer_syntax or "1.2.840.10008.1.2"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise _unreadable(path, syntax) from error
    if not decoder.is_available:
        raise _unreadable(path, syntax)
    source, options = _source(path, facts)
    if decoder.is_native and options:
        _check_length(path, len(source), facts)
    if syntax in _PACKAGES:
        _check_codestreams(path, source, facts)
    try:
        for plane, _ in decoder.iter_array(
            source, indices=indices, raw=True, view_only=decoder.is_native, **options
        ):
            yield plane
    except DataError:
        raise
    except BaseException as error:
        # Decoders raise anything for broken pixels; those in Rust panic, which is no Exception.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise _broken(path, _first_line(error)) from error
        raise


def _source(path: Path, facts: PixelFacts) -> tuple[Any, dict[str, Any]]:
    """Give what pydicom decodes: the bytes of the pixels and what they are, or a data set."""
    if facts.at < 0 or facts.extended_offsets:
        dataset = read_whole(path)
        if not any(word in dataset for word in ("PixelData", *_FLOATS)):
            raise _broken(path, "it holds no pixels")
        return dataset, {}
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(facts.at)
            source = file.read(facts.length)
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from error
    return source, {
        "rows": facts.rows,
        "columns": facts.columns,
        "number_of_frames": facts.frames,
        "samples_per_pixel": facts.samples,
        "bits_allocated": facts.bits_allocated,
        "bits_stored": facts.bits_stored + facts.shift,
        "pixel_representation": int(facts.signed),
        "photometric_interpretation": facts.photometric or "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "pixel_vr": facts.vr,
    }


def _check_length(path: Path, held: int, facts: PixelFacts) -> None:
    needed = facts.claimed_bytes
    if held < needed:
        raise _broken(path, f"its pixels are cut off, {held:,} of {needed:,} bytes are there")
    if held >= 2 * needed and held > needed + 1024:
        raise _broken(
            path,
            f"it says {facts.bits_allocated} bits a pixel and {facts.frames} frames, which takes "
            f"{needed:,} bytes, but holds {held:,}",
        )


def _check_codestreams(path: Path, source: Any, facts: PixelFacts) -> None:
    """Refuse compressed frames of another size than the header says, before a decoder trusts it."""
    from pydicom.encaps import generate_frames

    held = source if isinstance(source, bytes) else source.PixelData
    try:
        for frame in generate_frames(held, number_of_frames=facts.frames):
            size = codestream_size(frame)
            if size != (facts.rows, facts.columns, 1):
                told = "nothing" if size is None else f"{size.rows} x {size.columns} pixels"
                raise _broken(
                    path,
                    f"{facts.rows} x {facts.columns} pixels were said, the compressed picture "
                    f"says {told}",
                )
    except DataError:
        raise
    except Exception as error:  # pydicom raises anything for broken fragments
        raise _broken(path, _first_line(error)) from error


def _convert(frame: Frame, plane: NDArray[Any], out: NDArray[Any]) -> Reach:
    """Bring stored values to real ones."""
    facts = frame.pixels
    if facts.shift and plane.dtype.kind != "f":
        plane = plane >> facts.shift
    padded: NDArray[np.bool_] | None = None
    if facts.padding is not None and plane.dtype.kind != "f":
        first, last = facts.padding
        padded = (plane >= first) & (plane <= last)
        padded = padded if padded.any() else None
    least, most = facts.limits
    if facts.inverted and plane.dtype.kind != "f":
        plane = np.subtract(least + most, plane, dtype=np.int64)
    if frame.slope != 1 or frame.intercept != 0:
        # Doubles hold 32 bits times a slope; the result is rounded once.
        plane = plane * np.float64(frame.slope) + np.float64(frame.intercept)
    with np.errstate(over="ignore", invalid="ignore"):
        # A slope that makes no sense leaves infinite values, which are said later.
        out[...] = plane
    if padded is None:
        return Reach(float(out.min()), float(out.max()), False)
    measured = out[~padded]
    if not measured.size:
        return Reach(float("inf"), float("-inf"), True)
    return Reach(float(measured.min()), float(measured.max()), True)


def fill_padding(frame: Frame, out: NDArray[Any], low: float, high: float) -> None:
    """Put the lowest value where nothing was measured, if the mark stands out of the range.

    Parameters
    ----------
    frame : Frame
        Whose real values `out` are.
    out : ndarray
        Changed in place.
    low, high : float
        Of the measured values of the series.
    """
    facts = frame.pixels
    if facts.padding is None:
        return
    least, most = facts.limits
    ends = [least + most - value if facts.inverted else value for value in facts.padding]
    marks = sorted(value * frame.slope + frame.intercept for value in ends)
    if low - _APART * (high - low) <= marks[0] <= low:
        return
    out[(out >= marks[0]) & (out <= marks[1])] = low


def _unreadable(path: Path, syntax: str) -> DataError:
    from pydicom.uid import UID

    name = UID(syntax).name
    package = _PACKAGES.get(syntax)
    if package is None:
        hint = "Export it again, uncompressed."
    else:
        hint = f'pip install "{package}", or export it again, uncompressed.'
    return DataError(f"{path} is compressed as {name}, which cannot be read here.", hint)


def _first_line(error: BaseException) -> str:
    """Give what an error says, without what each of several decoders said."""
    lines = str(error).strip().splitlines()
    text = " ".join(line.strip() for line in lines[:2]) if lines else type(error).__name__
    return text[:_LONGEST].rstrip(" .")


def _broken(path: Path, why: str) -> DataError:
    return DataError(
        f"The pixels of {path} cannot be read: {why}.",
        "Export it again from the archive (PACS), or move it away.",
    )
