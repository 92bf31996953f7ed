from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brainseg.core.imaging import ConfigError, DataError
from napari_brainseg.core.segmentation.preprocessing import get_recipe


def head(shape: tuple[int, int, int], seed: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.zeros((channels, *shape), dtype=np.uint8)
    _depth, height, width = shape
    top, left = rng.integers(0, height // 3), rng.integers(0, width // 3)
    bottom, right = height - rng.integers(0, height // 3), width - rng.integers(0, width // 3)
    region = image[:, :, top:bottom, left:right]
    region[...] = rng.integers(80, 200, region.shape)
    return image


shapes = st.tuples(st.integers(1, 5), st.integers(12, 60), st.integers(12, 60))


@given(shapes, st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_masks_inside_the_head_come_back_voxel_for_voxel(
    shape: tuple[int, int, int], seed: int
) -> None:
    image = head(shape, seed)
    prepared = get_recipe("native").prepare(image)
    mask = (np.random.default_rng(seed).random(shape) < 0.3).astype(np.uint8)
    mask &= image.max(axis=0) > 0

    there = prepared.prepare_mask(mask)
    assert there.shape == (shape[0], *prepared.data.shape[2:])
    np.testing.assert_array_equal(prepared.restore(there.astype(np.float32)), mask)


@given(shapes, st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_every_slice_is_kept_and_sides_are_multiples_of_16(
    shape: tuple[int, int, int], seed: int
) -> None:
    data = get_recipe("native").prepare(head(shape, seed)).data
    assert data.shape[:2] == (shape[0], 3)
    assert data.shape[2] % 16 == data.shape[3] % 16 == 0
    assert data.dtype == np.float32
    assert np.isfinite(data).all()


def test_scaling_ignores_gain_so_scanners_agree() -> None:
    image = head((4, 40, 40), 5)
    brighter = image.astype(np.float32) * 3.7
    recipe = get_recipe("native")
    np.testing.assert_allclose(recipe.prepare(image).data, recipe.prepare(brighter).data, atol=1e-4)


@pytest.mark.parametrize("level", [40, 103])
def test_a_channel_on_a_grey_background_does_not_disturb_the_others(level: int) -> None:
    rng = np.random.default_rng(7)
    black = np.zeros((3, 4, 48, 48), dtype=np.uint8)
    black[:, :, 14:34, 12:36] = rng.integers(120, 200, (3, 4, 20, 24))
    grey = black.copy()
    grey[0][black[0] == 0] = level
    recipe = get_recipe("native")
    expected, found = recipe.prepare(black), recipe.prepare(grey)

    assert found.box == expected.box
    np.testing.assert_array_equal(found.data[:, 1:], expected.data[:, 1:])


def test_a_head_that_fills_the_frame_is_no_grey_background() -> None:
    rng = np.random.default_rng(7)
    image = rng.integers(80, 200, (3, 4, 32, 32)).astype(np.uint8)
    prepared = get_recipe("native").prepare(image)

    assert prepared.box == (slice(0, 32), slice(0, 32))
    np.testing.assert_allclose(np.median(prepared.data, axis=(0, 2, 3)), 0, atol=0.05)


def test_a_lesion_moves_the_scaling_far_less_than_a_plain_standard_deviation() -> None:
    image = head((4, 40, 40), 6)
    lesion = image.copy()
    lesion[1, 1:3, 18:23, 18:23] = 255
    recipe = get_recipe("native")
    before, after = (recipe.prepare(i).data[0, 1] for i in (image, lesion))
    here = abs(after - before).max()

    inside = image.max(axis=0) > 0
    spread = [i[1][inside].astype(float) for i in (image, lesion)]
    plain = [(image[1, 0] - s.mean()) / s.std() for s in spread]
    assert here < abs(plain[1] - plain[0]).max() / 2


def test_a_blank_channel_stays_finite() -> None:
    image = head((3, 30, 30), 7)
    image[2] = 0
    assert np.isfinite(get_recipe("native").prepare(image).data).all()


def test_known_spacing_is_brought_to_the_nominal_pixel_and_back() -> None:
    z, y, x = np.ogrid[:3, :120, :120]
    disc = ((y - 60) ** 2 + (x - 60) ** 2 < 50**2) & (z >= 0)
    image = np.repeat((disc * 150).astype(np.uint8)[None], 3, axis=0)
    recipe = get_recipe("native")
    prepared = recipe.prepare(image, spacing_mm=(5.0, 0.47, 0.47))
    # 99 pixels of 0.47 mm are about 50 of 0.94 mm
    assert prepared.data.shape[2:] == (64, 64)
    back = prepared.restore(prepared.prepare_mask(disc.astype(np.uint8)).astype(np.float32)) > 0.5
    assert back.shape == disc.shape
    assert 2 * (back & disc).sum() / (back.sum() + disc.sum()) > 0.97


@pytest.mark.parametrize("image", [np.zeros((3, 2, 20, 20)), np.eye(20)[None, None] * [[[[0]]]]])
def test_an_empty_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match="empty"):
        get_recipe("native").prepare(image)


def test_a_single_hot_voxel_is_named_as_the_cause() -> None:
    image = np.zeros((3, 2, 20, 20), dtype=np.uint8)
    image[:, 0, 3, 3] = 255
    with pytest.raises(DataError) as caught:
        get_recipe("native").prepare(image)
    assert "artefact" in caught.value.hint


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="native, reference"):
        get_recipe("nativ")
