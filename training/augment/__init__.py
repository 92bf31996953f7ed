"""Random changes of a batch, on whatever device it lies; every draw from one generator."""

from training.augment.augmentation import Augmentation
from training.augment.draws import Draws
from training.augment.presets import PRESETS, Strength

__all__ = ["PRESETS", "Augmentation", "Draws", "Strength"]
