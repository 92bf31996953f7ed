"""Where the runs of a machine line up: one trains, the others wait in the order they came."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_brainseg.core.protocol.process_mark import lives

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["QUEUE_VARIABLE", "Ticket", "queue_folder", "read_tickets", "ticket_path"]

QUEUE_VARIABLE = "BRAINSEG_QUEUE"
"""Environment variable that names another folder for the queue."""

_SUFFIX = ".ticket"


class Ticket(BaseModel):
    """A run that waits or trains.

    Parameters
    ----------
    number : int
        The lower one came first.
    pid : int
        Its process.
    mark : float or None
        See `process_mark.mark_of`.
    run_dir : str
        Its folder.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    pid: int
    mark: float | None
    run_dir: str

    @property
    def is_valid(self) -> bool:
        """Whether its process still runs."""
        return lives(self.pid, self.mark)


def queue_folder() -> Path:
    """Folder of the tickets, for all workspaces of a user; not made here."""
    given = os.environ.get(QUEUE_VARIABLE)
    if given:
        return Path(given).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-brainseg", appauthor=False)) / "queue"


def ticket_path(folder: Path, number: int) -> Path:
    """File of a ticket."""
    return folder / f"{number:012d}{_SUFFIX}"


def read_tickets(folder: Path) -> Iterator[tuple[Path, Ticket | None]]:
    """Yield each ticket's file in the order they were taken, `None` with one that is damaged."""
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            yield path, Ticket.model_validate_json(path.read_bytes())
        except FileNotFoundError:  # given back meanwhile
            continue
        except (OSError, ValidationError):
            yield path, None
