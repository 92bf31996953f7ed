"""Keys of everything frequent: one list, known to napari's action manager.

They stand in napari's preferences and can be changed there. Actions belong to the viewer's class,
as napari's own do, so they work whichever layer is active; what they do is told viewer by viewer
(`install`). No default key is one that napari gives to the viewer, to images or to labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from napari.viewer import Viewer

__all__ = [
    "GROUPS",
    "SHORTCUTS",
    "Shortcut",
    "current_keys",
    "install",
    "is_registered",
    "key_text",
    "keys_changed",
    "napari_keys",
    "prepare",
    "uninstall",
]

PREFIX = "napari-brainseg:"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One action with its keys.

    Parameters
    ----------
    id : str
        Name of the action, an identifier.
    title : str
        What it does, for the user.
    keys : tuple of str
        Default keys, written as napari does; the first is shown in tooltips.
    group : str
        Heading under which the help lists it; one of `GROUPS`.
    held : bool
        Acts as long as the key is down: its callback is a generator function that yields once.
    repeats : bool
        Acts again and again while the key is down.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    group: str
    held: bool = False
    repeats: bool = False

    @property
    def action(self) -> str:
        """Name in napari's action manager."""
        return PREFIX + self.id


CASES, SLICES, VIEWS, WINDOW, MASKS, TOOLS, SLICE_TOOLS, HELP = GROUPS = (
    "Cases",
    "Slices",
    "Views",
    "Contrast",
    "Masks",
    "Tools",
    "Slices and islands",
    "More",
)
"""Headings of the help, in their order."""

SHORTCUTS = (
    Shortcut("next_case", "Next case", ("N",), CASES),
    Shortcut("previous_case", "Previous case", ("Shift-N",), CASES),
    Shortcut("predict", "Predict", ("Shift-P",), CASES),
    Shortcut("start_correction", "Start correcting", ("Shift-E",), CASES),
    Shortcut("approve", "Approve and export", ("Control-Enter",), CASES),
    Shortcut("export", "Export", ("Shift-D",), CASES),
    Shortcut("worklist", "Go to the worklist", ("Q",), CASES),
    Shortcut("worklist_wide", "Wide or narrow worklist", ("Shift-Q",), CASES),
    Shortcut("search", "Search the worklist", ("/", "Control-F"), CASES),
    Shortcut("slice_up", "Previous slice", ("Up",), SLICES, repeats=True),
    Shortcut("slice_down", "Next slice", ("Down",), SLICES, repeats=True),
    Shortcut("previous_lesion", "Previous slice with a lesion", ("PageUp",), SLICES, repeats=True),
    Shortcut("next_lesion", "Next slice with a lesion", ("PageDown",), SLICES, repeats=True),
    Shortcut("next_worst", "Next worst slice", ("J",), SLICES),
    Shortcut("next_unseen", "Next slice not seen yet", ("Shift-J",), SLICES),
    Shortcut("next_view", "Next view", ("G",), VIEWS),
    Shortcut("view_axial", "Axial slices", ("F2",), VIEWS),
    Shortcut("view_linked", "Linked orthogonal views", ("F3",), VIEWS),
    Shortcut("view_3d", "3D", ("F4",), VIEWS),
    Shortcut("view_side_by_side", "Modalities side by side", ("F5",), VIEWS),
    Shortcut("crosshair", "Crosshair to the mouse", ("Shift-X",), VIEWS),
    Shortcut("next_modality", "Next modality", ("S",), VIEWS),
    Shortcut("show_pre", "Pre-contrast", ("8",), VIEWS),
    Shortcut("show_flair", "FLAIR", ("9",), VIEWS),
    Shortcut("show_post", "Post-contrast", ("0",), VIEWS),
    Shortcut("composite", "Colour composite of the modalities", ("Shift-C",), VIEWS),
    Shortcut("next_preset", "Next window preset", ("W",), WINDOW),
    Shortcut("auto_window", "Automatic window", ("Shift-W",), WINDOW),
    Shortcut("reset_window", "Reset the window", ("R",), WINDOW),
    Shortcut("invert", "Invert the greys", ("I",), WINDOW),
    Shortcut("hide_masks", "Hide all masks while held", ("H",), MASKS, held=True),
    Shortcut("toggle_truth", "Ground truth", ("T",), MASKS),
    Shortcut("toggle_prediction", "Prediction", ("A",), MASKS),
    Shortcut("toggle_correction", "My correction", ("K",), MASKS),
    Shortcut("toggle_difference", "Difference", ("D",), MASKS),
    Shortcut("toggle_doubt", "Doubt", ("U",), MASKS),
    Shortcut("fill", "Filled or outlined", ("Shift-F",), MASKS),
    Shortcut("next_opacity", "Next opacity", ("Shift-O",), MASKS),
    Shortcut("threshold_down", "Lower threshold: more lesion", (",",), MASKS, repeats=True),
    Shortcut("threshold_up", "Higher threshold: less lesion", (".",), MASKS, repeats=True),
    Shortcut("threshold_reset", "Threshold of the model", (";",), MASKS),
    Shortcut("threshold_brush", "Threshold brush", ("Shift-T",), TOOLS),
    Shortcut("window_from_mouse", "Its window from under the mouse", ("Shift-B",), TOOLS),
    Shortcut("adaptive_brush", "Adaptive brush", ("Shift-A",), TOOLS),
    Shortcut("lasso", "Lasso", ("Shift-L",), TOOLS),
    Shortcut("polygon", "Polygon", ("Shift-G",), TOOLS),
    Shortcut("add_or_cut", "Lasso and polygon add or cut", ("Shift-K",), TOOLS),
    Shortcut("shallower", "Brush through fewer slices", ("Alt-[",), TOOLS),
    Shortcut("deeper", "Brush through more slices", ("Alt-]",), TOOLS),
    Shortcut("fill_holes", "Fill holes in this slice", ("Alt-O",), TOOLS),
    Shortcut("fill_holes_volume", "Fill holes in the volume", ("Alt-Shift-O",), TOOLS),
    Shortcut("smooth", "Smooth", ("Alt-M",), TOOLS),
    Shortcut("dilate", "Dilate", ("Alt-D",), TOOLS),
    Shortcut("erode", "Erode", ("Alt-E",), TOOLS),
    Shortcut("flood_fill", "Flood fill", ("Alt-G",), TOOLS),
    Shortcut("grow_from_seeds", "Grow from seeds", ("Alt-J",), TOOLS),
    Shortcut("other_seeds", "Seeds of the lesion or of the rest", ("Shift-S",), TOOLS),
    Shortcut("snap_to_probability", "Snap to probability", ("Alt-T",), TOOLS),
    Shortcut("take_prediction", "Take the prediction over", ("Alt-1",), TOOLS),
    Shortcut("take_truth", "Take the ground truth over", ("Alt-2",), TOOLS),
    Shortcut("interpolate", "Interpolate between slices", ("Alt-I",), SLICE_TOOLS),
    Shortcut("copy_to_next", "Copy to the next slice", ("Alt-N",), SLICE_TOOLS),
    Shortcut("copy_to_previous", "Copy to the previous slice", ("Alt-B",), SLICE_TOOLS),
    Shortcut("clear_slice", "Clear this slice", ("Alt-C",), SLICE_TOOLS),
    Shortcut("keep_largest", "Keep the largest island", ("Alt-K",), SLICE_TOOLS),
    Shortcut("remove_small", "Remove small islands", ("Alt-S",), SLICE_TOOLS),
    Shortcut("remove_island", "Remove the island under the mouse", ("Alt-R",), SLICE_TOOLS),
    Shortcut("measure_ruler", "Measure a length", ("Shift-M",), HELP),
    Shortcut("measure_area", "Measure an area", ("Alt-Shift-M",), HELP),
    Shortcut("hide_identifiers", "Hide patient names", ("Shift-H",), HELP),
    Shortcut("layers", "napari's layer list and controls", ("F9",), HELP),
    Shortcut("help", "This list (also ?)", ("F1",), HELP),
)
"""All actions. A test compares their keys with napari's."""

