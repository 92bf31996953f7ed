"""Values of the losses: the published one, MONAI's where it defines the same, numpy otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss, FocalLoss, TverskyLoss

from training.losses import LOSSES, build_loss, dice

GOLDEN = Path(__file__).parents[1] / "golden" / "dice_loss.npz"
SHAPE = (3, 1, 12, 10)


def case(seed: int = 0, lesion: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and a target whose samples have lesions of different size."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(SHAPE, generator=generator)
    share = lesion * torch.arange(len(logits)).reshape(-1, 1, 1, 1)
    return logits, (torch.rand(SHAPE, generator=generator) < share).float()


def test_dice_is_the_published_loss() -> None:
    golden = np.load(GOLDEN)
    probability = torch.from_numpy(golden["probability"]).double()
    logits = torch.logit(probability, eps=1e-12).float()
    loss = dice(logits, torch.from_numpy(golden["target"]).float())
    assert float(loss) == pytest.approx(float(golden["loss"]), abs=1e-6)


@pytest.mark.parametrize(
    ("spec", "theirs"),
    [
        ("dice", DiceLoss(sigmoid=True, batch=True, smooth_nr=1, smooth_dr=1)),
        ("dice-per-sample", DiceLoss(sigmoid=True, smooth_nr=1, smooth_dr=1)),
        # MONAI doubles both sides of the fraction before it adds the smoothing
        ("iou", DiceLoss(sigmoid=True, batch=True, jaccard=True, smooth_nr=2, smooth_dr=2)),
        ("soft-iou", DiceLoss(sigmoid=True, jaccard=True, smooth_nr=2, smooth_dr=2)),
        ("bce", torch.nn.BCEWithLogitsLoss()),
        ("focal", FocalLoss(gamma=2, alpha=0.25)),
        ("focal(gamma=0.25,alpha=0.6)", FocalLoss(gamma=0.25, alpha=0.6)),
        (
            "tversky",
            TverskyLoss(
                sigmoid=True, batch=True, alpha=0.3, beta=0.7, smooth_nr=1, smooth_dr=1
            ),
        ),
        (
            "tversky(beta=0.4,alpha=0.6)",
            TverskyLoss(
                sigmoid=True, batch=True, alpha=0.6, beta=0.4, smooth_nr=1, smooth_dr=1
            ),
        ),
    ],
)  # fmt: skip
def test_value_and_gradient_are_those_of_another_library(
    spec: str, theirs: torch.nn.Module
) -> None:
    logits, target = case()
    ours_at, theirs_at = (logits.clone().requires_grad_() for _ in range(2))
    ours, other = build_loss(spec)(ours_at, target), theirs(theirs_at, target)
    ours.backward()
    other.backward()
    torch.testing.assert_close(ours, other, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours_at.grad, theirs_at.grad, rtol=1e-4, atol=1e-7)


def test_focal_tversky_and_mse_by_hand() -> None:
    logits, target = case()
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    t = target.double().numpy()
    index = ((p * t).sum() + 1) / (
        (p * t).sum() + 0.3 * (p * (1 - t)).sum() + 0.7 * ((1 - p) * t).sum() + 1
    )
    assert float(build_loss("focal-tversky")(logits, target)) == pytest.approx(
        (1 - index) ** 0.75, rel=1e-5
    )
    assert float(build_loss("focal-tversky(gamma=2)")(logits, target)) == pytest.approx(
        (1 - index) ** 0.5, rel=1e-5
    )
    assert float(build_loss("mse")(logits, target)) == pytest.approx(
        ((p - t) ** 2).mean(), rel=1e-5
    )


def test_tversky_weighs_what_is_missed_by_beta() -> None:
    target = torch.zeros(1, 1, 8, 8)
    target[..., :4] = 1
    none, all_of_it = torch.full_like(target, -20), torch.full_like(target, 20)
    for name in ("tversky", "focal-tversky"):
        misses = build_loss(f"{name}(alpha=0.1,beta=0.9)")(none, target)
        exceeds = build_loss(f"{name}(alpha=0.1,beta=0.9)")(all_of_it, target)
        assert float(misses) > 1.5 * float(exceeds)


@pytest.mark.parametrize("name", LOSSES)
def test_there_is_one_sigmoid(name: str) -> None:
    """A second one leaves probabilities between 0.5 and 0.73: a perfect answer looks wrong."""
    target = (torch.rand(2, 1, 32, 32) < 0.3).float()
    logits = (2 * target - 1) * 30
    loss = build_loss(name)
    assert float(loss(logits, target)) < 1e-3
    assert float(loss(torch.sigmoid(logits), target)) > 0.02


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 2**16), share=st.floats(0, 1), low=st.booleans(), at=st.floats(20, 100))
@settings(max_examples=15)
def test_a_perfect_answer_costs_nothing_and_its_opposite_much(
    name: str, seed: int, share: float, low: bool, at: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(2, 1, 16, 16, generator=generator) < share).float()
    if low:
        target[0] = 0
    loss, perfect = build_loss(name), (2 * target - 1) * at
    assert 0 <= float(loss(perfect, target)) < 1e-3
    assert float(loss(-perfect, target)) > 0.2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("spec", [*LOSSES, "focal(gamma=0.25)", "focal-tversky(gamma=3)"])
def test_gradients_are_finite_at_the_ends(spec: str, dtype: torch.dtype) -> None:
    ends = torch.tensor([-100.0, 100.0, 0.0, -30.0, 30.0]).repeat(2).reshape(1, 1, 2, 5)
    mixed = torch.tensor([0.0, 1.0]).repeat_interleave(5).reshape(1, 1, 2, 5)
    for target in (mixed, torch.zeros_like(mixed), torch.ones_like(mixed)):
        for logits in (ends, (2 * target - 1) * 100, (1 - 2 * target) * 100):
            at = logits.to(dtype).requires_grad_()
            loss = build_loss(spec)(at, target)
            loss.backward()
            assert loss.dtype == torch.float32
            assert torch.isfinite(loss)
            assert at.grad is not None
            assert torch.isfinite(at.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_fp32(name: str) -> None:
    """Sums of a batch over 65504 would overflow fp16, and bf16 would stop counting at 256."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 1, 256, 256, generator=generator).bfloat16()
    target = (torch.rand(logits.shape, generator=generator) < 0.5).to(torch.uint8)
    exact = build_loss(name)(logits.double().float(), target.float())
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(build_loss(name)(logits, target), exact, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_slice_draws_predictions_down(name: str) -> None:
    at = torch.zeros(2, 1, 8, 8, requires_grad=True)
    loss = build_loss(name)(at, torch.zeros(2, 1, 8, 8))
    loss.backward()
    assert torch.isfinite(loss)
    assert at.grad is not None
    assert (at.grad > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_only_losses_over_the_batch_change_when_it_is_shared_out(name: str) -> None:
    logits, target = case()
    loss = build_loss(f"{name}:0.5+bce")
    parts = torch.stack([loss(logits[i : i + 1], target[i : i + 1]) for i in range(len(logits))])
    same = torch.allclose(parts.mean(), loss(logits, target), rtol=1e-5)
    assert same is not loss.over_the_batch
