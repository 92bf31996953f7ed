"""A study leafed through in Matplotlib: in a window of its own, or in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.reporting.lettering import foot_line
from napari_brainseg.core.reporting.slice_drawing import SliceDrawing, marks_of
from napari_brainseg.core.reporting.study_triptych import key_slices

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import LabelVolume, Modality, Study

__all__ = ["SliceViewer", "show_interactive"]

GROUND, TEXT, FAINT = "#111418", "#f0f0f0", "#bec3c8"
PANEL_INCHES, HEAD_INCHES, FOOT_INCHES = 4.0, 0.6, 1.3
LINE_INCHES = 0.2
LEAST_PANELS = 2
"""A window has room for so many, so that its texts fit where there are no masks."""
LEAP = 5
"""Slices that the page keys go."""
STEPS = {"up": 1, "down": -1, "pageup": LEAP, "pagedown": -LEAP}
"""Keys that Matplotlib leaves free."""
MASK_KEY = "m"
HELP = "Mouse wheel, slider or up and down keys: slices.  Page keys: five slices.  m: outlines."


class SliceViewer:
    """Image, ground truth, prediction side by side, one slice at a time.

    The first panel carries the outlines of the masks that are ticked. Zooming one panel zooms all.

    Parameters
    ----------
    study : Study
    masks : mapping
        See `marks_of`.
    figure : Figure
        To draw on, of any Matplotlib backend.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    model : str, optional
        Version of the model that made the prediction.
    """

    def __init__(
        self,
        study: Study,
        masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
        figure: Figure,
        *,
        modality: Modality | None = None,
        model: str | None = None,
    ) -> None:
        from matplotlib.widgets import CheckButtons, Slider

        marks = marks_of(study, masks)
        order = ("truth", "prediction", "correction")
        self._panels = sorted(marks, key=lambda mark: order.index(mark.name))
        self._drawing = SliceDrawing(study, marks, modality=modality)
        self._ticked = {mark.name for mark in marks}
        self.figure = figure
        self.slice = next(iter(key_slices(marks, len(self._drawing))))
        figure.set_facecolor(GROUND)
        count = 1 + len(self._panels)
        height = figure.get_figheight()
        low, high = FOOT_INCHES / height, 1 - HEAD_INCHES / height
        self._images: list[Any] = []
        for column in range(count):
            self._images.append(self._panel(column, count, low, high))
        figure.text(0.01, 0.99, study.patient, color=TEXT, size=13, va="top", parse_math=False)
        words = foot_line() if model is None else f"{foot_line()}. Prediction by {model}."
        figure.text(0.01, 0.01, words, color=FAINT, size=9, parse_math=False)
        figure.text(0.01, 0.01 + LINE_INCHES / height, HELP, color=FAINT, size=9)
        self._slider: Any = None
        if len(self._drawing) > 1:
            self._slider = Slider(
                figure.add_axes((0.12, 0.55 * low, 0.5, 0.25 * low)), "slice",
                0, len(self._drawing) - 1, valinit=self.slice, valstep=1, color=FAINT,
                initcolor="none",
            )  # fmt: skip
            self._slider.label.set_color(TEXT)
            self._slider.valtext.set_color(TEXT)
            self._slider.on_changed(self._on_slider)
        self._checks: Any = None
        if self._panels:
            place = figure.add_axes((0.70, 0.4 * low, 0.29, 0.58 * low), facecolor=GROUND)
            place.axis("off")
            colours = [tuple(c / 255 for c in mark.colour) for mark in self._panels]
            self._checks = CheckButtons(
                place, [f"outline of the {mark.words}" for mark in self._panels],
                [True] * len(self._panels),
                label_props={"color": colours}, frame_props={"edgecolor": colours},
                check_props={"facecolor": colours},
            )  # fmt: skip
            self._checks.on_clicked(self._on_check)
        figure.canvas.mpl_connect("scroll_event", self._on_scroll)
        figure.canvas.mpl_connect("key_press_event", self._on_key)
        self.show_slice(self.slice)

    @property
    def outlines(self) -> frozenset[str]:
        """Names of the masks whose outlines are drawn."""
        return frozenset(self._ticked)

    def show_slice(self, z: int) -> None:
        """Show a slice by its index; beyond the ends the last one there is."""
        self.slice = min(max(int(z), 0), len(self._drawing) - 1)
        drawing = self._drawing
        names = [mark.name for mark in self._panels if mark.name in self._ticked]
        pictures = [drawing.outlines(self.slice, names)]
        pictures += [drawing.filled(self.slice, mark.name) for mark in self._panels]
        for image, picture in zip(self._images, pictures, strict=True):
            image.set_data(picture)
        name = drawing.slice_name(self.slice)
        self._images[0].axes.set_title(f"{drawing.name}, {name}", color=TEXT, size=11)
        if self._slider is not None:
            if int(self._slider.val) != self.slice:
                self._slider.set_val(self.slice)
            self._slider.valtext.set_text(str(drawing.study.slice_numbers[self.slice]))
        self.figure.canvas.draw_idle()

    def _panel(self, column: int, count: int, low: float, high: float) -> Any:
        first: Axes | None = self._images[0].axes if column else None
        gap = 0.006
        axes = self.figure.add_axes(
            (gap + column * (1 - gap) / count, low, (1 - gap) / count - gap, high - low),
            sharex=first,
            sharey=first,
            facecolor="black",
        )
        axes.set_xticks([])
        axes.set_yticks([])
        if column:
            mark = self._panels[column - 1]
            axes.set_title(mark.words, color=tuple(c / 255 for c in mark.colour), size=11)
        if self._drawing.letters is not None:
            top, bottom, left, right = self._drawing.letters
            for x, y, letter, side in (
                (0.5, 0.97, top, "center"), (0.5, 0.03, bottom, "center"),
                (0.02, 0.5, left, "left"), (0.98, 0.5, right, "right"),
            ):  # fmt: skip
                axes.text(
                    x, y, letter, transform=axes.transAxes, color=TEXT, size=12,
                    ha=side, va="center",
                )  # fmt: skip
        return axes.imshow(self._drawing.outlines(self.slice, ()))

    def _on_slider(self, value: float) -> None:
        if int(value) != self.slice:
            self.show_slice(int(value))

    def _on_scroll(self, event: Any) -> None:
        self.show_slice(self.slice + (1 if event.step > 0 else -1))

    def _on_key(self, event: Any) -> None:
        if event.key in STEPS:
            self.show_slice(self.slice + STEPS[event.key])
        elif event.key == MASK_KEY and self._checks is not None:
            # All away to see the tissue below, or all back.
            wanted = not self._ticked
            for number, mark in enumerate(self._panels):
                if (mark.name in self._ticked) != wanted:
                    self._checks.set_active(number)

    def _on_check(self, _label: str | None) -> None:
        states = self._checks.get_status()
        self._ticked = {mark.name for mark, on in zip(self._panels, states, strict=True) if on}
        self.show_slice(self.slice)


def show_interactive(
    study: Study,
    masks: Mapping[str, NDArray[np.generic] | LabelVolume | None],
    *,
    modality: Modality | None = None,
    model: str | None = None,
    block: bool | None = None,
) -> SliceViewer:
    """Show a study in a window of Matplotlib, whose toolbar zooms and saves.

    In a notebook choose a backend that takes events first (``%matplotlib widget``).

    Parameters
    ----------
    study : Study
    masks : mapping
        See `marks_of`: ``prediction``, ``correction``, ``truth``; any may be missing.
    modality : Modality, optional
        FLAIR, or what is there, if left out.
    model : str, optional
        Version of the model that made the prediction.
    block : bool, optional
        Whether to wait until the window is closed; what Matplotlib does by default if left out.

    Returns
    -------
    SliceViewer
        Keep it as long as the window is to answer.

    Raises
    ------
    ConfigError
        If there is no display to open a window on.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backends.registry import BackendFilter, backend_registry

    backend = plt.get_backend().lower()
    windowless = backend_registry.list_builtin(  # type: ignore[no-untyped-call]
        BackendFilter.NON_INTERACTIVE
    )
    if backend in windowless:
        raise ConfigError(
            f"There is no display to open a window on (Matplotlib draws with '{backend}').",
            "Run it on a desktop, or write pictures to a folder instead.",
        )
    count = 1 + len(marks_of(study, masks))
    size = (PANEL_INCHES * max(count, LEAST_PANELS), PANEL_INCHES + HEAD_INCHES + FOOT_INCHES)
    # A new one, not the same cleared: the old one's slider and boxes would answer still.
    plt.close(study.patient)
    figure = plt.figure(study.patient, figsize=size)
    viewer = SliceViewer(study, masks, figure, modality=modality, model=model)
    plt.show(block=block)
    return viewer
