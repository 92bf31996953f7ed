"""Losses of networks with several outputs."""

from __future__ import annotations

import pytest
import torch

from training.losses import LOSSES, build_loss


@pytest.mark.parametrize("name", LOSSES)
def test_heads_count_the_same(name: str) -> None:
    heads = torch.randn(4, 2, 1, 16, 16)
    target = (torch.rand(2, 1, 16, 16) > 0.5).float()
    loss = build_loss(name)
    mean = torch.stack([loss(head, target) for head in heads]).mean()
    torch.testing.assert_close(loss(tuple(heads), target), mean)
    torch.testing.assert_close(loss(list(heads[:1]), target), loss(heads[0], target))


@pytest.mark.parametrize("size", [(4, 4), (8, 4), (5, 3)])
def test_a_coarse_head_is_asked_for_every_lesion(size: tuple[int, int]) -> None:
    """A single voxel would vanish in most places if the target were reduced by nearest."""
    loss = build_loss("bce")
    for voxel in range(0, 16 * 16, 7):
        target = torch.zeros(1, 1, 16, 16)
        target.view(-1)[voxel] = 1
        silent = torch.full((1, 1, *size), -10.0)
        assert float(loss([silent], target)) > 10 / (size[0] * size[1]) * 0.9
        assert float(loss([silent], torch.zeros_like(target))) < 1e-3


def test_gradients_reach_every_head() -> None:
    heads = [torch.randn(1, 1, n, n, requires_grad=True) for n in (16, 8, 4)]
    build_loss("bce:0.5+dice:0.5")(heads, torch.ones(1, 1, 16, 16)).backward()
    for head in heads:
        assert head.grad is not None
        assert head.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 1, 16, 16), (2, 2, 16, 16), (2, 1, 32, 32)])
def test_shapes_that_only_broadcasting_would_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        build_loss("dice")(torch.zeros(shape), torch.zeros(2, 1, 16, 16))


def test_no_head_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        build_loss("dice")((), torch.zeros(2, 1, 16, 16))
