"""Leafing through a study in Matplotlib, by the events that a window sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_brainseg.core.imaging import ConfigError, Geometry, LabelVolume, ScalarVolume, Study
from napari_brainseg.core.reporting.interactive import SliceViewer, show_interactive
from napari_brainseg.core.reporting.overlay import PREDICTION, TRUTH

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = (12, 24, 24)
ORIENTED = Geometry.from_affine(
    ((0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0), (5.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
)


def make_study(geometry: Geometry | None = None, depth: int = SHAPE[0]) -> Study:
    shape = (depth, *SHAPE[1:])
    mask = np.zeros(shape, np.uint8)
    mask[depth // 2, 6:14, 6:14] = 1
    image = np.full((3, *shape), 90, np.uint8)
    place = Geometry() if geometry is None else geometry
    return Study("P_A", ScalarVolume(image, geometry=place), LabelVolume(mask, place))


@pytest.fixture
def viewer() -> SliceViewer:
    study = make_study()
    assert study.truth is not None
    figure = Figure(figsize=(12, 6))
    FigureCanvasAgg(figure)
    return SliceViewer(study, {"prediction": np.roll(study.truth.data, 3, 2)}, figure, model="v1")


def press(viewer: SliceViewer, key: str) -> None:
    canvas = viewer.figure.canvas
    canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", canvas, key))


def scroll(viewer: SliceViewer, step: int) -> None:
    canvas = viewer.figure.canvas
    event = MouseEvent("scroll_event", canvas, 100, 300, step=step)
    canvas.callbacks.process("scroll_event", event)


def panels(viewer: SliceViewer) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in viewer.figure.axes if axes.images]


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour)).all(axis=-1).any())


def test_it_opens_on_the_largest_lesion_with_a_panel_for_each_mask(viewer: SliceViewer) -> None:
    image, truth, prediction = panels(viewer)

    assert viewer.slice == 6
    assert has(image, TRUTH)
    assert has(image, PREDICTION)
    assert has(truth, TRUTH)
    assert not has(truth, PREDICTION)
    assert has(prediction, PREDICTION)


def test_wheel_keys_and_slider_leaf_through_and_stop_at_the_ends(viewer: SliceViewer) -> None:
    scroll(viewer, 1)
    assert viewer.slice == 7
    assert not has(panels(viewer)[0], TRUTH), "the panels follow"
    scroll(viewer, -1)
    press(viewer, "down")
    assert viewer.slice == 5
    press(viewer, "pageup")
    press(viewer, "up")
    assert viewer.slice == 11
    press(viewer, "pageup")
    assert viewer.slice == 11
    viewer._slider.set_val(0)
    assert viewer.slice == 0
    press(viewer, "pagedown")
    assert viewer.slice == 0
    assert viewer._slider.val == 0
    press(viewer, "x")
    assert viewer.slice == 0


def test_the_title_names_the_slice_by_its_number(viewer: SliceViewer) -> None:
    press(viewer, "up")

    titles = [axes.get_title() for axes in viewer.figure.axes if axes.images]
    assert titles == ["FLAIR, slice 8 (8 of 12)", "ground truth", "prediction"]
    assert viewer._slider.valtext.get_text() == "8"


def test_outlines_go_one_by_one_and_all_together(viewer: SliceViewer) -> None:
    viewer._checks.set_active(1)
    assert viewer.outlines == {"truth"}
    assert not has(panels(viewer)[0], PREDICTION)
    assert has(panels(viewer)[2], PREDICTION), "its own panel keeps it"
    press(viewer, "m")
    assert viewer.outlines == set()
    assert not has(panels(viewer)[0], TRUTH)
    press(viewer, "m")
    assert viewer.outlines == {"truth", "prediction"}


def test_it_says_what_it_is(viewer: SliceViewer) -> None:
    texts = " ".join(text.get_text() for text in viewer.figure.texts)

    assert "Not for diagnosis" in texts
    assert "v1" in texts
    assert "P_A" in texts


def test_one_slice_without_masks_has_neither_slider_nor_boxes() -> None:
    study = make_study(ORIENTED, depth=1)
    figure = Figure(figsize=(8, 6))
    FigureCanvasAgg(figure)
    viewer = SliceViewer(study, {"truth": None}, figure)
    press(viewer, "m")
    scroll(viewer, 1)

    (axes,) = viewer.figure.axes
    assert viewer.slice == 0
    assert {text.get_text() for text in axes.texts} == {"A", "P", "R", "L"}


@pytest.fixture
def without_display() -> Iterator[None]:
    """Matplotlib as it is where there is no display."""
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        plt.switch_backend("agg")
        yield
        plt.close("all")


@pytest.mark.usefixtures("without_display")
def test_without_a_display_it_says_so() -> None:
    with pytest.raises(ConfigError, match="no display") as caught:
        show_interactive(make_study(), {})

    assert "folder" in caught.value.hint


@pytest.mark.usefixtures("without_display")
def test_a_window_is_made_by_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    shown: list[bool | None] = []
    monkeypatch.setattr(plt, "get_backend", lambda: "QtAgg")
    monkeypatch.setattr(plt, "show", lambda block=None: shown.append(block))
    viewer = show_interactive(make_study(), {}, block=False)

    assert shown == [False]
    assert plt.get_figlabels() == ["P_A"]
    assert viewer.figure is plt.gcf()
    # As when a cell of a notebook runs again.
    again = show_interactive(make_study(), {}, block=False)
    again.figure.canvas.draw()
    scroll(again, 1)
    assert again.slice == 7
    assert viewer.figure is not again.figure
    assert plt.get_figlabels() == ["P_A"]
