"""Between the base model's weights and the fine-tuned ones: WiSE-FT.

Wortsman et al. 2022 (arXiv 2109.01903): the mean of the weights before and after fine-tuning keeps
more of what the model could do before than the fine-tuned weights, often at no cost for the new
task. The statistics of batch norm must be those of both ends (``freeze_norm``); then weights may
be averaged without computing them anew. Where they are not frozen they are averaged like weights,
which is an approximation.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

__all__ = ["SHARES", "TOLERANCE", "UNMEASURED_SHARE", "choose_share", "interpolated"]

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the new weights that inner folds measure; 0 is the base model."""
TOLERANCE = 0.002
"""DSC within which two shares count as equally good; less than the mean of a few patients moves by
chance, so that of equals the one that keeps most of the base model wins."""
UNMEASURED_SHARE = 0.5
"""Without inner folds: what the authors of WiSE-FT recommend where nothing can be measured."""


def choose_share(scores: Mapping[float, float]) -> float:
    """Choose the share of the new weights by the mean DSC of held-out corrected patients.

    The smallest share within `TOLERANCE` of the best one: of equals the one that forgets least.
    The base model itself, share 0, is never chosen, however the others do: a candidate that is the
    model in use proves nothing, and whether the new one is better is the gate's to say.

    Parameters
    ----------
    scores : mapping of float to float
        Share to mean DSC; at least one share above 0.
    """
    new = {share: dsc for share, dsc in scores.items() if share > 0}
    best = max(new.values())
    return min(share for share, dsc in new.items() if dsc >= best - TOLERANCE)


def interpolated(base: nn.Module, tuned: nn.Module, share: float) -> nn.Module:
    """Give a network with weights ``base * (1 - share) + tuned * share``.

    Parameters
    ----------
    base, tuned : Module
        Alike but for their weights; left as they are.
    share : float
        0 gives the base model's weights, 1 the tuned ones, both exactly.

    Returns
    -------
    Module
        On the device of `tuned`, in evaluation mode.
    """
    network = copy.deepcopy(tuned).eval()
    before = base.state_dict()
    state = {}
    for key, after in tuned.state_dict().items():
        old = before[key].to(after.device)
        if share == 0:
            state[key] = old
        elif share == 1 or not after.is_floating_point():
            state[key] = after
        else:
            state[key] = (1 - share) * old + share * after
    network.load_state_dict(state)
    return network
