"""Fine-tuning, driven from outside: preflight, run, gate, effect review, promotion, roll-back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.widgets.dock import MODELS
from napari_brainseg.widgets.hands import Hands, TourError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.session.trainer_process import RunOutcome
    from napari_brainseg.widgets.dock import BrainSegDock

__all__ = ["fine_tune"]

_PATIENCE_S = 60.0
_RUN_S = 600.0
_REASON = "The demo takes the new version into use to show the way back."


def fine_tune(
    hands: Hands, dock: BrainSegDock, show: Callable[[str, str, str], None]
) -> dict[str, object]:
    """Train on what was signed off, and decide about what came of it.

    Parameters
    ----------
    hands : Hands
        The user's.
    dock : BrainSegDock
        Of a window with a correction that was signed off.
    show : callable
        Gets name, title and text of each step, and takes its picture.

    Returns
    -------
    dict
        Verdict of the gate, and the versions.

    Raises
    ------
    TourError
        If a step did not do what it says.
    """
    outcomes: list[RunOutcome] = []
    epochs: list[object] = []
    desk = dock.workbench.desk
    desk.training_finished.connect(outcomes.append)
    desk.training_event.connect(epochs.append)
    try:
        _start(hands, dock, show)
        hands.wait_for(
            lambda: any(getattr(e, "kind", "") == "epoch" for e in epochs) or bool(outcomes),
            _RUN_S,
            "the first epoch",
        )
        show("training", "Fine-tune", "The trainer runs in its own process; live curves.")
        hands.wait_for(lambda: bool(outcomes), _RUN_S, "the end of the run")
    finally:
        desk.training_finished.disconnect(outcomes.append)
        desk.training_event.disconnect(epochs.append)
    outcome = outcomes[0]
    if outcome.reason.value != "completed":
        raise TourError(f"The run ended as {outcome.reason.value}: {outcome.message}")
    return _decide(hands, dock, show)


def _start(hands: Hands, dock: BrainSegDock, show: Callable[[str, str, str], None]) -> None:
    dock.tabs.setCurrentIndex(MODELS)
    idle = dock.training.idle
    hands.wait_for(lambda: idle.outlook.checked, _PATIENCE_S, "the preflight")
    idle.settings.length.setCurrentIndex(idle.settings.length.findData("quick"))

    def may_start() -> bool:
        # Another warning may come with the settings; the tick is for those that were read.
        tick = idle.preflight.anyway
        if tick.isVisible() and not tick.isChecked():
            hands.click(tick)
        return bool(idle.train_button.isEnabled())

    hands.wait_for(may_start, _PATIENCE_S, "the run to be possible")
    show(
        "preflight",
        "Preflight",
        "What would go wrong is said before anything starts; a single correction is few, and a "
        "person goes on knowingly.",
    )
    hands.click(idle.train_button)


def _decide(
    hands: Hands, dock: BrainSegDock, show: Callable[[str, str, str], None]
) -> dict[str, object]:
    desk, models = dock.workbench.desk, dock.models
    hands.wait_for(lambda: models.candidate is not None, _PATIENCE_S, "the new version")
    new = models.candidate
    assert new is not None
    hands.wait_for(
        lambda: models.selected is not None and models.selected.version == new.version,
        _PATIENCE_S,
        "the new version to be selected",
    )
    hands.wait_for(lambda: models.gate.record is not None, _PATIENCE_S, "the gate's verdict")
    record = models.gate.record
    assert record is not None
    outcome = str(record.outcome)
    show("gate", "Gate", f"The gate says: {outcome}. Its reasons and its figures stand below.")

    hands.click(models.gate.review_button)
    hands.wait_for(lambda: dock.cover.view is not None, _PATIENCE_S, "the effect review")
    view = dock.cover.view
    assert view is not None
    review = view.review
    hands.wait_for(lambda: review.picture is not None, _PATIENCE_S, "old and new masks")
    hands.rest(0.5)
    show("effect", "Review the effect", "What the new version would change, patient by patient.")
    hands.click(dock.effect.done_button)
    hands.wait_for(lambda: dock.cover.view is None, _PATIENCE_S, "the end of the review")

    hands.click(models.use_button)
    if outcome != "passed":
        field = models.bar.reason_field
        hands.wait_for(field.isVisible, _PATIENCE_S, "the question for a reason")
        hands.type(field.text, _REASON)
    hands.wait_for(
        lambda: desk.registry.current_version == new.version, _PATIENCE_S, "the new version in use"
    )
    hands.wait_for(models.back_button.isVisible, _PATIENCE_S, "the way back")
    dock.show_versions()
    hands.rest(0.3)
    show("in-use", "Take into use", "The new version is in use; its reason is on record.")
    versions = [
        {"version": v.version, "in use": v.is_current, "outcome": v.outcome or ""}
        for v in desk.registry.versions()
    ]
    hands.click(models.back_button)
    hands.wait_for(
        lambda: desk.registry.current_version != new.version, _PATIENCE_S, "the roll-back"
    )
    locked = desk.locked.current()
    return {
        "gate": outcome,
        "locked_patients": 0 if locked is None else len(locked.patients),
        "versions": versions,
    }
