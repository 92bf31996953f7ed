"""A model version as lists, the tree and the command line show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["DeletedVersion", "ModelVersion"]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version as the Models panel lists it.

    Parameters
    ----------
    version, name : str
        Unique version and the name shown to users.
    path : Path
        Folder of the bundle.
    is_bundled : bool
        Shipped with the package rather than fine-tuned here.
    is_current : bool
        In use for predictions.
    parent : str or None
        Version it was fine-tuned from.
    dsc : float or None
        Mean DSC that its own run measured on its own validation patients.
    workspace_dsc : float or None
        Mean DSC on the workspace's frozen split, comparable between versions.
    workspace_patients : int
        How many patients that split has; 0 where it was not measured.
    created : str
        UTC, ISO 8601.
    fault : str
        Why the bundle cannot be used; empty if it can.
    origin : {"bundled", "run", "import", ""}
        Where it comes from; empty where the catalogue does not know it.
    run_id : str or None
        Run that made it.
    outcome : str or None
        Of the latest gate against the version in use: "passed", "failed" or "not enough
        evidence"; `None` if it was never measured against it.
    promoted_by : str or None
        Who took it into use last.
    promoted_at : float or None
        When, Unix seconds.
    metrics : mapping of str to float
        Figures of its own run.
    config : mapping of str to Any
        Settings of the run.
    data_sha256 : str or None
        Hash of the data it was trained on.
    children : tuple of str
        Versions here that were fine-tuned from it.
    """

    version: str
    name: str
    path: Path
    is_bundled: bool
    is_current: bool
    parent: str | None
    dsc: float | None
    workspace_dsc: float | None
    workspace_patients: int
    created: str
    fault: str = ""
    origin: str = ""
    run_id: str | None = None
    outcome: str | None = None
    promoted_by: str | None = None
    promoted_at: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    data_sha256: str | None = None
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeletedVersion:
    """A version that was deleted; its row stays for the history.

    Parameters
    ----------
    version, name : str
        As it was listed.
    parent : str or None
        Version it was fine-tuned from.
    deleted : float
        When, Unix seconds.
    deleted_by : str
        Who did it.
    path : Path or None
        Where its files are kept; `None` once the bin was emptied.
    """

    version: str
    name: str
    parent: str | None
    deleted: float
    deleted_by: str
    path: Path | None
