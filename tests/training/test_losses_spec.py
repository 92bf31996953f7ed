"""Losses as they are written in a config."""

from __future__ import annotations

import pytest
import torch

from napari_brainseg.core.imaging import ConfigError
from training.losses import LOSSES, build_loss


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()


def test_a_sum_is_the_sum_of_its_parts(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    parts = (
        0.3 * build_loss("bce")(*case)
        + 2 * build_loss("dice")(*case)
        + 0.5 * build_loss("focal(gamma=1)")(*case)
    )
    sum_of_all = build_loss("bce:0.3 + dice:2+focal(gamma=1) : 0.5")
    torch.testing.assert_close(sum_of_all(*case), parts)


def test_numbers_may_have_exponents(case: tuple[torch.Tensor, torch.Tensor]) -> None:
    plain = build_loss("dice:100+bce:20+focal(gamma=1)")
    torch.testing.assert_close(
        build_loss("dice:1e+2+bce:2.e+1+focal(gamma=1e+0)")(*case), plain(*case)
    )


def test_parameters_left_out_have_the_values_of_their_papers() -> None:
    written = repr(build_loss("+".join(LOSSES)))
    assert "focal(gamma=2,alpha=0.25):1" in written
    assert "tversky(alpha=0.3,beta=0.7):1" in written
    assert "focal-tversky(alpha=0.3,beta=0.7,gamma=1.33333):1" in written


def test_what_a_loss_writes_of_itself_can_be_read() -> None:
    loss = build_loss("focal(gamma=0.5):0.25+dice")
    assert build_loss(loss.extra_repr()).terms == loss.terms


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("dise", ["'dise'", *LOSSES]),
        ("", ["''", "bce"]),
        ("dice+", ["''", "bce"]),
        ("bce:x", ["'x'", "'bce'"]),
        ("bce:", ["''", "'bce'"]),
        ("dice:-1", ["'-1'"]),
        ("dice:nan", ["'nan'"]),
        ("dice:inf", ["'inf'"]),
        ("dice:0", ["'0'"]),
        ("dice(gamma=2)", ["'gamma'", "without brackets"]),
        ("focal(gama=2):0.5", ["'gama'", "gamma=2 (from 0 to 10)", "alpha=0.25 (above 0 to 1)"]),
        ("focal(gamma)", ["'gamma'", "''"]),
        ("focal(gamma=-1)", ["'-1'", "from 0 to 10"]),
        ("focal(gamma=1,gamma=2)", ["twice"]),
        ("focal-tversky(gamma=0)", ["'0'", "above 0 to 10"]),
        ("tversky(alpha=nan)", ["'nan'"]),
        ("focal(gamma=2", ["focal(gamma=2", "Write for example"]),
        ("focal(gamma=2)x:1", ["'focal(gamma=2)x:1'"]),
    ],
)  # fmt: skip
def test_a_wrong_spec_names_the_fault(spec: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build_loss(spec)
    assert [word for word in words if word not in str(caught.value)] == []
