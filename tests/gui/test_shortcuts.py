"""Our keys: none that napari uses, changeable in napari's preferences, working on any layer."""

from __future__ import annotations

from collections import Counter

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from napari.utils.key_bindings import KeymapHandler, coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from napari_brainseg.viewer import shortcuts
from napari_brainseg.viewer.shortcuts import SHORTCUTS, current_keys, install, key_text, uninstall


@pytest.fixture
def model():
    """A viewer without a window; its keymaps are the same."""
    model = ViewerModel()
    yield model
    uninstall(model)
    get_settings().shortcuts.shortcuts = {}


@pytest.fixture
def press(model):
    handler = KeymapHandler()

    def press(key, *layers):
        handler.keymap_providers = [*layers, model]
        taken = handler.press_key(key)
        handler.release_key(key)
        return taken

    return press


def test_no_default_key_is_one_of_naparis():
    napari.Viewer  # its module binds keys  # noqa: B018
    taken = {str(k) for cls in (ViewerModel, Image, Labels) for k in cls.class_keymap}
    for name, keys in default_shortcuts.items():
        action = action_manager._actions.get(name)
        if action is None or action.keymapprovider in (ViewerModel, Image, Labels):
            taken |= {str(k) for k in keys}
    from napari._app_model import get_app_model

    taken |= {str(binding.keybinding) for binding in get_app_model().keybindings}
    ours = [str(coerce_keybinding(key)) for s in SHORTCUTS for key in s.keys]
    own = {str(k) for s in SHORTCUTS for k in action_manager._shortcuts.get(s.action, ())}
    assert sorted(set(ours) & (taken - own)) == []
    assert [key for key, count in Counter(ours).items() if count > 1] == []
    assert len({s.id for s in SHORTCUTS}) == len(SHORTCUTS)
    assert {s.group for s in SHORTCUTS} == set(shortcuts.GROUPS)


def test_an_action_works_whichever_layer_is_active(model, press):
    done = []
    install(model, {s.id: (lambda i=s.id: done.append(i)) for s in SHORTCUTS if not s.held})
    layers = [Image(np.zeros((2, 2, 2))), Labels(np.zeros((2, 2, 2), np.uint8))]
    for active in ((), layers[:1], layers[1:]):
        done.clear()
        for shortcut in SHORTCUTS:
            if not shortcut.held:
                assert press(shortcut.keys[0], *active), shortcut.id
        assert done == [s.id for s in SHORTCUTS if not s.held]


def test_a_held_key_acts_until_it_is_let_go(model, press):
    heard = []

    def hide():
        heard.append("hidden")
        yield
        heard.append("shown")

    install(model, {"hide_masks": hide})
    press("H")
    assert heard == ["hidden", "shown"]


def test_each_viewer_has_its_own_callbacks(model, press):
    other, heard = ViewerModel(), []
    install(model, {"invert": lambda: heard.append("mine")})
    install(other, {"invert": lambda: heard.append("other")})
    press("I")
    uninstall(model)
    press("I")
    uninstall(other)
    assert heard == ["mine"]


def test_keys_that_scroll_repeat_and_others_do_not(model):
    install(model, {s.id: (lambda: None) for s in SHORTCUTS if not s.held})
    handler = KeymapHandler()
    handler.keymap_providers = [model]
    repeating = {str(key) for key in action_manager._get_repeatable_shortcuts(handler.keymap_chain)}
    assert {"PageDown", ".", "Down"} <= repeating
    assert "N" not in repeating


def test_a_key_changed_in_naparis_settings_is_bound_and_shown(model, press):
    heard, news = [], []
    install(model, {"invert": lambda: heard.append(1)})
    shortcuts.keys_changed.connect(lambda: news.append(1))
    assert key_text("invert") == "I"
    get_settings().shortcuts.shortcuts = {"napari-brainseg:invert": ["Shift-I", "Alt-Q"]}
    assert current_keys("invert") == ("Shift+I", "Alt+Q")
    assert not press("I")
    assert press("Shift-I")
    assert heard == [1]
    assert news
    get_settings().shortcuts.shortcuts = {}  # as "Restore all" does
    assert key_text("invert") == "I"
    shortcuts.keys_changed.disconnect()


def test_a_saved_key_holds_when_the_action_is_first_registered(model, press, monkeypatch):
    monkeypatch.setattr(shortcuts, "_registered", set())
    action_manager._shortcuts.pop("napari-brainseg:fill", None)
    get_settings().shortcuts.shortcuts = {"napari-brainseg:fill": ["Shift-G"]}
    heard = []
    install(model, {"fill": lambda: heard.append(1)})
    press("Shift-G")
    assert heard == [1]


def test_they_stand_in_naparis_preferences(model):
    install(model, {"next_worst": lambda: None})
    listed = action_manager._get_provider_actions(ViewerModel)
    assert listed["napari-brainseg:next_worst"].description == "BrainSeg: Next worst slice"


def test_a_name_that_does_not_exist_is_refused(model):
    with pytest.raises(ValueError, match="no_such"):
        install(model, {"no_such": lambda: None})


def test_keys_are_written_for_people(model):
    assert current_keys("approve") == ("Ctrl+Enter",)
    assert key_text("previous_lesion") == "Page up"
    assert key_text("slice_down") == "↓"
