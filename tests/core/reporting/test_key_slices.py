"""Which slices a report shows, and what is drawn on them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.imaging import Geometry, LabelVolume, ScalarVolume, Study
from napari_brainseg.core.reporting.key_pictures import key_pictures
from napari_brainseg.core.reporting.key_slices import choose_slices
from napari_brainseg.core.segmentation.diameters import bidimensional

SHAPE = (20, 40, 40)
UPRIGHT = ((0, 0, 1.0, 0), (0, 1.0, 0, 0), (5.0, 0, 0, 0), (0, 0, 0, 1.0))


def ball() -> np.ndarray:
    z, y, x = np.ogrid[:20, :40, :40]
    inside: np.ndarray = ((z - 9) / 7) ** 2 + ((y - 20) / 9) ** 2 + ((x - 18) / 9) ** 2 <= 1
    return inside.astype(np.uint8)


def test_slices_stand_for_something_and_come_in_order() -> None:
    mask, base = ball(), ball()
    base[4] = 0
    doubt = np.zeros(SHAPE, np.float32)
    doubt[13, 10:20, 10:20] = 0.9
    chosen = choose_slices(mask, count=6, diameter_slice=9, uncertainty=doubt, base=base)
    assert list(chosen) == sorted(chosen)
    assert chosen[9] == ("largest cross-section", "longest diameter")
    assert chosen[4] == ("most corrected",)
    assert chosen[13] == ("most uncertain",)
    assert len(chosen) == 6


def test_room_that_is_left_goes_to_slices_through_the_lesion_but_not_to_neighbours() -> None:
    chosen = choose_slices(ball(), count=6)
    gaps = np.diff(list(chosen))
    assert gaps.min() >= 2
    assert all(ball()[z].any() for z in chosen)


def test_the_tip_of_a_lesion_is_no_key_slice_where_there_are_better_ones() -> None:
    mask = ball()
    mask[17, 20, 18] = 1
    assert 17 not in choose_slices(mask, count=4)
    assert list(choose_slices(mask * (np.arange(20) > 16)[:, None, None], count=4)) == [17]


def test_no_more_slices_than_asked_for() -> None:
    truth = np.roll(ball(), 3, axis=0)
    assert len(choose_slices(ball(), count=2, diameter_slice=9, truth=truth)) == 2


def test_without_a_lesion_the_middle_is_shown() -> None:
    assert choose_slices(np.zeros(SHAPE), count=6) == {10: ("middle of the stack, no lesion",)}


def drawn(geometry: Geometry, **masks: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = rng.integers(80, 90, (3, *SHAPE), dtype=np.uint8)
    study = Study("P", ScalarVolume(image, geometry=geometry), LabelVolume(ball()))
    diameters = bidimensional(ball(), geometry.spacing_mm)
    (picture,) = key_pictures(study, masks, {9: ("why",)}, diameters)
    decoded = np.asarray(Image.open(io.BytesIO(picture.picture)).convert("RGB"))
    assert decoded.shape == (picture.height_px, picture.width_px, 3)
    return decoded.astype(int)


def near(picture: np.ndarray, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture - wanted).max(axis=-1) < 40).sum())


@pytest.mark.parametrize(
    ("name", "colour"),
    [("truth", "#009E73"), ("correction", "#56B4E9"), ("prediction", "#D55E00")],
)
def test_outlines_have_the_colours_of_the_house(name: str, colour: str) -> None:
    picture = drawn(Geometry(), **{name: ball()})
    assert near(picture, colour) > 300
    others = {"#009E73", "#56B4E9", "#D55E00"} - {colour}
    assert all(near(picture, other) == 0 for other in others)


def test_the_prediction_is_dashed() -> None:
    solid = near(drawn(Geometry(), correction=ball()), "#56B4E9")
    dashed = near(drawn(Geometry(), prediction=ball()), "#D55E00")
    assert dashed < 0.85 * solid


def test_scale_bar_and_letters_only_where_they_are_known() -> None:
    unknown = drawn(Geometry())
    spaced = drawn(Geometry(spacing_mm=(5.0, 1.0, 1.0)))
    oriented = drawn(Geometry.from_affine(UPRIGHT))
    height, width, _ = unknown.shape
    corner = (slice(int(0.88 * height), None), slice(int(0.6 * width), None))
    edge = (slice(int(0.45 * height), int(0.55 * height)), slice(0, int(0.09 * width)))

    def white(picture: np.ndarray, part: tuple[slice, slice]) -> int:
        return int((picture[part].min(axis=-1) > 240).sum())

    assert [white(p, corner) > 100 for p in (unknown, spaced, oriented)] == [False, True, True]
    assert [white(p, edge) > 20 for p in (unknown, spaced, oriented)] == [False, False, True]
