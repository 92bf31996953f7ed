"""Who took which version into use, when and why; which one is in use follows from it alone.

The current version is no field that could be lost or doubled: it is what the rows of promotions
lead to, and each act is one row. So whenever a process dies, exactly one version is in use.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from sqlalchemy import insert, select

from napari_brainseg.session import tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

__all__ = ["GateLike", "Promotion", "note_act", "read_history", "used_versions", "way_back"]


class GateLike(Protocol):
    """What a promotion needs to know of a `GateRecord`."""

    @property
    def id(self) -> int:
        """Number of the record."""

    @property
    def candidate(self) -> str:
        """Version that was measured."""

    @property
    def current(self) -> str:
        """Version it was measured against."""

    @property
    def outcome(self) -> str:
        """``passed``, ``failed`` or ``not enough evidence``."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """One act: a version was taken into use.

    Parameters
    ----------
    id : int
        Number of the act, rising.
    act : {"promote", "rollback"}
        Whether it was chosen, or was in use before.
    version : str
        In use from then on.
    before : str
        In use until then.
    editor, reason : str
        Who, and why.
    created : float
        When, Unix seconds.
    gate_id : int or None
        Record of the gate it stands on.
    overrode : bool
        Taken into use without a gate that was passed; `reason` says why.
    """

    id: int
    act: Literal["promote", "rollback"]
    version: str
    before: str
    editor: str
    reason: str
    created: float
    gate_id: int | None
    overrode: bool


def note_act(
    connection: Connection,
    act: Literal["promote", "rollback"],
    version: str,
    *,
    editor: str,
    reason: str,
    gate_id: int | None = None,
    overrode: bool = False,
) -> None:
    """Keep who took which version into use, and why; part of the caller's transaction."""
    connection.execute(
        insert(tables.promotions).values(
            act=act,
            version=version,
            editor=editor.strip(),
            reason=reason.strip(),
            created=time.time(),
            gate_id=gate_id,
            overrode=overrode,
        )
    )


def read_history(connection: Connection, first: str) -> tuple[Promotion, ...]:
    """Read all acts, the oldest first.

    Parameters
    ----------
    connection : Connection
    first : str
        Version in use before any of them.
    """
    columns = tables.promotions.c
    rows = connection.execute(
        select(
            columns.id,
            columns.act,
            columns.version,
            columns.editor,
            columns.reason,
            columns.created,
            columns.gate_id,
            columns.overrode,
        ).order_by(columns.id)
    ).all()
    history: list[Promotion] = []
    stack = [first]
    for row in rows:
        before = stack[-1]
        _follow(stack, row.act, row.version)
        history.append(
            Promotion(
                id=row.id,
                act=row.act,
                version=row.version,
                before=before,
                editor=row.editor,
                reason=row.reason,
                created=row.created,
                gate_id=row.gate_id,
                overrode=bool(row.overrode),
            )
        )
    return tuple(history)


def used_versions(history: Iterable[Promotion], first: str) -> list[str]:
    """List the versions on the way to the current one, which is the last; never empty.

    Parameters
    ----------
    history : iterable of Promotion
        The oldest first.
    first : str
        Version in use before any promotion.
    """
    stack = [first]
    for promotion in history:
        _follow(stack, promotion.act, promotion.version)
    return stack


def way_back(stack: list[str], gone: Collection[str]) -> str | None:
    """Return the version that a rollback takes into use again; `None` if there is none.

    Parameters
    ----------
    stack : list of str
        As from `used_versions`.
    gone : collection of str
        Deleted versions, which are passed over.
    """
    back = (v for v in reversed(stack[:-1]) if v != stack[-1] and v not in gone)
    return next(back, None)


def _follow(stack: list[str], act: str, version: str) -> None:
    """Take one act: a rollback goes back to where its version was in use last."""
    if act == "rollback" and version in stack[:-1]:
        stack.pop()
        while stack[-1] != version:
            stack.pop()
    elif stack[-1] != version:
        stack.append(version)
