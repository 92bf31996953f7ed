"""Several runs at a glance: a live table at a terminal, a line for each change in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from training.experiments.standing import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from training.experiments.standing import RunRecord

__all__ = ["FleetLines", "FleetTable", "fleet_view"]

COLOURS = {
    State.RUNNING: "cyan",
    State.COMPLETED: "green",
    State.FAILED: "red",
    State.REFUSED: "red",
    State.BLOCKED: "red",
    State.STOPPED: "yellow",
    State.WAITING: "dim",
}
ORDER = (
    State.RUNNING, State.FAILED, State.REFUSED, State.BLOCKED, State.STOPPED, State.WAITING,
    State.COMPLETED,
)  # fmt: skip


class FleetLines:
    """One plain line for each change."""

    def __enter__(self) -> FleetLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def changed(self, record: RunRecord) -> None:
        """Show a run's new state."""
        self.say(f"{record.name}: {record.state.value}", record.message)

    def epoch(self, record: RunRecord) -> None:
        """Show that a run finished an epoch."""
        dsc = _figure(record.validation_dsc)
        self.say(
            f"{record.name}: epoch {record.epoch} of {record.epochs}, validation DSC {dsc}",
            f"{_left(record)} left" if record.remaining_s is not None else "",
        )

    def say(self, *parts: str) -> None:
        """Show a line of text."""
        sys.stdout.write(", ".join(part for part in parts if part) + "\n")
        sys.stdout.flush()

    def refresh(self, records: Sequence[RunRecord]) -> None:
        """Nothing stands still here."""


class FleetTable(FleetLines):
    """A table that is drawn anew about twice a second.

    Where the terminal is too low for all runs, those that go on or went wrong come first.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to draw; stdout if left out.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._live: Live
        self._records: Sequence[RunRecord] = ()

    def __enter__(self) -> FleetTable:
        from rich.live import Live

        self._live = Live(console=self._console, refresh_per_second=2)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.update(_table(self._records, self._records))
        self._live.stop()

    def changed(self, record: RunRecord) -> None:
        """Nothing: the table shows it."""

    def epoch(self, record: RunRecord) -> None:
        """Nothing: the table shows it."""

    def say(self, *parts: str) -> None:
        """Show a line above the table."""
        self._live.console.print(", ".join(part for part in parts if part), markup=False)

    def refresh(self, records: Sequence[RunRecord]) -> None:
        """Draw the table."""
        self._records = records
        room = max(3, self._live.console.size.height - 4)
        urgent = sorted(records, key=lambda r: ORDER.index(r.state))[:room]
        shown = {r.name for r in urgent}
        self._live.update(_table(records, [r for r in records if r.name in shown]))


def fleet_view() -> FleetLines:
    """Choose by whether stdout is a terminal."""
    return FleetTable() if sys.stdout.isatty() else FleetLines()


def _table(records: Sequence[RunRecord], shown: Sequence[RunRecord]) -> Table:
    from rich.table import Table

    count = {state: sum(r.state is state for r in records) for state in State}
    told = ", ".join(f"{n} {state.value}" for state, n in count.items() if n)
    table = Table(caption=told, box=None, padding=(0, 2, 0, 0))
    table.add_column("run")
    table.add_column("state")
    for name in ("epoch", "validation DSC", "best", "time left"):
        table.add_column(name, justify="right")
    for record in shown:
        table.add_row(
            record.name,
            f"[{COLOURS[record.state]}]{record.state.value}[/]",
            f"{record.epoch}/{record.epochs}" if record.epochs else "",
            _figure(record.validation_dsc),
            _figure(record.best_validation_dsc),
            _left(record) if record.state is State.RUNNING else "",
        )
    return table


def _figure(dsc: float | None) -> str:
    return "-" if dsc is None else f"{dsc:.4f}"


def _left(record: RunRecord) -> str:
    if record.remaining_s is None:
        return ""
    minutes, seconds = divmod(round(record.remaining_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
