"""The reference training, rebuilt from the facts in REFERENCE.md; none of its code.

A Dataset of prepared volumes in numpy; slices drawn by weight (a patient, then a slice by its
lesion area); zoom, rotation and flip of each slice with scikit-image in the workers of a
DataLoader; U-Net 32 in fp32, eager, channels first; sigmoid; Dice over the flattened batch; Adam.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.transform import rescale, rotate
from torch.utils.data import DataLoader, Dataset

from napari_brainseg.core.segmentation.networks import build_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Volume = tuple[NDArray[np.float32], NDArray[np.uint8]]

SIDE, BATCH = 256, 16
SCALE, ANGLE_DEG, FLIP = 0.05, 15.0, 0.5
LENGTH = 1_000_000
"""Slices of an "epoch": the benchmark never comes to its end."""


class Slices(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Random slices of prepared volumes (Z, 256, 256, C) and masks (Z, 256, 256)."""

    def __init__(self, volumes: list[Volume]) -> None:
        self.volumes = volumes
        self.weights = []
        for _, mask in volumes:
            area = mask.sum(axis=(1, 2)).astype(float)
            weight = area + 0.1 * area.sum() / len(area) if area.any() else np.ones(len(area))
            self.weights.append(weight / weight.sum())
        self.rng: np.random.Generator | None = None

    def __len__(self) -> int:
        return LENGTH

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.rng is None:  # once in each worker
            self.rng = np.random.default_rng(torch.initial_seed())
        patient = self.rng.integers(len(self.volumes))
        images, masks = self.volumes[patient]
        z = self.rng.choice(len(images), p=self.weights[patient])
        image, mask = changed(images[z], masks[z].astype(np.float32), self.rng)
        return (
            torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)),
            torch.from_numpy(np.ascontiguousarray(mask[None], dtype=np.float32)),
        )


def changed(
    image: NDArray[np.float32], mask: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Zoom, rotate and flip (256, 256, C) and (256, 256)."""
    scale = rng.uniform(1 - SCALE, 1 + SCALE)
    image = fitted(rescale(image, scale, channel_axis=-1, mode="constant", anti_aliasing=False))
    mask = fitted(rescale(mask, scale, order=0, mode="constant", anti_aliasing=False))
    angle = rng.uniform(-ANGLE_DEG, ANGLE_DEG)
    image, mask = rotate(image, angle), rotate(mask, angle, order=0)
    return (image[:, ::-1], mask[:, ::-1]) if rng.random() < FLIP else (image, mask)


def fitted(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut or pad to 256 x 256 about the centre."""
    over, under = max(len(array) - SIDE, 0), max(SIDE - len(array), 0)
    if over:
        start = over // 2
        return array[start : start + SIDE, start : start + SIDE]
    pads = [(under // 2, under - under // 2)] * 2 + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, pads)


class ReferenceTraining:
    """Steps of the reference training on the CPU.

    Parameters
    ----------
    volumes : list of (ndarray (Z, 256, 256, C) float32, ndarray (Z, 256, 256) uint8)
        Prepared patients.
    workers : int
        Of the DataLoader; 0 loads between steps.
    """

    def __init__(self, volumes: list[Volume], *, workers: int) -> None:
        self.network = build_network("unet", features=32).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)
        # the published default is kept where it is more than there are cores
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        loader = DataLoader(Slices(volumes), batch_size=BATCH, num_workers=workers, drop_last=True)
        self.batches: Iterator[tuple[torch.Tensor, torch.Tensor]] = iter(loader)

    def step(self) -> float:
        """Train on one batch of 16; returns the loss."""
        images, target = next(self.batches)
        self.optimizer.zero_grad()
        probability = torch.sigmoid(self.network(images)).view(-1)
        truth = target.view(-1)
        overlap = (probability * truth).sum()
        loss = 1 - (2 * overlap + 1) / (probability.sum() + truth.sum() + 1)
        loss.backward()
        self.optimizer.step()
        return loss.item()
