"""Volume of a voxel, against the volume that a stack of slices fills."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brainseg.core.imaging import Geometry


def _geometry(columns: np.ndarray) -> Geometry:
    matrix = np.eye(4)
    matrix[:3, :3] = columns
    return Geometry.from_affine(tuple(tuple(float(v) for v in row) for row in matrix))


@pytest.mark.parametrize("shift_mm", [0.0, 1.5, -3.0])
def test_a_tilted_gantry_makes_no_lesion_larger(shift_mm):
    # Slices 4 mm apart along their normal hold 4 mm each, however far they are moved aside.
    leaning = _geometry(np.stack([[0, shift_mm, 4.0], [0, 1.1, 0], [0.8, 0, 0]], axis=1))
    assert leaning.voxel_volume_ml == pytest.approx(4.0 * 1.1 * 0.8 / 1000)


def test_an_oblique_voxel_has_the_product_of_its_sides():
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    assert _geometry(turn * (4.0, 1.1, 0.8)).voxel_volume_ml == pytest.approx(0.00352)
    assert Geometry((4.0, 1.1, 0.8)).voxel_volume_ml == pytest.approx(0.00352)
