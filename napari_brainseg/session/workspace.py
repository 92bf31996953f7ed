"""Where the state of a study root lies on disk: beside the original data, never inside it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_brainseg.core.imaging import ConfigError

__all__ = ["WORKSPACE_VARIABLE", "Workspace"]

WORKSPACE_VARIABLE = "BRAINSEG_WORKSPACE"
"""Environment variable that names one workspace for every study root."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Folders of one workspace.

    Parameters
    ----------
    root : Path
        Folder that holds everything; made by `create`.
    """

    root: Path

    @classmethod
    def for_studies(cls, study_root: Path, *, original: Path | None = None) -> Workspace:
        """Workspace of a folder of patients.

        Parameters
        ----------
        study_root : Path
            Folder of patients. The same folder always gives the same workspace.
        original : Path, optional
            Folder that nothing may be written to, e.g. that of a single patient in
            `study_root`; `study_root` itself if left out.

        Returns
        -------
        Workspace
            The folder named by ``BRAINSEG_WORKSPACE``, else one in the user's data folder.

        Raises
        ------
        ConfigError
            If the workspace would lie inside the study root, where original data is kept.
        """
        resolved = study_root.resolve()
        untouched = (original or study_root).resolve()
        override = os.environ.get(WORKSPACE_VARIABLE)
        if override:
            workspace = cls(Path(override).expanduser().resolve())
            workspace.refuse_inside(untouched)
            return workspace
        digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:10]
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", resolved.name) or "root"
        workspace = cls(_user_folder() / f"{name}-{digest}")
        # The user's data folder lies in the home folder, which may well hold patients too.
        if not Path.home().is_relative_to(untouched):
            workspace.refuse_inside(untouched)
        return workspace

    @classmethod
    def default(cls) -> Workspace:
        """Workspace in use before any study is open."""
        override = os.environ.get(WORKSPACE_VARIABLE)
        return cls(
            Path(override).expanduser().resolve() if override else _user_folder() / "default"
        )

    def refuse_inside(self, study_root: Path) -> None:
        """Raise `ConfigError` if this workspace lies inside a folder of original data."""
        if self.root.resolve().is_relative_to(study_root.resolve()):
            raise ConfigError(
                f"The workspace {self.root} lies inside the study folder {study_root}.",
                "Original data is never written to: choose a workspace folder beside it"
                f" (environment variable {WORKSPACE_VARIABLE}).",
            )

    def create(self) -> Workspace:
        """Make the folders that are missing; return self.

        Raises
        ------
        ConfigError
            If a folder cannot be made.
        """
        try:
            for folder in (self.root, self.training_set, self.models, self.runs, self.cache):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"Cannot make the workspace {self.root}: {error.strerror}.",
                f"Set {WORKSPACE_VARIABLE} to a folder you may write to.",
            ) from error
        return self

    @property
    def catalogue(self) -> Path:
        """SQLite file with cases, strokes, versions and runs."""
        return self.root / "catalogue.sqlite"

    @property
    def backups(self) -> Path:
        """Copies of the catalogue, made while it is in use."""
        return self.root / "backups"

    @property
    def training_set(self) -> Path:
        """Exported corrections in kaggle_3m layout, with manifest and frozen split."""
        return self.root / "training_set"

    @property
    def splits(self) -> Path:
        """The frozen split that earlier versions drew; `locked` took its place."""
        return self.training_set / "splits.json"

    @property
    def locked(self) -> Path:
        """The locked patients of this workspace; see `core.dataset.locked`."""
        return self.training_set / "locked.json"

    @property
    def models(self) -> Path:
        """Bundles fine-tuned here, one folder a version."""
        return self.root / "models"

    @property
    def runs(self) -> Path:
        """Run folders of the trainer."""
        return self.root / "runs"

    @property
    def cache(self) -> Path:
        """Files that may be deleted at any time."""
        return self.root / "cache"


def _user_folder() -> Path:
    return Path(platformdirs.user_data_dir("napari-brainseg", appauthor=False)) / "workspaces"
