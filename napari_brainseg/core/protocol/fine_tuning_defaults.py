"""Settings of a fine-tuning run by the number of corrections."""

from __future__ import annotations

from typing import Any

__all__ = ["REPLAY_SHARE", "fine_tuning_defaults"]

REPLAY_SHARE = 0.5
"""Of each batch, where there is anybody to replay."""


def fine_tuning_defaults(corrections: int, *, replayed: int) -> dict[str, Any]:
    """Give the settings of a run on so many corrected patients.

    Parameters
    ----------
    corrections : int
        Corrected patients, all of them.
    replayed : int
        Patients of the base model that are at hand.

    Returns
    -------
    dict
        Settings of `RunConfig`.
    """
    return {
        "epochs": 4,
        "steps_per_epoch": 75 if corrections >= 4 else 40,
        "batch_size": 16,
        "crop": 160,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "warmup_epochs": 0.4,
        "ema": 0.99,
        "lesion_share": 0.2,
        "freeze_norm": True,
        "keep": "last",
        "early_stopping": None,
        "replay_share": REPLAY_SHARE if replayed else 0.0,
        "inner_folds": min(corrections, 4) if corrections >= 2 else 0,
        "interpolation": "choose",
    }
