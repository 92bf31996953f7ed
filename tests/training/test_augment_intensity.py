from __future__ import annotations

import pytest
import torch

from training.augment import PRESETS, Augmentation, Draws, Strength

SIDE = 48


def head(slices: int = 4, channels: int = 3) -> torch.Tensor:
    """Slices with a dark background (-1) around tissue of about 1 SD."""
    images = torch.randn((slices, channels, SIDE, SIDE), generator=torch.Generator().manual_seed(2))
    images = images.clamp(-0.9, 2)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    images[:, :, (y - 24) ** 2 + (x - 24) ** 2 > 20**2] = -1
    return images


def apply(
    images: torch.Tensor, strength: Strength, seed: int = 0, **missing: float
) -> torch.Tensor:
    augmentation = Augmentation(SIDE, strength, **missing)
    extents = torch.full((len(images), 2), SIDE)
    draws = augmentation.draw(extents, images.shape[1], torch.Generator().manual_seed(seed))
    return augmentation.apply(images, torch.zeros(len(images), SIDE, SIDE), draws)[0]


def test_missing_modalities_become_copies_of_flair() -> None:
    images = head()
    every = apply(images, Strength(), missing_all=1.0)
    torch.testing.assert_close(every, images[:, 1:2].expand_as(images), atol=1e-4, rtol=0)
    post = apply(images, Strength(), missing_post=1.0)
    torch.testing.assert_close(post, images[:, [0, 1, 1]], atol=1e-4, rtol=0)


def test_all_slices_of_a_sample_lack_the_same_modality() -> None:
    images = head(channels=9)
    out = apply(images, Strength(), missing_all=1.0)
    torch.testing.assert_close(out, images[:, [1, 1, 1, 4, 4, 4, 7, 7, 7]], atol=1e-4, rtol=0)
    many = head(slices=64, channels=9)
    out = apply(many, Strength(), missing_all=0.3, missing_post=0.3)
    gone = torch.isclose(out[:, 0::3], out[:, 1::3]).all(dim=(2, 3))
    assert (gone == gone[:, :1]).all()
    assert 5 < gone[:, 0].sum() < 40


def test_missing_shares_are_those_of_the_config() -> None:
    augmentation = Augmentation(SIDE, Strength(), missing_all=0.15, missing_post=0.10)
    draws = augmentation.draw(torch.full((8000, 2), SIDE), 3, torch.Generator().manual_seed(0))
    assert draws.missing_all is not None
    assert draws.missing_post is not None
    assert float(draws.missing_all.float().mean()) == pytest.approx(0.15, abs=0.02)
    assert float(draws.missing_post.float().mean()) == pytest.approx(0.10, abs=0.02)


def test_contrast_and_brightness_lie_in_their_ranges_and_go_with_the_modality() -> None:
    images = head(slices=64, channels=9)
    out = apply(images, Strength(gain=0.35, offset=0.4))
    gain = out.flatten(2).std(dim=2) / images.flatten(2).std(dim=2)
    offset = (out - images * gain[..., None, None]).mean(dim=(2, 3))
    assert 1 / 1.35 - 1e-3 <= gain.min() < 0.8
    assert 1.3 < gain.max() <= 1.35 + 1e-3
    assert 0.35 < offset.abs().max() <= 0.4 + 1e-3
    torch.testing.assert_close(gain[:, :3], gain[:, 3:6], atol=1e-3, rtol=0)
    assert not torch.allclose(gain[:, 0], gain[:, 1], atol=1e-2)


def test_gamma_bends_between_the_darkest_and_the_brightest() -> None:
    images = head()
    out = apply(images, Strength(gamma_share=1.0, gamma=0.5))
    torch.testing.assert_close(out.amin(dim=(2, 3)), images.amin(dim=(2, 3)), atol=1e-3, rtol=0)
    torch.testing.assert_close(out.amax(dim=(2, 3)), images.amax(dim=(2, 3)), atol=1e-3, rtol=0)
    assert (out - images).abs().amax(dim=(1, 2, 3)).max() > 0.1
    # the order of brightness stays
    order = images[0, 0].flatten().argsort()
    assert (out[0, 0].flatten()[order].diff() >= -1e-3).all()


def test_gamma_leaves_a_flat_slice_as_it_is() -> None:
    flat = torch.full((2, 3, SIDE, SIDE), 0.7)
    out = apply(flat, Strength(gamma_share=1.0, gamma=0.5))
    torch.testing.assert_close(out, flat, atol=1e-4, rtol=0)


def test_the_bias_field_is_smooth_shared_by_the_modalities_and_spares_the_background() -> None:
    images = torch.ones(3, 3, SIDE, SIDE)
    images[..., 0] = -1  # the darkest value
    out = apply(images, Strength(bias_share=1.0, bias=0.3))
    field = (out[..., 1:] + 1) / 2
    torch.testing.assert_close(field[:, 0], field[:, 2], atol=1e-3, rtol=0)
    assert field.std() > 0.02
    assert field.diff(dim=-1).abs().max() < 0.1
    torch.testing.assert_close(out[..., 0], images[..., 0], atol=1e-3, rtol=0)


def test_blur_takes_detail_and_keeps_the_mean() -> None:
    images = head()
    out = apply(images, Strength(blur_share=1.0, blur_px=1.0))
    inner = (slice(None), slice(None), slice(16, 32), slice(16, 32))
    assert out[inner].std() < 0.8 * images[inner].std()
    torch.testing.assert_close(out.mean(dim=(2, 3)), images.mean(dim=(2, 3)), atol=0.02, rtol=0)


def test_noise_has_the_strength_drawn_on_the_share_asked_for() -> None:
    images = torch.zeros(200, 3, SIDE, SIDE)
    sd = apply(images, Strength(noise_share=0.5, noise=0.25)).flatten(1).std(dim=1)
    assert float((sd > 0).float().mean()) == pytest.approx(0.5, abs=0.12)
    assert 0.2 < sd.max() < 0.26
    noisy = apply(images[:2], Strength(noise_share=1.0, noise=0.25))
    assert abs(float(torch.corrcoef(noisy.flatten(1))[0, 1])) < 0.05


def test_what_is_off_is_not_drawn() -> None:
    draws = Augmentation(SIDE, Strength()).draw(torch.full((2, 2), SIDE), 3, torch.Generator())
    assert draws.matrices is not None
    rest = {**draws.__dict__, "matrices": None}
    assert rest == Draws().__dict__


def test_presets_grow_in_strength() -> None:
    images = head(16)
    change = {
        name: float((apply(images, strength) - images).abs().mean())
        for name, strength in PRESETS.items()
        if strength is not None
    }
    assert change["reference"] < change["standard"] < change["strong"]
