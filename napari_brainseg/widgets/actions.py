"""What the keys do: one callable for each action that `viewer.shortcuts` lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import Modality
from napari_brainseg.viewer import views
from napari_brainseg.viewer.modes import is_reading, set_reading
from napari_brainseg.viewer.overlay_layers import (
    CORRECTION_NAME,
    DIFFERENCE_NAME,
    DOUBT_NAME,
    PREDICTION_NAME,
    TRUTH_NAME,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtpy.QtWidgets import QAbstractButton

    from napari_brainseg.viewer.display import Display
    from napari_brainseg.widgets.dock import BrainSegDock

__all__ = ["actions_of"]

THRESHOLD_STEP = 0.05
OPACITIES = (1.0, 0.7, 0.4)


def actions_of(dock: BrainSegDock) -> dict[str, Callable[..., Any]]:
    """Return what each `Shortcut.id` does in the window of a dock."""
    workbench, room = dock.workbench, dock.room
    view, display, looks = workbench.view, workbench.view.display, workbench.views
    strip, worklist, desk = room.strip, room.worklist, workbench.desk
    viewer, brushes = dock.viewer, workbench.brushes

    seeds = brushes.seeds
    assert seeds is not None, "the workbench makes them"

    def hide_masks() -> Iterator[None]:
        view.layers.hide_masks()
        yield
        view.layers.reveal_masks()

    return (
        {
            "next_case": workbench.open_next,
            "previous_case": workbench.open_previous,
            "predict": lambda: _press(dock.predict.predict_button),
            "start_correction": lambda: _press_first(
                dock.start.start_button, dock.start.go_on_button
            ),
            "approve": lambda: _press(dock.export.export_button),
            "export": dock.show_export,
            "worklist": room.go_to_worklist,
            "worklist_wide": worklist.toggle_wide,
            "search": room.search,
            "slice_up": lambda: strip.step(-1),
            "slice_down": lambda: strip.step(1),
            "previous_lesion": strip.previous_lesion,
            "next_lesion": strip.next_lesion,
            "next_worst": strip.next_worst,
            "next_unseen": strip.next_unseen,
            "next_view": looks.next_mode,
            "view_axial": lambda: looks.set_mode(views.AXIAL),
            "view_linked": lambda: looks.set_mode(views.LINKED),
            "view_3d": looks.toggle_3d,
            "view_side_by_side": lambda: looks.set_mode(views.SIDE_BY_SIDE),
            "crosshair": room.planes.crosshair.come_to_mouse,
            "next_modality": display.next_modality,
            "show_pre": lambda: _show_modality(display, Modality.PRE),
            "show_flair": lambda: _show_modality(display, Modality.FLAIR),
            "show_post": lambda: _show_modality(display, Modality.POST),
            "composite": lambda: setattr(display, "composite", not display.composite),
            "next_preset": lambda: _next_preset(display),
            "auto_window": display.auto,
            "reset_window": display.reset,
            "invert": lambda: setattr(display, "inverted", not display.inverted),
            "hide_masks": hide_masks,
            "toggle_truth": lambda: _toggle(display, TRUTH_NAME),
            "toggle_prediction": lambda: _toggle(display, PREDICTION_NAME),
            "toggle_correction": lambda: _toggle(display, CORRECTION_NAME),
            "toggle_difference": lambda: _toggle(display, DIFFERENCE_NAME),
            "toggle_doubt": lambda: _toggle(display, DOUBT_NAME),
            "fill": lambda: setattr(display, "fill", not display.fill),
            "next_opacity": lambda: _next_opacity(display),
            "threshold_down": lambda: display.set_threshold(display.threshold - THRESHOLD_STEP),
            "threshold_up": lambda: display.set_threshold(display.threshold + THRESHOLD_STEP),
            "threshold_reset": display.reset_threshold,
            "hide_identifiers": lambda: desk.preferences.set(
                hide_identifiers=not desk.preferences.get("hide_identifiers")
            ),
            "layers": lambda: set_reading(viewer, not is_reading(viewer)),
            "add_or_cut": lambda: setattr(brushes, "cutting", not brushes.cutting),
            "other_seeds": seeds.toggle,
            "help": room.help.toggle,
        }
        | dock.correct.tools.actions()
        | dock.measure.actions()
    )


def _press(button: QAbstractButton) -> None:
    # A key does what its button does now, and nothing where that is greyed out or away.
    if button.isEnabled() and not button.isHidden():
        button.click()


def _press_first(*buttons: QAbstractButton) -> None:
    for button in buttons:
        if button.isEnabled() and not button.isHidden():
            button.click()
            return


def _show_modality(display: Display, modality: Modality) -> None:
    if modality in display.modalities:
        display.composite = False
        display.modality = modality


def _next_preset(display: Display) -> None:
    presets = display.presets()
    if presets:
        names, now = list(presets), display.window()
        current = [n for n in names if presets[n] == now]
        display.apply_preset(
            names[(names.index(current[0]) + 1) % len(names)] if current else names[0]
        )


def _toggle(display: Display, name: str) -> None:
    if display.has(name):
        display.show(name, not display.is_shown(name))


def _next_opacity(display: Display) -> None:
    lower = [value for value in OPACITIES if value < display.opacity - 0.01]
    display.opacity = lower[0] if lower else OPACITIES[0]
