"""One grid looked up at the voxels of another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.formats.grids import coverage, resample, same_grid


def _affine(spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), turn=0.0):
    c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) * np.array(spacing)
    matrix[:3, 3] = origin
    return tuple(map(tuple, matrix.tolist()))


def _ramp(affine, shape, dtype=np.float32):
    """A field that is linear in space: linear interpolation gives it back exactly."""
    matrix = np.array(affine)
    index = np.indices(shape).reshape(3, -1)
    place = matrix[:3, :3] @ index + matrix[:3, 3:]
    return (3 * place[0] - 2 * place[1] + place[2] + 400).reshape(shape).astype(dtype)


def _reached(affine_from, shape_from, affine_to, shape, margin):
    to = np.linalg.inv(np.array(affine_from)) @ np.array(affine_to)
    at = to[:3, :3] @ np.indices(shape).reshape(3, -1) + to[:3, 3:]
    last = np.array(shape_from)[:, None] - 1
    return ((at >= margin) & (at <= last - margin)).all(axis=0).reshape(shape)


SPACINGS = st.tuples(*[st.floats(0.5, 4.0)] * 3)


@given(SPACINGS, SPACINGS, st.tuples(*[st.floats(-3, 3)] * 3), st.sampled_from([0.0, 0.0, 17.0]))
def test_linear_field_comes_back(spacing, other, origin, turn) -> None:
    here, there = _affine(spacing, turn=turn), _affine(other, origin)
    shape, wanted = (7, 9, 8), (6, 8, 10)
    found = resample(_ramp(here, shape), here, there, wanted, order=1)
    inside = _reached(here, shape, there, wanted, 0.0)
    np.testing.assert_allclose(found[inside], _ramp(there, wanted)[inside], atol=2e-3)
    outside = ~_reached(here, shape, there, wanted, -0.51)
    assert (found[outside] == _ramp(here, shape).min()).all()


@given(SPACINGS, SPACINGS, st.tuples(*[st.floats(-3, 3)] * 3), st.sampled_from([0, 1]))
def test_order_of_the_axes_does_not_matter(spacing, other, origin, order) -> None:
    """Exchanged axes take the general path, which must agree with the fast one."""
    data = np.random.default_rng(0).integers(0, 1000, (6, 7, 8)).astype(np.float32)
    here, there, shape = _affine(spacing), _affine(other, origin), (9, 10, 11)
    fast = resample(data, here, there, shape, order=order)
    exchanged = tuple(map(tuple, np.array(here)[:, [2, 0, 1, 3]].tolist()))
    slow = resample(data.transpose(2, 0, 1), exchanged, there, shape, order=order)
    differ = np.abs(fast - slow) > 0.5
    # Halfway between two voxels, or at the very rim, rounding decides.
    assert differ.mean() < 0.02


def test_labels_are_never_mixed_and_integers_rounded() -> None:
    labels = np.zeros((4, 6, 6), np.uint8)
    labels[1:3, 2:5, 2:5] = 4
    for turn in (0.0, 20.0):
        found = resample(labels, _affine((2, 1, 1)), _affine(turn=turn), (8, 6, 6), order=0)
        assert found.dtype == np.uint8
        assert set(np.unique(found)) == {0, 4}
    image = np.array([[[0, 3]]], np.int16)
    found = resample(image, _affine(), _affine((1, 1, 0.5)), (1, 1, 3), order=1)
    assert found.dtype == np.int16
    assert found.ravel().tolist() == [0, 2, 3]
    big = np.array([[[2**30 + 1, 2**30 + 3]]], np.int32)
    found = resample(big, _affine(), _affine((1, 1, 0.5)), (1, 1, 3), order=1)
    assert found.ravel().tolist() == [2**30 + 1, 2**30 + 2, 2**30 + 3]


@pytest.mark.parametrize("turn", [0.0, 10.0])
def test_beyond_the_volume_is_its_lowest_value(turn: float) -> None:
    image = np.full((3, 4, 4), -1000, np.int16)
    image[1] = 50
    found = resample(
        image, _affine(), _affine(origin=(-20, -20, -20), turn=turn), (40,) * 3, order=1
    )
    assert found.min() == -1000
    assert (found[0] == -1000).all()
    labels = np.ones((3, 4, 4), np.uint8)
    found = resample(labels, _affine(), _affine(origin=(-20, 0, 0), turn=turn), (40, 4, 4), order=0)
    assert (found[0] == 0).all()
    assert found.any()


def test_single_slice_holds_for_its_thickness() -> None:
    image = np.full((1, 2, 2), 7, np.int16)
    image[0, 0, 0] = 1
    found = resample(image, _affine((4, 1, 1)), _affine(origin=(-3, 0, 0)), (7, 2, 2), order=1)
    assert (found[:, 1, 1] == [1, 7, 7, 7, 7, 7, 1]).all()


def test_other_byte_order_and_half_floats() -> None:
    image = np.arange(8, dtype=">i2").reshape(2, 2, 2)
    assert (resample(image, _affine(), _affine(), (2, 2, 2), order=1) == image).all()
    turned = resample(image, _affine(), _affine(turn=30), (2, 2, 2), order=1)
    assert turned.dtype == np.int16
    half = image.astype(np.float16)
    assert (resample(half, _affine(), _affine(), (2, 2, 2), order=1) == half).all()


def test_same_grid_forgives_rounding_only() -> None:
    shape = (20, 256, 256)
    here = _affine((5, 0.9375, 0.9375))
    assert same_grid(here, _affine((5, 0.9375, 0.9375), (0.001, 0, 0)), shape)
    assert not same_grid(here, _affine((5, 0.94, 0.94)), shape)
    assert not same_grid(here, _affine((5, 0.9375, 0.9375), (0, 0.5, 0)), shape)


def test_coverage() -> None:
    assert coverage(_affine(), (10, 10, 10), _affine(), (10, 10, 10)) == 1
    half = coverage(_affine(), (5, 10, 10), _affine(), (10, 10, 10))
    assert half == pytest.approx(0.5)
    assert coverage(_affine(origin=(100, 0, 0)), (5, 10, 10), _affine(), (10, 10, 10)) == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turned_volume_of_one_voxel_along_an_axis(axis: int) -> None:
    shape = [5, 6, 7]
    shape[axis] = 1
    data = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    here = tuple(tuple(float(v) for v in row) for row in np.eye(4))
    there = tuple(tuple(float(v) for v in row) for row in turn)
    found = resample(data, here, there, (5, 6, 7), order=1)
    assert found[0, 0, 0] == data[0, 0, 0]
    assert found.min() >= data.min()
    assert found.max() <= data.max()