_BY_ID = {shortcut.id: shortcut for shortcut in SHORTCUTS}
_TOOLS = (
    # What napari calls it, and what the help calls it.
    ("napari:increment_dims_left", "Previous slice"),
    ("napari:increment_dims_right", "Next slice"),
    ("napari:activate_labels_paint_mode", "Brush"),
    ("napari:activate_labels_erase_mode", "Eraser"),
    ("napari:activate_labels_polygon_mode", "Polygon"),
    ("napari:activate_labels_fill_mode", "Fill"),
    ("napari:activate_labels_pan_zoom_mode", "Move and zoom"),
    ("napari:hold_for_pan_zoom", "Move and zoom while held"),
    ("napari:decrease_brush_size", "Smaller brush"),
    ("napari:increase_brush_size", "Larger brush"),
    ("napari:reset_view", "Whole picture"),
)
_callbacks: WeakKeyDictionary[Viewer, dict[str, Callable[..., Any]]] = WeakKeyDictionary()
_registered: set[str] = set()


class _News:
    """Tells when keys were changed in napari's preferences."""

    keys_changed = Signal()


_news = _News()
keys_changed = _news.keys_changed
"""Emitted on the main thread after a key was changed; tooltips and help are written again."""


def install(viewer: Viewer, callbacks: Mapping[str, Callable[..., Any]]) -> None:
    """Give a viewer's keys their work; may be called again with more or other callbacks.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer itself, not the proxy that plugins get.
    callbacks : mapping
        From `Shortcut.id` to what it does, without arguments. Actions that no viewer has a
        callback for are not registered. The callback of a held key is a generator function.

    Raises
    ------
    ValueError
        If there is no action of that name.
    """
    unknown = sorted(set(callbacks) - set(_BY_ID))
    if unknown:
        raise ValueError(f"There are no actions {', '.join(unknown)}.")
    _callbacks.setdefault(viewer, {}).update(callbacks)
    for name in callbacks:
        _register(_BY_ID[name])
        _make_way(viewer, _BY_ID[name])


