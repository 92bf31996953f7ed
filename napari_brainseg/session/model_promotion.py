"""The rule of promotion: a gate that was passed, or a reason that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.session.model_history import (
    GateLike,
    note_act,
    read_history,
    used_versions,
)
from napari_brainseg.session.model_log import gates_of
from napari_brainseg.session.model_stock import deleted_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["ReasonNeededError", "take_into_use"]

PASSED: Final = "passed"
"""Value of `GateOutcome.PASSED`."""


class ReasonNeededError(ModelError):
    """A version has passed no gate against the one in use: a person must say why all the same."""


def take_into_use(
    connection: Connection,
    version: str,
    bundled: Sequence[str],
    *,
    editor: str,
    reason: str,
    gate: GateLike | None,
) -> None:
    """Note a promotion, if it may be; see `ModelRegistry.promote`.

    Parameters
    ----------
    connection : Connection
        Of one writing transaction: what is in use cannot change between look and act.
    version : str
        Its files are sound.
    bundled : sequence of str
        Versions of the package, the default one first.
    editor, reason : str
    gate : GateLike or None

    Raises
    ------
    ReasonNeededError
        If there is neither a passed gate nor a reason.
    ModelError
        If it was deleted meanwhile.
    """
    history = read_history(connection, bundled[0])
    current = used_versions(history, bundled[0])[-1]
    if version in deleted_names(connection):
        raise ModelError(f"The model {version} was deleted meanwhile.", "Choose another version.")
    if version == current:
        return
    found = _gate(connection, version, current, gate)
    passed = found is not None and found.outcome == PASSED
    if not passed and not reason.strip():
        raise _reason_needed(version, current, found)
    leads_back = version in bundled or any(act.version == version for act in history)
    note_act(
        connection,
        "promote",
        version,
        editor=editor,
        reason=reason,
        gate_id=None if found is None else found.id,
        overrode=not passed and (found is not None or not leads_back),
    )


def _gate(
    connection: Connection, version: str, current: str, given: GateLike | None
) -> GateLike | None:
    """Return the gate of `version` against `current`: the one given, else the latest kept."""
    if given is not None:
        # One against a model that is not in use any more proves nothing.
        return given if (given.candidate, given.current) == (version, current) else None
    found = gates_of(connection, current=current, candidate=version)
    return found[-1] if found else None


def _reason_needed(version: str, current: str, gate: GateLike | None) -> ReasonNeededError:
    if gate is None:
        what = f"No gate has compared {version} with {current}, the model in use."
    elif gate.outcome == "failed":
        what = f"{version} failed the gate against {current}, the model in use."
    else:
        what = f"The gate of {version} against {current}, the model in use, says: {gate.outcome}."
    return ReasonNeededError(what, "Measure it first, or give a reason: it is kept with your name.")
