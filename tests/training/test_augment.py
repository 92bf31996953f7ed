from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_brainseg.core.protocol import RunConfig
from training.augment import PRESETS, Augmentation, Draws, Strength

CROP, SLICES = 48, 12
CONFIG: dict[str, Any] = {"crop": CROP, "phantoms": 1}


def batch(channels: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    images = torch.randn((SLICES, channels, 56, 64), generator=generator).half()
    extents = torch.randint(40, 64, (SLICES, 2), generator=generator)
    return images, (images[:, 1] > 0.6).to(torch.uint8), extents


def augmentation(name: str) -> Augmentation:
    return Augmentation.of(RunConfig(**CONFIG, augmentation=name))


def drawn(name: str, seed: int = 5) -> Draws:
    images, _, extents = batch()
    return augmentation(name).draw(extents, images.shape[1], torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", PRESETS)
def test_the_config_says_preset_window_and_missing_shares(name: str) -> None:
    made = Augmentation.of(
        RunConfig(**CONFIG, augmentation=name, missing_all=0.3, missing_post=0.2)
    )
    assert made == Augmentation(CROP, PRESETS[name], missing_all=0.3, missing_post=0.2)


@pytest.mark.parametrize("channels", [3, 9])
@pytest.mark.parametrize("name", PRESETS)
def test_windows_come_as_the_network_takes_them(name: str, channels: int) -> None:
    images, masks, extents = batch(channels)
    before = images.clone()
    made = augmentation(name)
    draws = made.draw(extents, channels, torch.Generator().manual_seed(0))
    out, mask = made.apply(images, masks, draws)
    assert out.shape == (SLICES, channels, CROP, CROP)
    assert out.dtype == mask.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert mask.shape == (SLICES, 1, CROP, CROP)
    assert set(mask.unique().tolist()) == {0, 1}
    assert torch.isfinite(out).all()
    assert torch.equal(images, before)  # the pool is not written to


@pytest.mark.parametrize("name", PRESETS)
def test_every_part_gives_what_the_whole_batch_gives(name: str) -> None:
    images, masks, _ = batch()
    made, draws = augmentation(name), drawn(name)
    whole, mask = made.apply(images, masks, draws)
    for part in (slice(0, 5), slice(5, 12), slice(3, 4), slice(0, 12, 2), slice(1, 12, 3)):
        own = draws.part(part.start, part.stop, part.step or 1)
        out, own_mask = made.apply(images[part], masks[part], own)
        assert torch.equal(out, whole[part])
        assert torch.equal(own_mask, mask[part])


@pytest.mark.parametrize("name", ["reference", "standard", "strong"])
def test_same_generator_same_windows_and_the_next_differ(name: str) -> None:
    images, masks, extents = batch()
    made = augmentation(name)
    generator = torch.Generator().manual_seed(5)
    first = made.apply(images, masks, made.draw(extents, 3, generator))
    state = generator.get_state()
    second = made.apply(images, masks, made.draw(extents, 3, generator))
    again = made.apply(images, masks, drawn(name))
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], second[0])
    resumed = made.draw(extents, 3, torch.Generator().set_state(state))
    assert torch.equal(made.apply(images, masks, resumed)[0], second[0])
    # no two slices of a batch are treated alike
    alike = made.apply(images[:1].expand_as(images), masks[:1].expand_as(masks), drawn(name))[0]
    assert all(not torch.equal(alike[0], other) for other in alike[1:])


def test_the_global_generator_is_not_touched() -> None:
    images, masks, _ = batch()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    augmentation("strong").apply(images, masks, drawn("strong"))
    assert torch.equal(torch.get_rng_state(), before)


def test_autocast_does_not_coarsen_the_windows() -> None:
    images, masks, _ = batch()
    made, draws = augmentation("strong"), drawn("strong")
    plain, _ = made.apply(images, masks, draws)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under, _ = made.apply(images, masks, draws)
    assert under.dtype == torch.float32
    assert torch.equal(under, plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", PRESETS)
def test_the_gpu_does_the_same_but_for_the_noise(name: str) -> None:
    images, masks, _ = batch()
    made = augmentation(name)
    draws = drawn(name)
    draws = Draws(**{**draws.__dict__, "noise": None, "seeds": None})
    out, mask = made.apply(images, masks, draws)
    there, mask_there = made.apply(images.cuda(), masks.cuda(), draws)
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), out, atol=2e-3, rtol=0)
    assert (mask_there.cpu() != mask).float().mean() < 1e-3


def test_the_page_names_every_strength_of_every_preset() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "augmentation.md"
    rows = [line.strip("|").split("|") for line in page.read_text("utf-8").splitlines()]
    table = {row[0].strip(): [cell.strip() for cell in row[1:4]] for row in rows if len(row) > 3}
    shown = [PRESETS[name] for name in ("reference", "standard", "strong")]
    for field in fields(Strength):
        if field.name not in ("log_scale", "outside"):
            values = [getattr(strength, field.name) for strength in shown]
            assert table[field.name] == [
                " to ".join(f"{v:.3g}" for v in (value if isinstance(value, tuple) else [value]))
                for value in values
            ]
