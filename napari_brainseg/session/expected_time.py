"""How long a run takes and how much memory: a step of it, measured in a process of its own.

The child is the trainer's ``measure-step``: it prepares the data as the run would, makes a few
steps and says what they took, as one JSON line. It can be called off at any moment.

Thread-safety: `measure` blocks for seconds, so it belongs in a worker; `cancel` may be called from
any thread.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol.run_folder import CONFIG
from napari_brainseg.session.run_folder import write_config
from napari_brainseg.session.trainer_command import TrainerCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.protocol import RunConfig

__all__ = ["ExpectedTime", "StepMeasurement"]

TIMEOUT_S = 180.0
_WHAT = "The time of a step could not be measured"
_HINT = "The run can start all the same."


class ExpectedTime(BaseModel):
    """What a measured step tells of a run."""

    # A later trainer may say more.
    model_config = ConfigDict(extra="ignore", frozen=True)

    prepare_s: float = Field(ge=0)
    """Seconds until the data was ready."""
    step_s: float = Field(ge=0)
    """Seconds a step."""
    steps: int = Field(ge=0)
    """Of the whole run, its inner folds included."""
    expected_s: float = Field(ge=0)
    """Seconds of the whole run."""
    memory_mb: float = Field(ge=0)
    """Resident, of the trainer's process."""


class StepMeasurement:
    """One measurement; made for one run.

    Parameters
    ----------
    config : RunConfig
        Of the run.
    command : sequence of str, optional
        Start of the command line instead of ``[sys.executable, "-P", "-m", "training"]``.
    """

    def __init__(self, config: RunConfig, *, command: Sequence[str] | None = None) -> None:
        self._config = config
        self._command = command
        self._lock = threading.Lock()
        self._child: TrainerCommand | None = None
        self._is_cancelled = False

    def measure(self, timeout_s: float = TIMEOUT_S) -> ExpectedTime:
        """Run the child and wait for its figures; it is ended when this returns.

        Raises
        ------
        CancelledError
            If `cancel` was called.
        ConfigError
            If the child cannot be started, fails, or needs longer than `timeout_s`.
        """
        with tempfile.TemporaryDirectory(prefix="brainseg-measure-") as scratch:
            write_config(Path(scratch), self._config)
            child = TrainerCommand(
                ["measure-step", "--config", str(Path(scratch) / CONFIG)],
                what=_WHAT,
                hint=_HINT,
                command=self._command,
            )
            with self._lock:
                self._child = child
                if self._is_cancelled:
                    child.cancel()
            lines = child.run(timeout_s).strip().splitlines()
        try:
            return ExpectedTime.model_validate_json(lines[-1] if lines else "")
        except ValidationError as error:
            raise ConfigError(f"{_WHAT}: no figures came.", _HINT) from error

    def cancel(self) -> None:
        """End the child at once, and any that would be started later."""
        with self._lock:
            self._is_cancelled = True
            child = self._child
        if child is not None:
            child.cancel()
