from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_brainseg.core.imaging import ConfigError
from training.losses import build_loss, dice

GOLDEN = Path(__file__).parents[1] / "golden" / "dice_loss.npz"


def test_dice_is_the_published_loss() -> None:
    case = np.load(GOLDEN)
    probability = torch.from_numpy(case["probability"]).double()
    logits = torch.logit(probability, eps=1e-12).float()
    loss = dice(logits, torch.from_numpy(case["target"]).float())
    assert float(loss) == pytest.approx(float(case["loss"]), abs=1e-6)


def test_a_sum_is_the_sum_of_its_parts() -> None:
    logits, target = torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    parts = 0.3 * build_loss("bce")(logits, target) + 2 * build_loss("dice")(logits, target)
    torch.testing.assert_close(build_loss("bce:0.3+dice:2")(logits, target), parts)


def test_confident_right_answers_cost_nothing_and_wrong_ones_much() -> None:
    target = (torch.rand(2, 1, 16, 16) > 0.5).float()
    loss = build_loss("bce:0.5+dice:0.5")
    assert float(loss((2 * target - 1) * 30, target)) < 1e-3
    assert float(loss((1 - 2 * target) * 30, target)) > 5


@pytest.mark.parametrize(
    ("spec", "word"), [("dise", "bce, dice"), ("bce:x", "'x'"), ("dice:-1", "'-1'")]
)
def test_a_wrong_spec_names_the_fault(spec: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_loss(spec)
    assert word in str(caught.value)
