"""Loss and DSC over the epochs: of one run, and of all runs on top of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.reporting.canvas import (
    TRAIN,
    VALIDATION,
    new_figure,
    png_bytes,
    quiet_axes,
    style_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["Curves", "curves_chart", "overlaid_curves"]

NAMES_IN_A_ROW = 4
LEGEND_ROW_PX = 24


@dataclass(frozen=True, slots=True)
class Curves:
    """What a run reported after each epoch.

    Parameters
    ----------
    name : str
        Of the run.
    epochs : sequence of int
        1-based, ascending.
    train_loss, train_dsc, validation_loss, validation_dsc : sequence of float or None
        As long as `epochs`; ``None`` where an epoch was not validated.
    chosen_epoch : int, optional
        The epoch that became the model.
    """

    name: str
    epochs: Sequence[int]
    train_loss: Sequence[float | None]
    train_dsc: Sequence[float | None]
    validation_loss: Sequence[float | None]
    validation_dsc: Sequence[float | None]
    chosen_epoch: int | None = None


def curves_chart(curves: Curves) -> bytes:
    """Draw one run: loss on the left, DSC on the right, training and validation in each.

    Returns
    -------
    bytes
        PNG of 1200 x 420 pixels.
    """
    figure = new_figure(1200, 420)
    left, right = figure.subplots(1, 2)
    for axes, title, train, validation in (
        (left, "Loss", curves.train_loss, curves.validation_loss),
        (right, "DSC", curves.train_dsc, curves.validation_dsc),
    ):
        _line(axes, curves.epochs, train, label="training", color=TRAIN)
        _line(axes, curves.epochs, validation, label="validation", color=VALIDATION)
        if curves.chosen_epoch is not None:
            axes.axvline(
                curves.chosen_epoch, color="#6b7280", linestyle=":",
                label=f"epoch {curves.chosen_epoch}, the model",
            )  # fmt: skip
        _dress(axes, title, curves.epochs)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    right.set_ylim(0, 1)
    return png_bytes(figure)


def overlaid_curves(runs: Sequence[Curves]) -> bytes:
    """Draw all runs: loss and DSC, on training and on validation patients, one panel each.

    Losses compare only between runs that have the same loss; DSC compares where the validation
    patients are the same.

    Returns
    -------
    bytes
        PNG, 1200 pixels wide, taller with more names in the legend.

    Raises
    ------
    ValueError
        If there are no runs.
    """
    if not runs:
        raise ValueError("There are no curves to draw.")
    columns = NAMES_IN_A_ROW if max(len(c.name) for c in runs) <= 32 else 2
    rows = -(-len(runs) // columns)
    figure = new_figure(1200, 760 + LEGEND_ROW_PX * rows)
    panels = figure.subplots(2, 2)
    longest = max((c.epochs for c in runs), key=len)
    for axes, title, field in (
        (panels[0, 0], "Loss, training", "train_loss"),
        (panels[0, 1], "Loss, validation", "validation_loss"),
        (panels[1, 0], "DSC, training", "train_dsc"),
        (panels[1, 1], "DSC, validation", "validation_dsc"),
    ):
        for number, curves in enumerate(runs):
            color, dashes = style_of(number)
            _line(
                axes, curves.epochs, getattr(curves, field),
                label=curves.name, color=color, linestyle=dashes,
            )  # fmt: skip
        _dress(axes, title, longest)
    for axes in panels[1]:
        axes.set_ylim(0, 1)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(columns, len(runs)), frameon=False
    )
    return png_bytes(figure)


def _line(
    axes: Axes,
    epochs: Sequence[int],
    values: Sequence[float | None],
    *,
    label: str,
    color: str,
    linestyle: str = "-",
) -> None:
    heights = _floats(values)
    # a single epoch is a point, which a line would not show
    marker = "o" if np.count_nonzero(np.isfinite(heights)) == 1 else ""
    axes.plot(
        np.asarray(epochs, dtype=float), heights,
        label=label, color=color, linestyle=linestyle, marker=marker, linewidth=1.8,
    )  # fmt: skip


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    numbers = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _dress(axes: Axes, title: str, epochs: Sequence[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    quiet_axes(axes)
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
