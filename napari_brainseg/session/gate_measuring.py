"""Measure a version against the one in use outside a run: imported, or after another promotion.

Thread-safety: `measure` blocks for as long as the patients take, so it belongs in a worker;
`cancel` may be called from any thread.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import DataError, ModelError
from napari_brainseg.session.trainer_command import TrainerCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.session.gates import GateRecord
    from napari_brainseg.session.shelf import Shelf

__all__ = ["FOLDS", "GateMeasuring"]

FOLDS = "folds/evidence.json"
"""In the run folder: what inner folds measured of the corrections."""


class GateMeasuring:
    """The gate as a use case of the window, one at a time.

    Parameters
    ----------
    shelf : Shelf
        Workspace, models, gates.
    command : sequence of str, optional
        Start of the trainer's command line.
    """

    def __init__(self, shelf: Shelf, *, command: Sequence[str] | None = None) -> None:
        self._shelf = shelf
        self._command = command
        self._lock = threading.Lock()
        self._running: TrainerCommand | None = None

    def measure(self, version: str, roots: Sequence[Path] = ()) -> GateRecord:
        """Measure a version against the one in use, and keep what was found.

        Parameters
        ----------
        version : str
            Candidate.
        roots : sequence of Path
            Folders of patients in which locked patients may be found too.

        Raises
        ------
        DataError
            If no patients are locked, another gate is being measured, or the result cannot be
            read or kept.
        ModelError
            If the version is in use, unknown or damaged.
        ConfigError
            If the trainer fails.
        CancelledError
            If `cancel` was called.
        """
        from napari_brainseg.core.segmentation.gate import load_evidence

        shelf, registry = self._shelf, self._shelf.registry
        workspace, current = shelf.workspace, registry.current
        if version == current.version:
            raise ModelError(
                f"The model {version} is in use; there is nothing to measure it against.",
                "Choose another version.",
            )
        if shelf.locked.current() is None:
            raise DataError(
                f"No patients are locked in {workspace.root}.",
                "Lock some first: without them there is no evidence.",
            )
        candidate = registry.load(version)
        listed = next((v for v in registry.versions() if v.version == version), None)
        with tempfile.TemporaryDirectory(prefix="brainseg-gate-") as scratch:
            out = Path(scratch) / "gate.json"
            words = ["gate", "--candidate", str(candidate.path), "--current", str(current.path)]
            words += ["--locked", str(workspace.locked), "--out", str(out)]
            words += ["--cache", str(workspace.cache)]
            if roots:
                words += ["--data", *(str(root) for root in roots)]
            run_id = None if listed is None else listed.run_id
            folds = None if run_id is None else workspace.runs / run_id / FOLDS
            if folds is not None and folds.is_file():
                words += ["--folds", str(folds), "--corrections", str(workspace.training_set)]
            self._run(words)
            return shelf.gates.record(load_evidence(out), run_id)

    def cancel(self) -> None:
        """Call off what is being measured."""
        running = self._running
        if running is not None:
            running.cancel()

    def _run(self, words: list[str]) -> None:
        child = TrainerCommand(words, what="The gate could not be measured", command=self._command)
        if not self._lock.acquire(blocking=False):
            raise DataError("Another version is being measured.", "Wait for it, or stop it.")
        try:
            self._running = child
            child.run()
        finally:
            self._running = None
            self._lock.release()
