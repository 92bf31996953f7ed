"""Losses by name and weight, on logits: never a sigmoid before them."""

from training.losses.overlap import (
    dice,
    dice_per_sample,
    focal_tversky,
    iou,
    soft_iou,
    tversky,
)
from training.losses.registry import LOSSES
from training.losses.spec import build_loss
from training.losses.voxelwise import bce, focal, mse
from training.losses.weighted import WeightedLoss

__all__ = [
    "LOSSES",
    "WeightedLoss",
    "bce",
    "build_loss",
    "dice",
    "dice_per_sample",
    "focal",
    "focal_tversky",
    "iou",
    "mse",
    "soft_iou",
    "tversky",
]
