from __future__ import annotations

from dataclasses import replace
from math import cos, pi, radians, sin

import pytest
import torch

from training.augment import PRESETS, Augmentation, Draws, Strength
from training.augment.geometry import draw_elastic, draw_matrices, sample_windows

SIDE = 64
STRONG = PRESETS["strong"]
assert STRONG is not None


def canvas(slices: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.rand((slices, 3, 48, SIDE), generator=torch.Generator().manual_seed(1))
    return images, (images[:, 1] > 0.6).to(torch.uint8)


def block() -> tuple[torch.Tensor, torch.Tensor]:
    """A bright block on black, off the centre, and its mask."""
    images = torch.zeros(1, 3, SIDE, SIDE)
    images[:, :, 20:32, 30:44] = 1
    return images, (images[:, 1] > 0.5).to(torch.uint8)


def centre_of(mask: torch.Tensor) -> tuple[float, float]:
    """Centre of mass (y, x), pixels about the centre of the window."""
    y, x = torch.nonzero(mask > 0.5).float().mean(dim=0) - (SIDE - 1) / 2
    return float(y), float(x)


def matrices_of(strength: Strength, seed: int = 3, slices: int = 500) -> torch.Tensor:
    extents = torch.full((slices, 2), SIDE)
    return draw_matrices(strength, extents, SIDE, torch.Generator().manual_seed(seed))


def changed(
    strength: Strength, images: torch.Tensor, masks: torch.Tensor, seed: int, crop: int = SIDE
) -> tuple[torch.Tensor, torch.Tensor]:
    augmentation = Augmentation(crop, strength)
    extents = torch.full((len(images), 2), crop)
    draws = augmentation.draw(extents, 3, torch.Generator().manual_seed(seed))
    return augmentation.apply(images, masks, draws)


def test_no_strength_is_the_centre_of_the_canvas() -> None:
    images, masks = canvas()
    out, mask = changed(Strength(), images, masks, 0, crop=32)
    torch.testing.assert_close(out, images[:, :, 8:40, 16:48], atol=1e-5, rtol=0)
    torch.testing.assert_close(mask[:, 0], masks[:, 8:40, 16:48].float())


def test_a_flip_mirrors_image_and_mask_left_to_right() -> None:
    images, masks = canvas()
    out, mask = changed(Strength(flip=1.0), images, masks, 0, crop=32)
    torch.testing.assert_close(out, images[:, :, 8:40, 16:48].flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(mask[:, 0], masks[:, 8:40, 16:48].flip(-1).float())


@pytest.mark.parametrize("seed", range(4))
def test_a_rotation_and_a_zoom_move_a_block_to_where_they_must(seed: int) -> None:
    images, masks = block()
    strength = Strength(rotation_rad=0.5, scale=(0.8, 1.25))
    u = torch.rand((1, 5), generator=torch.Generator().manual_seed(seed))[0]
    angle, zoom = float(2 * u[0] - 1) * 0.5, 0.8 * 1.5625 ** float(u[1])
    out, mask = changed(strength, images, masks, seed)
    y, x = centre_of(masks[0])
    there = (zoom * (cos(angle) * y - sin(angle) * x), zoom * (cos(angle) * x + sin(angle) * y))
    assert centre_of(mask[0, 0]) == pytest.approx(there, abs=0.3)
    assert centre_of(out[0, 1]) == pytest.approx(there, abs=0.3)
    assert float(mask.sum()) == pytest.approx(zoom**2 * float(masks.sum()), rel=0.1)


def test_a_quarter_turn_is_exact() -> None:
    images, masks = canvas()
    images, masks = images[..., 8:56], masks[..., 8:56]
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]).expand(2, 2, 3)
    out, mask = sample_windows(images, masks, quarter, 48)
    torch.testing.assert_close(out, images.rot90(1, (2, 3)), atol=1e-4, rtol=0)
    assert torch.equal(mask[:, 0], masks.rot90(1, (1, 2)).float())


@pytest.mark.parametrize("strength", [PRESETS["standard"], STRONG], ids=["standard", "strong"])
def test_the_mask_follows_the_image(strength: Strength) -> None:
    strength = replace(
        strength, gain=0, offset=0, noise_share=0, blur_share=0, gamma_share=0, bias_share=0,
        elastic_share=float(strength.elastic_share > 0),
    )  # fmt: skip
    images, masks = block()
    moved = 0.0
    for seed in range(20):
        out, mask = changed(strength, images, masks, seed)
        assert ((out[:, 1] > 0.5).float() - mask[:, 0]).abs().mean() < 0.01
        moved += float((mask[0, 0] - masks[0]).abs().sum())
    assert moved > 100


