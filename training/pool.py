"""All training slices, to be drawn from at random."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_brainseg.core.imaging import ConfigError
from training.canvases import frames, place_canvases
from training.sampling import Replay, SliceTable, build_sampler

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import Tensor

    from training.preparation import PreparedPatient
    from training.sampling import Sampler

__all__ = ["SlicePool"]


class SlicePool:
    """Slices of all training patients on canvases of one size.

    Its length is the number of slices that can be drawn.

    Parameters
    ----------
    patients : sequence of PreparedPatient
        At least one.
    device : torch.device
        Where batches are wanted.
    sampling : str
        Name of a sampler; see `build_sampler`.
    lesion_share : float
        Of the lesion-balanced sampler.
    context : int
        Slices that go into the network together; odd.
    lesions_only : bool
        Draw slices with a lesion only; their neighbours may be any.
    replayed : collection of str
        Patients that the base model knows already.
    replay_share : float
        Share of each batch drawn from them; 0 draws all patients alike, and so does a pool in
        which either side is empty.

    Attributes
    ----------
    extents : Tensor of int64, shape (N, 2)
        Height and width of each slice on its canvas; on the CPU, where random changes are drawn.
    areas : Tensor of int64, shape (N,)
        Lesion pixels of each slice.

    Raises
    ------
    ConfigError
        If no slice is left to draw.
    """

    def __init__(
        self,
        patients: Sequence[PreparedPatient],
        device: torch.device,
        *,
        sampling: str = "lesion-balanced",
        lesion_share: float = 0.5,
        context: int = 1,
        lesions_only: bool = False,
        replayed: Collection[str] = (),
        replay_share: float = 0.0,
    ) -> None:
        depths = torch.tensor([len(p.images) for p in patients])
        owners = torch.arange(len(patients)).repeat_interleave(depths)
        sizes = torch.tensor([p.images.shape[2:] for p in patients])
        self.extents = sizes[owners]
        self.areas = torch.from_numpy(np.concatenate([p.lesion_areas() for p in patients]))
        self._names = [p.patient for p in patients]
        self._owners = owners
        self._build = partial(build_sampler, sampling, lesion_share=lesion_share)
        self._lesions_only = lesions_only
        self._replayed = torch.tensor([name in replayed for name in self._names])
        self._replay_share = replay_share
        self._choose(torch.ones_like(owners, dtype=torch.bool))
        rows = [frame.rows for frame in frames(patients)]
        self._first = torch.tensor([r.start for r in rows])[owners]
        self._last = torch.tensor([r.stop - 1 for r in rows])[owners]
        self._reach = torch.arange(context) - context // 2
        self._canvases = place_canvases(patients, device)

    def without(self, patients: Collection[str]) -> SlicePool:
        """Give a pool of the other patients; it shares the slices in memory with this one.

        Raises
        ------
        ConfigError
            If no slice is left to draw.
        """
        other = copy.copy(self)
        left = torch.tensor([name not in patients for name in self._names])
        other._choose(left[self._owners])  # noqa: SLF001 (one class)
        return other

    def _choose(self, rows: Tensor) -> None:
        """Draw from these rows (N,) only."""
        drawn = rows & (self.areas > 0) if self._lesions_only else rows
        self._drawn = torch.nonzero(drawn).flatten()
        if not len(self._drawn):
            raise ConfigError(
                "No slice is left to train on"
                + (": none has a lesion." if self._lesions_only else "."),
                "Turn drop_empty_slices off, or add patients with a lesion.",
            )
        table = SliceTable(self._owners[self._drawn], self.areas[self._drawn])
        old = self._replayed[table.owners]
        self._sampler: Sampler = (
            Replay(table, old, self._replay_share, self._build)
            if self._replay_share and old.any() and not old.all()
            else self._build(table)
        )

    def __len__(self) -> int:
        return len(self._drawn)

    @property
    def where(self) -> str:
        """Where the slices are kept, for users."""
        return self._canvases.where

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw slices; every draw comes from `generator`.

        Returns
        -------
        Tensor of int64, shape (batch,)
            Numbers for `batch`, `extents` and `describe`; on the CPU.
        """
        return self._drawn[self._sampler.draw(batch, generator)]

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fetch slices.

        Parameters
        ----------
        index : Tensor of int64, shape (B,)
            As `draw` gives them.

        Returns
        -------
        images : Tensor of float16, shape (B, C * context, H, W)
            Canvases on the device; channels as `with_context` orders them. Around a slice lies
            the patient's background.
        masks : Tensor of uint8, shape (B, H, W)
            Masks of the middle slices, on the device.
        extents : Tensor of int64, shape (B, 2)
            Height and width of the slice in the middle of its canvas; on the CPU.
        """
        rows = index[:, None] + self._reach
        rows = rows.clamp(self._first[index][:, None], self._last[index][:, None])
        images, masks = self._canvases.take(rows)
        return images.flatten(1, 2), masks, self.extents[index]

    def describe(self, index: Tensor) -> str:
        """Name slices by patient and place in the prepared stack, from 0, for a message."""
        return ", ".join(
            f"{self._names[int(self._owners[row])]}[{int(row - self._first[row])}]" for row in index
        )
