"""Eight bits of any range of intensities."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.imaging import EightBit, eight_bit


def test_eight_bits_stay_as_they_are() -> None:
    volume = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)

    assert (eight_bit(volume).encode(volume) == volume).all()


def test_hounsfield_values_reach_from_black_to_white() -> None:
    volume = np.linspace(-1024, 3071, 4096).astype(np.int16).reshape(16, 16, 16)

    line = eight_bit(volume)
    coded = line.encode(volume)

    assert (line.low, line.high) == (-1024, 3071)
    assert (coded.min(), coded.max()) == (0, 255)
    step = (line.high - line.low) / 255
    assert np.abs(line.decode(coded) - volume).max() <= step / 2 + 1e-3


def test_one_bright_spike_does_not_darken_the_brain() -> None:
    volume = np.random.default_rng(1).integers(0, 900, (20, 32, 32)).astype(np.int16)
    volume[3, 4, 5] = 30_000

    coded = eight_bit(volume).encode(volume)

    assert coded[3, 4, 5] == 255
    assert np.median(coded) > 50


@pytest.mark.parametrize("value", [0.0, -5.0, 700.0])
def test_a_blank_volume_is_black(value: float) -> None:
    volume = np.full((2, 3, 3), value, np.float32)

    assert not eight_bit(volume).encode(volume).any()


def test_values_that_are_no_numbers_do_not_count() -> None:
    volume = np.linspace(0, 10, 64, dtype=np.float32).reshape(4, 4, 4)
    volume[0, 0, 0], volume[1, 0, 0] = np.nan, np.inf

    line = eight_bit(volume)

    assert np.isfinite((line.low, line.high)).all()
    assert line.high == pytest.approx(10)
    assert eight_bit(np.full((1, 1, 1), np.nan)) == EightBit(0.0, 1.0)


@pytest.mark.parametrize(
    "volume",
    [
        np.array([-1.7e308, 0.0, 1.7e308]),
        np.array([-3.4e38, 0.0, 3.4e38], np.float32),
        np.array([0.0, 1e-40, 2e-40], np.float32),
        np.array([1e17, 1e17, 1e17], np.float32),
        np.array([5.0, 5.0]),
    ],
)
def test_values_at_the_ends_of_floats_make_a_picture(volume: np.ndarray) -> None:
    line = eight_bit(volume)
    assert line.low < line.high
    picture = line.encode(volume)
    assert (np.diff(picture.astype(int)) >= 0).all()


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.int32, np.uint64, np.int64])
def test_whole_numbers_have_the_line_of_their_sorted_values(dtype: type) -> None:
    info = np.iinfo(dtype)
    # One span that is counted, and the widest there is; more voxels than are counted at a time.
    for low, high in ((max(info.min, -900), min(info.max, 30_000)), (info.min, info.max)):
        volume = np.random.default_rng(1).integers(low, high, (3, 300, 301), dtype, endpoint=True)
        line = eight_bit(volume)
        ordered = np.sort(volume, axis=None)
        top = float(ordered[round(0.999 * (volume.size - 1))])
        least = float(ordered[0])
        assert line.low == least
        assert line.high == min(float(ordered[-1]), least + 2 * (top - least))
