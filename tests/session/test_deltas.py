from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.session.deltas import pack_bits, pack_indices, unpack_bits, unpack_indices


@given(st.sets(st.integers(0, 2**32 - 1), max_size=200))
def test_indices_come_back(values: set[int]) -> None:
    indices = np.array(sorted(values), np.int64)
    np.testing.assert_array_equal(unpack_indices(pack_indices(indices)), indices)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=100))
def test_bits_come_back(values: list[int]) -> None:
    bits = np.array(values, np.uint8)
    np.testing.assert_array_equal(unpack_bits(pack_bits(bits), bits.shape), bits)


def test_a_stroke_takes_little_space() -> None:
    z, y, x = np.ogrid[:1, :256, :256]
    disc = np.flatnonzero(((y - 100) ** 2 + (x - 100) ** 2 < 20**2) & (z == 0))
    assert disc.size > 1000
    assert len(pack_indices(disc)) < 300


def test_too_few_bits_are_noticed() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        unpack_bits(pack_bits(np.ones(8, np.uint8)), (3, 3))
