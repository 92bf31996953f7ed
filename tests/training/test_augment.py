from __future__ import annotations

import torch

from training.augment import Augmentation, sample_windows

STILL = Augmentation(
    rotation_rad=0, scale=(1, 1), shift_px=0, flip=0, gain=0, offset=0, noise_sd=0,
    missing_all=0, missing_post=0,
)  # fmt: skip


def canvas() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand((2, 3, 48, 64), generator=generator)
    return images, (images[:, 1] > 0.6).to(torch.uint8)


def test_without_strength_the_window_is_the_canvas_centre() -> None:
    images, masks = canvas()
    matrices = STILL.geometry(torch.tensor([[32, 32]] * 2), 32, torch.Generator())
    out, mask = sample_windows(images, masks, matrices, 32)
    torch.testing.assert_close(out, images[:, :, 8:40, 16:48], atol=1e-5, rtol=0)
    torch.testing.assert_close(mask[:, 0], masks[:, 8:40, 16:48].float())


def test_a_flip_mirrors_image_and_mask_alike() -> None:
    images, masks = canvas()
    always = Augmentation(**{**STILL.__dict__, "flip": 1.0})
    matrices = always.geometry(torch.tensor([[32, 32]] * 2), 32, torch.Generator())
    out, mask = sample_windows(images, masks, matrices, 32)
    torch.testing.assert_close(out, images[:, :, 8:40, 16:48].flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(mask[:, 0], masks[:, 8:40, 16:48].flip(-1).float())


def test_rotation_and_zoom_keep_the_lesion_under_the_mask() -> None:
    images = torch.zeros(1, 3, 64, 64)
    images[:, :, 20:32, 30:44] = 1
    masks = (images[:, 1] > 0.5).to(torch.uint8)
    generator = torch.Generator().manual_seed(3)
    for _ in range(20):
        matrices = Augmentation().geometry(torch.tensor([[64, 64]]), 64, generator)
        out, mask = sample_windows(images, masks, matrices, 64)
        assert ((out[:, 1] > 0.5).float() - mask[:, 0]).abs().mean() < 0.01
    # and they do change something
    assert (mask[0, 0] - masks[0].float()).abs().sum() > 0


def test_the_window_stays_on_a_head_larger_than_it() -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = STILL.geometry(torch.tensor([[100, 40]] * 500), 60, generator)
    x, y = matrices[:, 0, 2], matrices[:, 1, 2]
    assert y.abs().max() <= 20
    assert y.abs().max() > 15
    assert (x == 0).all()


def test_missing_modalities_become_copies_of_flair() -> None:
    images, _ = canvas()
    every = Augmentation(**{**STILL.__dict__, "missing_all": 1.0})
    out = every.intensities(images, torch.Generator())
    torch.testing.assert_close(out, images[:, 1:2].expand_as(images))
    post = Augmentation(**{**STILL.__dict__, "missing_post": 1.0})
    out = post.intensities(images, torch.Generator())
    torch.testing.assert_close(out, images[:, [0, 1, 1]])


def test_same_generator_same_draws_and_the_next_draw_differs() -> None:
    images, _ = canvas()
    generator = torch.Generator().manual_seed(9)
    first, second = (Augmentation().intensities(images, generator) for _ in range(2))
    again = Augmentation().intensities(images, torch.Generator().manual_seed(9))
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, second)
