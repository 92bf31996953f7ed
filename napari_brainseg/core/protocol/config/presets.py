"""What each protocol sets, and what it does not let anybody change."""

from __future__ import annotations

from typing import Any

__all__ = ["PROTOCOLS"]

PROTOCOLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "free": ({}, {}),
    # The published program (Buda et al. 2019, doi 10.1016/j.compbiomed.2019.05.002): its best
    # epoch is chosen on the patients it reports, so its figure flatters.
    "reference": (
        {
            "features": 32,
            "loss": "dice",
            "optimizer": "adam",
            "learning_rate": 1e-4,
            "schedule": "constant",
            "weight_decay": 0.0,
            "ema": 0.0,
            "clip_gradient": 0.0,
            "epochs": 100,
            "steps_per_epoch": 208,
            "batch_size": 16,
            "crop": 256,
            "missing_all": 0.0,
            "missing_post": 0.0,
            "largest_component": True,
        },
        {
            "recipe": "reference",
            "sampling": "reference",
            "augmentation": "reference",
            "keep": "best",
            "lock_reference": False,
            "validation_patients": None,
            "train_patients": None,
            "phantoms": 0,
        },
    ),
    # No choice is made on the patients that are reported.
    "clean": ({}, {"keep": "last", "early_stopping": None, "lock_reference": True}),
    "k-fold": ({}, {"validation_patients": None, "train_patients": None}),
    "hold-out": (
        {"validation_share": 0.2},
        {"validation_patients": None, "train_patients": None},
    ),
}
"""Protocol to (defaults that a config may change, settings that it may not)."""
