"""Where training slices are kept: on the device, in memory, or mapped from disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import psutil
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from training.preparation import PreparedPatient

__all__ = ["Canvases", "CanvasesInMemory", "CanvasesOnDisk", "Frame", "place_canvases"]

GPU_SHARE = 0.125
"""Share of the free GPU memory that canvases may take: the network needs the rest more, and
copying a batch over costs a millisecond."""
FILLERS = 4
"""Threads that fill canvases."""
RAM_SHARE = 0.6
"""Share of the available main memory that canvases may take."""


class Frame(NamedTuple):
    """Where a patient's slices lie among all rows, and on the canvas."""

    rows: slice
    inner: tuple[slice, slice]


class Canvases(Protocol):
    """All slices of all patients, each in the middle of a canvas of one size."""

    where: str
    """For users."""

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give rows (B, K) as images (B, K, C, H, W) and masks (B, H, W) of the middle ones."""
        ...


class CanvasesInMemory:
    """Canvases as two tensors.

    Parameters
    ----------
    patients : sequence of PreparedPatient
        In order of the rows.
    home : torch.device
        Where the tensors stay: the device, or the CPU.
    device : torch.device
        Where batches are wanted.
    """

    def __init__(
        self, patients: Sequence[PreparedPatient], home: torch.device, device: torch.device
    ) -> None:
        size = canvas_size(patients)
        slices = sum(len(p.images) for p in patients)
        self._device = device
        # 16 bits hold a scaled intensity to a thousandth of its spread, at half the memory
        self.images = torch.empty(
            (slices, patients[0].images.shape[1], *size), dtype=torch.float16, device=home
        )
        self.masks = torch.zeros((slices, *size), dtype=torch.uint8, device=home)
        with ThreadPoolExecutor(FILLERS, thread_name_prefix="canvases") as threads:
            for _ in threads.map(self._fill, patients, frames(patients)):
                pass  # raises what a thread raised
        self.where = (
            f"on {device}"
            if home == device and device.type != "cpu"
            else "in memory"
            if device.type == "cpu"
            else f"in memory, copied to {device} batch by batch"
        )

    def _fill(self, patient: PreparedPatient, frame: Frame) -> None:
        images, masks = self.images[frame.rows], self.masks[frame.rows]
        rows, columns = frame.inner
        if images.device.type != "cpu":
            images[:] = torch.from_numpy(patient.floor).view(1, -1, 1, 1)
            images[:, :, rows, columns] = torch.from_numpy(patient.images).to(images.device)
            masks[:, rows, columns] = torch.from_numpy(patient.mask).to(masks.device)
            return
        # By numpy, a patient a thread: Torch's threads wait for each other at every copy, which a
        # busy machine makes long. Each pixel is written once: fresh memory is what takes time.
        planes, floor = images.numpy(), patient.floor.astype(np.float16)[:, None, None]
        planes[:, :, : rows.start] = floor
        planes[:, :, rows.stop :] = floor
        planes[:, :, rows, : columns.start] = floor
        planes[:, :, rows, columns.stop :] = floor
        planes[:, :, rows, columns] = patient.images
        masks.numpy()[:, rows, columns] = patient.mask

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """See `Canvases.take`."""
        middle = rows[:, rows.shape[1] // 2]
        if self.images.device == self._device:
            return self.images[rows.to(self._device)], self.masks[middle.to(self._device)]
        images, masks = staging(rows, self.images, self._device)
        torch.index_select(self.images, 0, rows.flatten(), out=images.flatten(0, 1))
        torch.index_select(self.masks, 0, middle, out=masks)
        return (
            images.to(self._device, non_blocking=True),
            masks.to(self._device, non_blocking=True),
        )


class CanvasesOnDisk:
    """Canvases put together batch by batch from arrays that are mapped from the cache.

    Parameters
    ----------
    patients : sequence of PreparedPatient
        With mapped arrays, in order of the rows.
    device : torch.device
        Where batches are wanted.
    """

    def __init__(self, patients: Sequence[PreparedPatient], device: torch.device) -> None:
        self._patients = list(patients)
        self._frames = frames(patients)
        self._starts = np.array([frame.rows.start for frame in self._frames])
        self._example = torch.empty(
            (0, patients[0].images.shape[1], *canvas_size(patients)), dtype=torch.float16
        )
        self._device = device
        self.where = "mapped from the cache"
        if device.type != "cpu":
            self.where += f", copied to {device} batch by batch"

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """See `Canvases.take`."""
        images, masks = staging(rows, self._example, self._device)
        planes, lesions = images.numpy(), masks.zero_().numpy()
        middle = rows.shape[1] // 2
        for i, own in enumerate(rows.numpy()):
            number = int(np.searchsorted(self._starts, own[middle], side="right")) - 1
            patient, frame = self._patients[number], self._frames[number]
            at = own - frame.rows.start
            planes[i] = patient.floor.astype(np.float16)[:, None, None]
            planes[(i, slice(None), slice(None), *frame.inner)] = patient.images[at]
            lesions[(i, *frame.inner)] = patient.mask[at[middle]]
        return (
            images.to(self._device, non_blocking=True),
            masks.to(self._device, non_blocking=True),
        )


def place_canvases(patients: Sequence[PreparedPatient], device: torch.device) -> Canvases:
    """Keep canvases as near to the device as memory allows.

    On the GPU if they take a small share of its free memory; else in main memory if they fit
    there; else mapped from the cache. Without a cache they go to main memory all the same.
    """
    height, width = canvas_size(patients)
    channels = patients[0].images.shape[1]
    need = sum(len(p.images) for p in patients) * height * width * (2 * channels + 1)
    if device.type == "cuda" and need <= GPU_SHARE * _free_gpu_memory(device):
        return CanvasesInMemory(patients, device, device)
    fits = need <= RAM_SHARE * psutil.virtual_memory().available
    if fits or not all(p.is_mapped for p in patients):
        home = device if device.type == "mps" and fits else torch.device("cpu")
        return CanvasesInMemory(patients, home, device)
    return CanvasesOnDisk(patients, device)


def canvas_size(patients: Sequence[PreparedPatient]) -> tuple[int, int]:
    """Height and width that hold every patient's slices."""
    return max(p.images.shape[2] for p in patients), max(p.images.shape[3] for p in patients)


def frames(patients: Sequence[PreparedPatient]) -> list[Frame]:
    """Where each patient's slices lie; an odd margin has one more pixel after."""
    height, width = canvas_size(patients)
    found, start = [], 0
    for patient in patients:
        depth, _, rows, columns = patient.images.shape
        top, left = (height - rows) // 2, (width - columns) // 2
        inner = (slice(top, top + rows), slice(left, left + columns))
        found.append(Frame(slice(start, start + depth), inner))
        start += depth
    return found


def staging(rows: Tensor, like: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Give empty CPU tensors for a batch; page-locked, so that a GPU copies while others work.

    Torch hands out page-locked memory again only after the copies from it have ended.
    """
    pinned = device.type == "cuda"
    images = torch.empty((*rows.shape, *like.shape[1:]), dtype=torch.float16, pin_memory=pinned)
    masks = torch.empty((rows.shape[0], *like.shape[2:]), dtype=torch.uint8, pin_memory=pinned)
    return images, masks


def _free_gpu_memory(device: torch.device) -> float:
    """Bytes that this process may still take, a limit set to it included."""
    free, total = torch.cuda.mem_get_info(device)
    share = torch.cuda.get_per_process_memory_fraction(device)
    return min(free, share * total - torch.cuda.memory_reserved(device))
