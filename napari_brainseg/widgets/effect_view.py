"""The pictures of an effect review: the difference large, both versions beside it, all in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from napari_brainseg.viewer.effect_scene import EffectScene, Overlay
from napari_brainseg.viewer.orientation import edge_letters
from napari_brainseg.viewer.planes import Plane
from napari_brainseg.widgets.effect_bar import EffectBar
from napari_brainseg.widgets.effect_keys import HELD, action_of
from napari_brainseg.widgets.effect_legend import EffectLegend
from napari_brainseg.widgets.effect_plane import EffectPlane
from napari_brainseg.widgets.effect_strip import EffectStrip
from napari_brainseg.widgets.effect_wait import EffectWait
from napari_brainseg.widgets.look import stylesheet
from napari_brainseg.widgets.numbers import dsc, voxels
from napari_brainseg.widgets.plane_texts import PlaneTexts
from napari_brainseg.widgets.subscriptions import Subscriptions
from napari_brainseg.widgets.throttle import Throttle
from napari_brainseg.widgets.worklist_names import Names

if TYPE_CHECKING:
    from napari_brainseg.core.imaging import Modality
    from napari_brainseg.session.effect_review import EffectReview

__all__ = ["EffectView"]

_BLINK_MS = 500
_LARGE, _SMALL = 62, 38
"""Shares of the width."""
_PICTURES, _WORDS = 0, 1


class EffectView(QWidget):
    """Shows one review. It has the keys as long as it has the focus; none reaches the case below.

    Parameters
    ----------
    review : EffectReview
        What is reviewed. It is not ended by this widget.
    modality : Modality, optional
        The one to begin with.
    windows : mapping, optional
        Windows as kept in the preferences.
    names : Names, optional
        What patients are called.

    Attributes
    ----------
    scene : EffectScene
        How the case is looked at.
    bar : EffectBar
    difference, current, candidate : EffectPlane
    strip : EffectStrip
    wait : EffectWait
    """

    done = Signal()
    """The review is to end."""

    def __init__(
        self,
        review: EffectReview,
        parent: QWidget | None = None,
        *,
        modality: Modality | None = None,
        windows: Any = None,
        names: Names | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("brainseg-effect")
        self.setAccessibleName(self.tr("Effect of the new version"))
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.review = review
        given = {} if modality is None else {"modality": modality}
        self.scene = EffectScene(review, windows=windows, **given)
        names = Names(case.patient for case in review.cases) if names is None else names
        self.bar = EffectBar(review, self.scene, names)
        self.difference = EffectPlane(zooms=True)
        self.current, self.candidate = EffectPlane(), EffectPlane()
        self.planes = {
            Overlay.DIFFERENCE: self.difference,
            Overlay.CURRENT: self.current,
            Overlay.CANDIDATE: self.candidate,
        }
        self.strip = EffectStrip(self.scene)
        self.legend = EffectLegend()
        self.wait = EffectWait(review, names)
        self._lay_out()
        self._redraw = Throttle(self._draw, self)
        self._blink = QTimer(self, interval=_BLINK_MS)
        self._blink.timeout.connect(self.scene.flip)
        self._tie()
        # What was prepared while the view was being built was told to nobody.
        self.scene.enter()
        self._on_entered()

    # what can be asked for --------------------------------------------------------------------

    def act(self, action: str) -> None:
        """Do one of the actions of `effect_keys.ACTIONS` that are not held.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        scene, review = self.scene, self.review
        acts = {
            "next_case": review.next,
            "previous_case": review.previous,
            "next_lesion": scene.next_difference,
            "previous_lesion": scene.previous_difference,
            "slice_up": lambda: scene.step(-1),
            "slice_down": lambda: scene.step(1),
            "next_modality": scene.next_modality,
            "whole": lambda: setattr(scene, "look", None),
            "done": self.done.emit,
        }
        acts[action]()

    def hold(self, action: str, on: bool) -> None:
        """Begin or end what lasts as long as a key is down."""
        if action == "blink":
            self.blink(on)
        else:
            self.scene.bare = on

    def blink(self, on: bool) -> None:
        """Show the masks of the two versions in turn on the large picture, or the difference."""
        if on and self.scene.picture is not None:
            if not self._blink.isActive():
                self.scene.flip()
                self._blink.start()
        else:
            self._blink.stop()
            self.scene.overlay = Overlay.DIFFERENCE

    def draw_now(self) -> None:
        """Draw what is waiting to be drawn, at once."""
        self._redraw.now()

    def dress(self, theme_id: str) -> None:
        """Take the colours of a napari theme."""
        ground = get_theme(theme_id).background.as_hex()
        self.setStyleSheet(f"#brainseg-effect {{ background: {ground}; }} {stylesheet(theme_id)}")

    def use_key(self, event: QKeyEvent) -> bool:
        """Act on a key event; whether it was one of the review's."""
        action = action_of(event)
        if action is None:
            return False
        pressed = event.type() == QEvent.Type.KeyPress
        if action in HELD:
            if not event.isAutoRepeat():
                self.hold(action, pressed)
        elif pressed:
            self.act(action)
        return True

    # Qt ---------------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Keep the review's keys from the menus."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and action_of(event) is not None
        ):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Act; other keys do nothing either, for they belong to the case below."""
        self.use_key(event)
        event.accept()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Let go of what was held."""
        self.use_key(event)
        event.accept()

    def changeEvent(self, event: QEvent) -> None:
        """Let go of what is held when the window loses the keys: no release would come."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            for action in HELD:
                self.hold(action, False)

    # inside -----------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        beside = QVBoxLayout()
        beside.setSpacing(2)
        beside.addWidget(self.current, 1)
        beside.addWidget(self.candidate, 1)
        pictures = QWidget()
        columns = QHBoxLayout(pictures)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(2)
        columns.addWidget(self.difference, _LARGE)
        columns.addLayout(beside, _SMALL)
        self._stack = QStackedLayout()
        self._stack.addWidget(pictures)
        self._stack.addWidget(self.wait)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.bar)
        layout.addLayout(self._stack, 1)
        layout.addWidget(self.strip)
        layout.addWidget(self.legend)

    def _tie(self) -> None:
        review, scene = self.review, self.scene
        self.bar.done.connect(self.done)
        self.bar.blink_asked.connect(self.blink)
        self.strip.chosen.connect(scene.go_to)
        self.wait.retry_asked.connect(self._retry)
        for plane in self.planes.values():
            plane.looked.connect(lambda look: setattr(scene, "look", look))
            plane.scrolled.connect(scene.step)
            plane.hovered.connect(lambda at, p=plane: self._on_hover(p, at))
            plane.window_drag_began.connect(scene.start_window_drag)
            plane.window_dragged.connect(scene.drag_window)
        self._ties = ties = Subscriptions(self)
        ties.add(scene.changed, self._on_changed)
        ties.add(scene.look_changed, self._on_look)
        ties.add(scene.entered, self._on_entered)
        ties.add(review.moved, lambda _index: self._follow())
        ties.add(review.prepared, lambda _index: self._follow())
        ties.add(review.failed, lambda _index, _error: self._on_entered())
        ties.add(review.reviewed_changed, lambda _found: self.bar.refresh())
        ties.add(review.activity_changed, lambda _activity: self._say())

    def _retry(self) -> None:
        self.review.retry()
        self._on_entered()

    def _follow(self) -> None:
        self.scene.enter()
        self.bar.refresh()
        self._say()

    def _on_entered(self) -> None:
        self._blink.stop()
        for plane in self.planes.values():
            plane.set_crosshair(None)
        self._say()
        self.legend.show_reference(self.review.case.is_correction)
        self.bar.refresh()
        self._on_look()
        self._redraw.ask()

    def _on_changed(self) -> None:
        self.bar.refresh()
        self.strip.refresh()
        self._redraw.ask()

    def _on_look(self) -> None:
        for plane in self.planes.values():
            plane.look_at(self.scene.look)

    def _on_hover(self, source: EffectPlane, at: tuple[float, float] | None) -> None:
        for plane in self.planes.values():
            plane.set_crosshair(None if plane is source else at)

    def _draw(self) -> None:
        scene = self.scene
        picture = scene.picture
        if picture is None:
            return
        geometry = picture.study.image.geometry
        letters = edge_letters(geometry, Plane.AXIAL)
        for overlay, plane in self.planes.items():
            shown = scene.overlay if plane is self.difference else overlay
            plane.show_picture(scene.plane(shown), scene.spacing)
            title, note = self._title(shown, large=plane is self.difference)
            bar = geometry.spacing_mm is not None
            plane.set_texts(PlaneTexts(title, note, letters=letters, bar=bar))
        self.strip.refresh()
        self.review.note_look(scene.index)

    def _title(self, overlay: Overlay, *, large: bool) -> tuple[str, str]:
        scene, picture = self.scene, self.scene.picture
        assert picture is not None
        words = {
            Overlay.DIFFERENCE: self.tr("Difference"),
            Overlay.CURRENT: self.tr("In use"),
            Overlay.CANDIDATE: self.tr("New"),
        }
        if large:
            where = self.tr("slice {i}/{n}").format(i=scene.slice_index + 1, n=scene.count)
            return f"{words[overlay]}  {where}", str(scene.modality)
        bundle = self.review.current if overlay is Overlay.CURRENT else self.review.candidate
        figures, old = picture.figures, overlay is Overlay.CURRENT
        if figures.has_lesion:
            text = dsc(figures.current_dsc if old else figures.candidate_dsc)
            title = self.tr("{which}  DSC {dsc}").format(which=words[overlay], dsc=text)
        else:
            text = voxels(figures.current_vox if old else figures.candidate_vox)
            title = self.tr("{which}  {n} vox").format(which=words[overlay], n=text)
        return title, bundle.version

    def _say(self) -> None:
        """Tell in place of the pictures what they wait for, or why there are none."""
        self.bar.show_activity()
        self.wait.refresh()
        self._stack.setCurrentIndex(_WORDS if self.scene.picture is None else _PICTURES)
