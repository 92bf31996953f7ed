"""The end of a run that gets no better."""

from __future__ import annotations

import math

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Says when a score, the higher the better, has gone too long without a new best.

    Parameters
    ----------
    patience : int
        Updates without a new best after which to stop, 1 or more. NaN is no new best.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = -math.inf
        self.waited = 0

    def update(self, score: float) -> bool:
        """Take the score of an epoch; True says that the run should end."""
        if score > self.best:
            self.best, self.waited = float(score), 0
        else:
            self.waited += 1
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, float]:
        """Give what `load_state_dict` needs; ``torch.load(weights_only=True)`` reads it."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a state; the patience stays that of the config."""
        self.best, self.waited = float(state["best"]), int(state["waited"])
