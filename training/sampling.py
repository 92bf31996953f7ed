"""How training slices are drawn. Every draw comes from the generator that is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from napari_brainseg.core.imaging import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = [
    "SAMPLERS",
    "LesionBalanced",
    "Reference",
    "Replay",
    "Sampler",
    "SliceTable",
    "Uniform",
    "build_sampler",
    "reference_weights",
]

BASE_SHARE = 0.1
"""Share of a patient's lesion that the reference spreads evenly over all its slices."""


@dataclass(frozen=True, eq=False)
class SliceTable:
    """What a sampler knows of the slices it draws from.

    Parameters
    ----------
    owners : Tensor of int64, shape (N,)
        Number of the patient, ascending.
    areas : Tensor of int64, shape (N,)
        Lesion pixels on the network's grid.
    """

    owners: Tensor
    areas: Tensor

    def __len__(self) -> int:
        return int(self.owners.shape[0])

    def rows_of_patients(self) -> list[Tensor]:
        """Give the rows of each patient, in order of the patients."""
        numbers = torch.unique_consecutive(self.owners)
        return [torch.nonzero(self.owners == number).flatten() for number in numbers]


class Sampler(Protocol):
    """Draws rows of a table."""

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Row numbers (batch,) int64, with replacement."""
        ...


class Uniform:
    """Every slice alike."""

    def __init__(self, table: SliceTable) -> None:
        self._slices = len(table)

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Row numbers (batch,)."""
        return torch.randint(self._slices, (batch,), generator=generator)


class LesionBalanced:
    """A share of each batch from slices with a lesion, the rest uniformly from all.

    For that share the patient is drawn first, so that a large lesion does not count more than a
    small one.

    Parameters
    ----------
    table : SliceTable
        The slices.
    lesion_share : float
        Between 0 and 1.
    """

    def __init__(self, table: SliceTable, lesion_share: float) -> None:
        self._slices = len(table)
        self._lesion_share = lesion_share
        with_lesion = (rows[table.areas[rows] > 0] for rows in table.rows_of_patients())
        self._lesions_of = [rows for rows in with_lesion if rows.numel()]

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Row numbers (batch,); those with a lesion come first."""
        index = torch.randint(self._slices, (batch,), generator=generator)
        if self._lesions_of:
            for i in range(round(batch * self._lesion_share)):
                patient = int(torch.randint(len(self._lesions_of), (1,), generator=generator))
                own = self._lesions_of[patient]
                index[i] = own[torch.randint(own.numel(), (1,), generator=generator)]
        return index


class Reference:
    """The published sampling: patient uniform, then slice by `reference_weights`."""

    def __init__(self, table: SliceTable) -> None:
        patients = table.rows_of_patients()
        # one draw with the product of both probabilities is a draw of patient, then slice
        self._weights = torch.cat(
            [reference_weights(table.areas[rows]) / len(patients) for rows in patients]
        )

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Row numbers (batch,)."""
        return torch.multinomial(self._weights, batch, replacement=True, generator=generator)


class Replay:
    """A fixed share of each batch from replayed patients, the rest from the corrected ones.

    Rehearsal of old examples is what keeps a network from forgetting them while it learns new ones
    (Robins 1995, doi 10.1080/09540099550039318; Rolnick et al. 2019, arXiv 1811.11682). Drawing
    all slices alike would let a large replay set drown a few corrections, or the reverse.

    Parameters
    ----------
    table : SliceTable
        The slices.
    replayed : Tensor of bool, shape (N,)
        Which of them belong to replayed patients.
    share : float
        Of each batch, between 0 and 1; of a batch of two or more at least one slice is left for
        each side.
    build : callable
        Makes the sampler that draws within each side.
    """

    def __init__(
        self,
        table: SliceTable,
        replayed: Tensor,
        share: float,
        build: Callable[[SliceTable], Sampler],
    ) -> None:
        self._share = share
        self._rows = [torch.nonzero(side).flatten() for side in (~replayed, replayed)]
        self._samplers = [
            build(SliceTable(table.owners[rows], table.areas[rows])) for rows in self._rows
        ]

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Row numbers (batch,); those of the corrected patients come first."""
        old = round(batch * self._share)
        if batch > 1:
            old = min(max(old, 1), batch - 1)
        sides = zip(self._rows, self._samplers, (batch - old, old), strict=True)
        return torch.cat([rows[own.draw(count, generator)] for rows, own, count in sides])


def reference_weights(areas: Tensor) -> Tensor:
    """Probability of each slice of one patient, as the published program draws it.

    With A_s the lesion area of slice s and n slices: (A_s + 0.1 sum(A) / n) / (1.1 sum(A)).
    Without a lesion that is 0/0; all slices are alike then. Buda et al. 2019
    (doi 10.1016/j.compbiomed.2019.05.002).

    Parameters
    ----------
    areas : Tensor, shape (n,)
        Lesion pixels of each slice.

    Returns
    -------
    Tensor of float64, shape (n,)
        Sums to 1.
    """
    total = float(areas.sum())
    if total == 0:
        return torch.full(areas.shape, 1 / areas.numel(), dtype=torch.float64)
    return (areas.double() + BASE_SHARE * total / areas.numel()) / ((1 + BASE_SHARE) * total)


SAMPLERS = ("lesion-balanced", "uniform", "reference")
"""Names that `build_sampler` knows."""


def build_sampler(name: str, table: SliceTable, *, lesion_share: float = 0.5) -> Sampler:
    """Build a sampler by name.

    Parameters
    ----------
    name : {'lesion-balanced', 'uniform', 'reference'}
        As in the config.
    table : SliceTable
        Slices to draw from, at least one.
    lesion_share : float
        Of lesion-balanced.

    Raises
    ------
    ConfigError
        If no sampling has that name.
    """
    if name == "lesion-balanced":
        return LesionBalanced(table, lesion_share)
    if name == "uniform":
        return Uniform(table)
    if name == "reference":
        return Reference(table)
    raise ConfigError(f"There is no sampling '{name}'.", f"Known: {', '.join(SAMPLERS)}.")