def test_elastic_bends_a_straight_edge_and_lies_within_its_bounds() -> None:
    images = torch.zeros(1, 3, SIDE, SIDE)
    images[..., SIDE // 2 : -12] = 1
    masks = images[:, 0].to(torch.uint8)
    strength = Strength(elastic_share=1.0, elastic_px=3.0)
    bent = []
    for seed in range(10):
        out, mask = (part[..., 12:-12, :] for part in changed(strength, images, masks, seed))
        edge = mask[0, 0].argmax(dim=1).float()
        assert edge.sub(SIDE / 2).abs().max() <= 3.0 * 2 * 1.2 + 1  # bicubic overshoots a little
        assert ((out[:, 1] > 0.5).float() - mask[:, 0]).abs().mean() < 0.005
        bent.append(float(edge.std()))
    assert max(bent) > 1


def test_elastic_displacements_are_pixels_of_the_window_whatever_the_affine_map() -> None:
    images, masks = block()
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    five_to_the_right = torch.zeros(1, 2, 6, 6)
    five_to_the_right[:, 0] = 5
    straight, _ = sample_windows(images, masks, quarter, SIDE)
    moved, _ = sample_windows(images, masks, quarter, SIDE, elastic=five_to_the_right)
    torch.testing.assert_close(moved[..., :-5], straight[..., 5:], atol=1e-4, rtol=0)


def test_only_the_share_asked_for_is_bent() -> None:
    displacements = draw_elastic(STRONG, 2000, SIDE, torch.Generator().manual_seed(0))
    share = displacements.flatten(1).any(dim=1).float().mean()
    assert float(share) == pytest.approx(STRONG.elastic_share, abs=0.04)


@pytest.mark.parametrize("crop", [32, 192])
def test_no_slice_is_folded_however_small_the_window(crop: int) -> None:
    always = replace(STRONG, elastic_share=1.0)
    displacements = draw_elastic(always, 500, crop, torch.Generator().manual_seed(0))
    spacing = crop / (displacements.shape[-1] - 1)
    assert displacements[:, 0].diff(dim=-1).abs().max() < spacing
    assert displacements[:, 1].diff(dim=-2).abs().max() < spacing
    assert displacements.abs().max() <= 2 * always.elastic_px


def test_the_window_stays_on_a_head_larger_than_it() -> None:
    extents = torch.tensor([[100, 40]] * 500)
    matrices = draw_matrices(Strength(), extents, 60, torch.Generator().manual_seed(0))
    x, y = matrices[:, 0, 2], matrices[:, 1, 2]
    assert y.abs().max() <= 20
    assert y.abs().max() > 15
    assert (x == 0).all()


def test_the_reference_preset_has_the_published_ranges() -> None:
    reference = PRESETS["reference"]
    assert reference is not None
    matrices = matrices_of(reference, slices=4000)
    linear = matrices[:, :, :2]
    scale = 1 / linear.det().abs().sqrt()
    angle = torch.atan2(linear[:, 0, 1], linear[:, 1, 1]) * 180 / pi
    for values, low, high in ((scale, 0.95, 1.05), (angle, -15, 15)):
        assert low - 1e-4 <= values.min() < values.max() <= high + 1e-4
        # uniform: a quarter lies below a quarter of the range
        quarter = (values < low + (high - low) / 4).float().mean()
        assert float(quarter) == pytest.approx(0.25, abs=0.03)
    assert float((linear.det() < 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert (matrices[:, :, 2] == 0).all()
    assert reference.rotation_rad == radians(15)


def test_the_reference_preset_changes_no_intensity_and_fills_up_with_zero() -> None:
    images = torch.full((8, 3, SIDE, SIDE), 3.0)
    augmentation = Augmentation(SIDE, PRESETS["reference"])
    draws = augmentation.draw(torch.full((8, 2), SIDE), 3, torch.Generator().manual_seed(0))
    assert draws.gain is None
    assert draws.noise is None
    out, _ = augmentation.apply(images, images[:, 0].to(torch.uint8), draws)
    assert torch.isclose(out[:, :, 16:48, 16:48], torch.tensor(3.0)).all()
    assert (out == 0).any()


def test_none_is_the_centred_window_voxel_for_voxel() -> None:
    images, masks = canvas()
    images = images.half()
    nothing = Augmentation(32, PRESETS["none"], missing_all=1.0)
    draws = nothing.draw(torch.full((2, 2), 48), 3, torch.Generator())
    out, mask = nothing.apply(images, masks, draws)
    assert torch.equal(out, images[:, :, 8:40, 16:48].float())
    assert torch.equal(mask[:, 0], masks[:, 8:40, 16:48].float())
    whole, _ = Augmentation(48, None).apply(images[..., 8:56], masks[..., 8:56], Draws())
    assert torch.equal(whole, images[..., 8:56].float())


def test_a_window_larger_than_the_canvas_goes_on_with_its_edge_and_an_empty_mask() -> None:
    images, masks = canvas()
    masks[:] = 1
    out, mask = Augmentation(SIDE + 7, None).apply(images, masks, Draws())
    assert out.shape == (2, 3, SIDE + 7, SIDE + 7)
    assert torch.equal(out[:, :, 11:59, 3:67], images)
    assert torch.equal(out[:, :, 0, 3:67], images[:, :, 0])
    assert mask.sum() == masks.sum()
