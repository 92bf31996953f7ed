"""Commands a trainer reads from its standard input, one JSON line each.

End of input means the same as `Stop`: finish the step, checkpoint, leave.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Stop"]


class Stop(BaseModel):
    """Finish the step, write a checkpoint, end the run as cancelled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["stop"] = "stop"
