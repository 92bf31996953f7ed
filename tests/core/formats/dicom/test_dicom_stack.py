"""Slices in the order in which they lie, and what is said about the rest."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_brainseg.core.formats.dicom.frames import Frame, PixelFacts
from napari_brainseg.core.formats.dicom.stack import build_stack
from napari_brainseg.core.imaging import upright

PIXELS = PixelFacts(4, 6, 1, 1, 16, 16, True, False, False, "MONOCHROME2", "1.2.840.10008.1.2.1")
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def _frame(k: int, position, orientation=AXIAL, **changes) -> Frame:
    frame = Frame(
        path=Path(f"/x/{k}.dcm"),
        index=0,
        sop_instance_uid=f"1.{k}",
        number=k,
        position=None if position is None else tuple(map(float, position)),
        orientation=orientation,
        pixel_spacing_mm=(0.5, 0.75),
        thickness_mm=4.0,
        between_mm=None,
        slope=1.0,
        intercept=0.0,
        stack="",
        moment=(),
        pixels=PIXELS,
    )
    return replace(frame, **changes)


def _axial(heights, **changes) -> list[Frame]:
    return [_frame(k, (10, 20, z), **changes) for k, z in enumerate(heights)]


def _text(stack) -> str:
    return "\n".join(stack.warnings)


@st.composite
def _rotations(draw):
    """Rotation matrices from quaternions."""
    q = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 4)))
    length = np.linalg.norm(q)
    w, x, y, z = q / length if length > 0.1 else (1, 0, 0, 0)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@given(
    _rotations(),
    st.tuples(*[st.floats(-200, 200)] * 3),
    st.floats(0.5, 8),
    st.integers(2, 12),
    st.randoms(use_true_random=False),
)
def test_any_orientation_keeps_every_voxel_in_its_place(turn, origin, between, count, rng) -> None:
    """Positions are found again, whatever the direction; and the upright order is upright."""
    row, column, normal = turn.T
    frames = [
        _frame(rng.randrange(999), origin + k * between * normal, (*row, *column))
        for k in range(count)
    ]
    wanted = [frame.position for frame in frames]
    rng.shuffle(frames)
    stack = build_stack(frames)
    assert stack.warnings == ()
    assert [frame.position for frame in stack.there] == wanted
    matrix = np.array(stack.affine_lps)
    for k, position in enumerate(wanted):
        np.testing.assert_allclose((matrix @ [k, 0, 0, 1])[:3], position, atol=1e-6)
    np.testing.assert_allclose(
        (matrix @ [0, 2, 3, 1])[:3], wanted[0] + 2 * 0.5 * column + 3 * 0.75 * row, atol=1e-6
    )
    shape = (count, 4, 6)
    turned, affine = upright(stack.affine_lps, shape)
    # The same voxel, asked for in both orders, lies at the same place.
    index = np.arange(np.prod(shape)).reshape(shape)
    there = turned.apply(index)
    corner = tuple(n - 1 for n in there.shape)
    stored = np.unravel_index(there[corner], shape)
    np.testing.assert_allclose(np.array(affine) @ [*corner, 1], matrix @ [*stored, 1], atol=1e-6)
    # Head up, back of the head behind, the patient's left on the right.
    columns = np.array(affine)[:3, :3] / np.linalg.norm(np.array(affine)[:3, :3], axis=0)
    assert (np.diag(columns[::-1]) > 0).all()


def test_instance_numbers_promise_nothing() -> None:
    frames = _axial([0, 5, 10, 15])
    numbers = [3, 1, 0, 2]
    frames = [replace(f, number=n) for f, n in zip(frames, numbers, strict=True)]
    random.Random(0).shuffle(frames)
    stack = build_stack(frames)
    assert [f.position[2] for f in stack.there] == [0, 5, 10, 15]
    assert stack.spacing_mm == (5, 0.5, 0.75)


def test_missing_slices_leave_gaps() -> None:
    stack = build_stack(_axial([0, 5, 15, 20, 35]))
    assert [frame is None for frame in stack.frames] == [0, 0, 1, 0, 0, 1, 1, 0]
    assert "Slices 3, 6, 7 of 8 are missing; blank ones stand in." in stack.warnings
    assert stack.spacing_mm[0] == 5
    alone = build_stack(_axial([0, 5, 15]))
    assert "Slice 3 of 4 is missing; a blank one stands in." in alone.warnings


def test_a_slice_far_away_makes_no_endless_gap() -> None:
    stack = build_stack(_axial([0, 5, 10, 15, 5_000_000]))
    assert len(stack.frames) == 5
    assert "vary" in _text(stack)


def test_varying_distances_take_the_median() -> None:
    stack = build_stack(_axial([0, 5, 10, 17, 22, 27]))
    assert len(stack.frames) == 6
    assert stack.spacing_mm[0] == 5
    assert "vary from 5 to 7 mm" in _text(stack)
    rounded = build_stack(_axial([0, 5.01, 10, 15.02, 20]))
    assert rounded.warnings == ()
    assert rounded.spacing_mm[0] == 5


def test_duplicates_keep_the_first() -> None:
    frames = [*_axial([0, 5, 10]), _frame(99, (10, 20, 5))]
    stack = build_stack(frames[::-1])
    assert [frame.number for frame in stack.there] == [0, 1, 2]
    assert "1 slices lie where another lies already" in _text(stack)


def test_echoes_are_told_apart_only_where_they_share_a_place() -> None:
    two = [*_axial([0, 5, 10], moment=(14,)), *_axial([0, 5, 10], moment=(90,))]
    stack = build_stack(two)
    assert {frame.moment for frame in stack.there} == {(14,)}
    assert "3 of 6 slices of another echo or time are left out." in stack.warnings
    drifting = [replace(f, moment=(k,)) for k, f in enumerate(_axial([0, 5, 10]))]
    assert build_stack(drifting).warnings == ()


def test_others_are_left_out() -> None:
    frames = _axial([0, 5, 10, 15])
    sagittal = _frame(50, (0, 0, 0), (0, 1, 0, 0, 0, -1))
    large = _frame(51, (10, 20, 20), pixels=replace(PIXELS, rows=512))
    nowhere = _frame(52, None)
    stack = build_stack([sagittal, *frames, large, nowhere])
    assert [frame.number for frame in stack.there] == [0, 1, 2, 3]
    for what in ("another size", "another orientation", "do not say where they lie"):
        assert f"slices of {what}" in _text(stack) or f"slices that {what}" in _text(stack)


def test_gantry_tilt_shears_the_matrix() -> None:
    frames = [_frame(k, (0, 2 * k, 5 * k)) for k in range(5)]
    stack = build_stack(frames)
    assert "leans by 21.8 degrees" in _text(stack)
    matrix = np.array(stack.affine_lps)
    np.testing.assert_allclose(matrix[:3, 0], (0, 2, 5))
    zigzag = [_frame(k, (3 * (k % 2), 0, 5 * k)) for k in range(5)]
    assert "moved against each other" in _text(build_stack(zigzag))


def test_positions_win_over_the_header() -> None:
    stack = build_stack(_axial([0, 6, 12], between_mm=5.0))
    assert stack.spacing_mm[0] == 6
    assert "5 mm apart, their positions 6 mm" in _text(stack)
    assert build_stack(_axial([0, 6, 12], between_mm=-6.0)).warnings == ()


def test_single_slice_takes_its_thickness() -> None:
    assert build_stack(_axial([7])).spacing_mm == (4, 0.5, 0.75)
    assert build_stack(_axial([7], between_mm=5.5)).spacing_mm[0] == 5.5
    # Nuclear medicine tells the direction of stacking by a sign.
    assert build_stack(_axial([7], between_mm=-5.5)).spacing_mm[0] == 5.5
    assert build_stack([_frame(0, None, between_mm=-5.5)]).spacing_mm[0] == 5.5
    gap = {"between_mm": 2.0, "thickness_mm": 5.0}
    assert build_stack(_axial([7], **gap)).spacing_mm[0] == 5
    assert "header says" not in _text(build_stack(_axial([0, 7, 14], **gap)))
    assert "header says" in _text(build_stack(_axial([0, 9, 18], **gap)))
    unknown = build_stack(_axial([7], thickness_mm=None))
    assert unknown.spacing_mm[0] == 1
    assert "unknown thickness" in _text(unknown)


def test_without_geometry_numbers_give_the_order() -> None:
    frames = [_frame(k, None) for k in (2, 0, 1)]
    stack = build_stack(frames)
    assert stack.affine_lps is None
    assert [frame.number for frame in stack.there] == [0, 1, 2]
    assert stack.spacing_mm == (4, 0.5, 0.75)
    assert "orientation unknown" in _text(stack)
    bare = build_stack([_frame(0, None, pixel_spacing_mm=None)])
    assert bare.spacing_mm is None


def test_without_a_place_the_best_order_there_is() -> None:
    shuffled = [(k * 7) % 10 for k in range(10)]
    located = [_frame(k, None, location_mm=5.0 * z) for k, z in enumerate(shuffled)]
    placed = [_frame(k, (0, 2 * z, 4 * z), None) for k, z in enumerate(shuffled)]
    for frames, told, between in (
        (located, "ImagePositionPatient missing", 5.0),
        (placed, "ImageOrientationPatient missing", 20**0.5),
    ):
        stack = build_stack(frames)
        assert [shuffled[frame.number] for frame in stack.there] == list(range(10))
        assert np.isclose(stack.spacing_mm[0], between)
        assert told in _text(stack)
    blanked = [replace(frame, position=(0.0, 0.0, 0.0)) for frame in located]
    assert len(build_stack(blanked).there) == 10
    assert "one position" in _text(build_stack(blanked))
    same = [replace(frame, location_mm=3.0) for frame in located]
    assert [frame.number for frame in build_stack(same).there] == list(range(10))


def test_phases_in_the_file_of_the_images_are_left_out() -> None:
    images = _axial(range(6), kind=("MAGNITUDE", "T1"))
    phases = [replace(f, kind=("PHASE", "T1"), path=Path(f"/p/{f.number}")) for f in images]
    stack = build_stack([*phases, *images])
    assert {frame.kind[0] for frame in stack.there} == {"MAGNITUDE"}
    assert "6 of 12 pictures show phases" in _text(stack)
    assert len(build_stack(phases).there) == 6


def test_directions_that_are_none() -> None:
    for orientation in ((0.0,) * 6, (1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 2, 0)):
        stack = build_stack([_frame(k, (0, 0, k), orientation) for k in range(3)])
        assert stack.affine_lps is None
    zero = build_stack([_frame(k, (0, 0, k), pixel_spacing_mm=(0.0, 0.0)) for k in range(3)])
    assert zero.affine_lps is None
    assert zero.spacing_mm is None