def prepare() -> None:
    """Make all actions known before a window is made.

    Keys that were changed stand in napari's settings, and a new window warns of each one whose
    action it does not know yet.
    """
    for shortcut in SHORTCUTS:
        _register(shortcut)


def uninstall(viewer: Viewer) -> None:
    """Forget a viewer's callbacks; its window is going."""
    _callbacks.pop(viewer, None)


def current_keys(name: str) -> tuple[str, ...]:
    """Keys of an action as they are now, as text for people, e.g. ``("Ctrl+Enter",)``.

    Parameters
    ----------
    name : str
        A `Shortcut.id`, or the name of one of napari's own actions (``napari:...``).
    """
    from napari.settings import get_settings
    from napari.utils.action_manager import action_manager

    if name in _registered:
        bound = action_manager._shortcuts.get(_BY_ID[name].action, ())  # noqa: SLF001
        return tuple(map(_as_text, bound))
    if name in _BY_ID:
        return tuple(map(_as_text, _BY_ID[name].keys))
    return tuple(map(_as_text, get_settings().shortcuts.shortcuts.get(name, ())))


def key_text(name: str) -> str:
    """First key of an action, for a tooltip; empty if it has none any more."""
    return next(iter(current_keys(name)), "")


def is_registered(name: str) -> bool:
    """Whether an action (`Shortcut.id`) does something in any viewer."""
    return name in _registered


def napari_keys() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Titles and keys of napari's own actions that readers need."""
    return tuple((title, current_keys(action)) for action, title in _TOOLS)


def _register(shortcut: Shortcut) -> None:
    if shortcut.id in _registered:
        return
    from napari.components import ViewerModel
    from napari.settings import get_settings
    from napari.utils.action_manager import action_manager

    _teach_names(shortcut)
    if not _registered:
        action_manager.events.shortcut_changed.connect(_on_key_changed)
        get_settings().shortcuts.events.shortcuts.connect(_follow_settings)
    _registered.add(shortcut.id)
    action_manager.register_action(
        shortcut.action,
        _command(shortcut),
        f"BrainSeg: {shortcut.title}",
        ViewerModel,
        repeatable=shortcut.repeats,
    )
    _bind(shortcut)


def _teach_names(shortcut: Shortcut) -> None:
    """Let napari write page and function keys, which it binds but warns of when it names them."""
    from app_model.types import KeyCode
    from napari.utils.interactions import KEY_SYMBOLS

    for key in shortcut.keys:
        last = key.split("-")[-1]
        if len(last) > 1:
            KEY_SYMBOLS.setdefault(last, KeyCode.from_string(last).os_symbol())


def _command(shortcut: Shortcut) -> Callable[..., Any]:
    def held(viewer: Any) -> Iterator[None]:
        callback = _callbacks.get(viewer, {}).get(shortcut.id)
        if callback is not None:
            yield from callback()

    def pressed(viewer: Any) -> None:
        callback = _callbacks.get(viewer, {}).get(shortcut.id)
        if callback is not None:
            callback()

    command = held if shortcut.held else pressed
    # napari finds the keys that repeat by the names of their functions.
    command.__name__ = f"brainseg_{shortcut.id}"
    return command


def _bind(shortcut: Shortcut) -> None:
    """Bind the keys that were saved in napari's settings, else the default ones."""
    from napari.settings import get_settings
    from napari.utils.action_manager import action_manager
    from napari.utils.key_bindings import coerce_keybinding

    saved = get_settings().shortcuts.shortcuts.get(shortcut.action, shortcut.keys)
    wanted = [coerce_keybinding(key) for key in saved]
    bound = [coerce_keybinding(k) for k in action_manager._shortcuts.get(shortcut.action, ())]  # noqa: SLF001
    if bound == wanted:
        return
    action_manager.unbind_shortcut(shortcut.action)
    for key in wanted:
        action_manager.bind_shortcut(shortcut.action, key)


def _follow_settings(_event: Any = None) -> None:
    # "Restore all" leaves actions of plugins as they were.
    from napari.settings import get_settings

    saved = get_settings().shortcuts.shortcuts
    restored = not any(name.startswith(PREFIX) for name in saved)
    for name in sorted(_registered):
        if restored or _BY_ID[name].action in saved:
            _bind(_BY_ID[name])


def _on_key_changed(event: Any) -> None:
    if str(event.name).startswith(PREFIX):
        keys_changed.emit()


def _make_way(viewer: Viewer, shortcut: Shortcut) -> None:
    # A key bound to this viewer directly would hide the action that can be changed.
    from napari.utils.key_bindings import coerce_keybinding

    for key in shortcut.keys:
        viewer.keymap.pop(coerce_keybinding(key), None)


_NAMES = {"Left": "←", "Right": "→", "Up": "↑", "Down": "↓", "PageUp": "Page up",
          "PageDown": "Page down", "Escape": "Esc"}  # fmt: skip


def _as_text(key: Any) -> str:
    from napari.utils.key_bindings import coerce_keybinding

    *modifiers, last = str(coerce_keybinding(key)).replace("++", "+plus").split("+")
    return "+".join([*modifiers, _NAMES.get(last, "+" if last == "plus" else last)])
