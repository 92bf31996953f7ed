"""Upright order: axes exchanged and turned round, the same voxels at the same places."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.core.imaging import AS_STORED, DataError, Geometry, Reorientation, upright
from napari_brainseg.core.imaging.orientation import spacing_of

ORDERS = [
    (axes, signs) for axes in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)
]
SHAPE = (3, 4, 5)


def matrix(axes: tuple[int, ...], signs: tuple[float, ...], origin: float = 7.0) -> np.ndarray:
    """Stored axis `i` runs along LPS row ``axes[i]`` with a step of ``i + 1`` mm."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for index, (row, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[row, index] = sign * (index + 1)
    affine[:3, 3] = origin
    return affine


def as_tuple(affine: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in affine)


@pytest.mark.parametrize(("axes", "signs"), ORDERS)
def test_every_storage_order_comes_upright(axes: tuple[int, ...], signs: tuple[float, ...]) -> None:
    affine = matrix(axes, signs)

    found, turned = upright(as_tuple(affine), SHAPE)

    columns = np.array(turned)[:3, :3]
    assert columns[2, 0] > 0, "z runs to the head"
    assert columns[1, 1] > 0, "y runs to the back"
    assert columns[0, 2] > 0, "x runs to the patient's left"
    assert np.count_nonzero(columns) == 3
    stored = np.arange(60).reshape(SHAPE)
    shown = found.apply(stored)
    assert (found.undo(shown) == stored).all()
    # Every voxel keeps its place in the patient.
    for index in ((0, 0, 0), (2, 3, 4), (1, 2, 3)):
        here = affine @ (*index, 1)
        (where,) = np.argwhere(shown == stored[index])
        assert np.allclose(np.array(turned) @ (*where, 1), here)


@settings(max_examples=60, deadline=None)
@given(
    order=st.sampled_from(ORDERS),
    angles=st.tuples(*(st.floats(-35, 35) for _ in range(3))),
    spacing=st.tuples(*(st.floats(0.3, 8) for _ in range(3))),
)
def test_oblique_volumes_take_the_nearest_order_and_keep_their_places(
    order: tuple[tuple[int, ...], tuple[float, ...]],
    angles: tuple[float, float, float],
    spacing: tuple[float, float, float],
) -> None:
    from scipy.spatial.transform import Rotation

    affine = matrix(*order)
    affine[:3, :3] /= np.linalg.norm(affine[:3, :3], axis=0)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ (
        affine[:3, :3] * spacing
    )

    found, turned = upright(as_tuple(affine), SHAPE)

    shown = found.apply(np.arange(60).reshape(SHAPE))
    (where,) = np.argwhere(shown == 59)
    assert np.allclose(np.array(turned) @ (*where, 1), affine @ (2, 3, 4, 1))
    assert sorted(spacing_of(turned)) == pytest.approx(sorted(spacing))


def test_views_are_not_copies_and_leading_axes_stay() -> None:
    turn = Reorientation((2, 0, 1), (True, False, True))
    volume = np.zeros((2, 3, 4, 5))

    shown = turn.apply(volume)

    assert shown.shape == (2, 5, 3, 4)
    assert np.shares_memory(shown, volume)
    assert turn.undo(shown).shape == volume.shape
    assert AS_STORED.is_identity
    assert not turn.is_identity


@pytest.mark.parametrize(
    "affine",
    [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1.0, 1.0, 0.0, 1.0])],
    ids=["zero", "not finite", "flat"],
)
def test_a_matrix_that_spans_no_space_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"span space|not a finite"):
        upright(as_tuple(affine), SHAPE)


def test_a_geometry_takes_its_spacing_from_the_matrix() -> None:
    geometry = Geometry.from_affine(as_tuple(matrix((2, 1, 0), (1.0, 1.0, 1.0))))

    assert geometry.spacing_mm == (1.0, 2.0, 3.0)
    assert geometry.voxel_volume_ml == pytest.approx(0.006)
