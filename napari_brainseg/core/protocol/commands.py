"""Commands to a trainer, one JSON line each: on its standard input, or in its run folder.

The end of standard input means the same as `Stop`: finish the step, checkpoint, leave; unless the
run was told to `Detach` before. A run always follows ``commands.jsonl`` of its folder too, so that
another window finds it and steers it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = ["Command", "Continue", "Detach", "GiveWay", "Pause", "Stop", "parse_command"]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stop(_Command):
    """Finish the step, write a checkpoint, end the run as cancelled."""

    kind: Literal["stop"] = "stop"


class Pause(_Command):
    """Finish the step, write a checkpoint, rest until `Continue` or `Stop`."""

    kind: Literal["pause"] = "pause"


class Continue(_Command):
    """End a pause, and a `GiveWay` before its time."""

    kind: Literal["continue"] = "continue"
    what: Literal["everything", "prediction"] = "everything"
    """``prediction`` ends a `GiveWay` only: a pause that a person asked for stays."""


class GiveWay(_Command):
    """Rest after the step at hand for a prediction of the viewer; go on by itself in time."""

    kind: Literal["give-way"] = "give-way"
    seconds: float = Field(default=60.0, gt=0)
    """At most; the viewer may have died meanwhile."""


class Detach(_Command):
    """Go on without the window: the end of standard input is no stop any more."""

    kind: Literal["detach"] = "detach"


Command = Annotated[Stop | Pause | Continue | GiveWay | Detach, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[Command] = TypeAdapter(Command)


def parse_command(line: str | bytes) -> Command:
    """Read one JSON line.

    Raises
    ------
    pydantic.ValidationError
        If the line is no command.
    """
    return _ADAPTER.validate_json(line)
