"""Workspaces of a session with what is open in them, and the name of the editor.

Thread-safety: every method may be called from any thread; signals are emitted in the calling one.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.session.workspace import WORKSPACE_VARIABLE, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.dataset.locked import LockedSet
    from napari_brainseg.core.formats import Discovery
    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.backup_keeper import BackupKeeper
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.gates import Gates
    from napari_brainseg.session.locked_patients import LockedPatients
    from napari_brainseg.session.model_registry import ModelRegistry
    from napari_brainseg.session.prediction_store import PredictionStore

__all__ = ["Shelf"]


class Shelf:
    """The workspace in use, its catalogue and its models; opened when first asked for.

    Parameters
    ----------
    workspace : Workspace, optional
        In use for all studies; by default each study root has its own.
    bundled : callable, optional
        Gives the bundles that ship with the package.
    """

    models_changed = Signal()
    """Versions, their figures, the one in use, or the workspace changed."""
    editor_changed = Signal(str)
    """The new name of the editor."""
    locked_changed = Signal()
    """There is another set of locked patients."""
    fault = Signal(object)
    """`BrainSegError` that was not asked for: a backup was opened in place of a catalogue."""

    def __init__(
        self,
        workspace: Workspace | None = None,
        *,
        bundled: Callable[[], tuple[Bundle, ...]] | None = None,
    ) -> None:
        self._given = workspace
        self._workspace = workspace
        self._find_bundled = bundled
        self._lock = threading.RLock()
        self._catalogues: dict[Path, Catalogue] = {}
        self._keepers: dict[Path, BackupKeeper] = {}
        self._notice: BrainSegError | None = None
        self._untold = False
        self._registries: dict[Path, ModelRegistry] = {}
        self._stores: dict[Path, PredictionStore] = {}
        self._gates: dict[Path, Gates] = {}
        self._locked: dict[Path, LockedPatients] = {}

    @property
    def workspace(self) -> Workspace:
        """Workspace in use; its folders exist."""
        with self._lock:
            if self._workspace is None:
                self._workspace = Workspace.default()
            return self._workspace.create()

    @property
    def catalogue(self) -> Catalogue:
        """Catalogue of the workspace in use."""
        with self._lock:
            catalogue = self._catalogue_of(self.workspace)
            notice = self._notice if self._untold else None
            self._untold = False
        if notice is not None:
            self.fault.emit(notice)
        return catalogue

    @property
    def notice(self) -> BrainSegError | None:
        """The latest word that a backup was opened in place of a catalogue; opens nothing."""
        return self._notice

    def back_up(self) -> None:
        """Have the catalogue in use backed up soon, if it changed; does not wait.

        Done by itself on opening and every ten minutes; called after a sign-off.
        """
        with self._lock:
            keeper = None if self._workspace is None else self._keepers.get(self._workspace.root)
        if keeper is not None:
            keeper.back_up()

    @property
    def registry(self) -> ModelRegistry:
        """Model versions of the workspace in use."""
        from napari_brainseg.session.model_registry import ModelRegistry

        with self._lock:
            workspace = self.workspace
            if workspace.root not in self._registries:
                registry = ModelRegistry(workspace, self.catalogue, bundled=self._find_bundled)
                registry.changed.connect(self._on_models_changed)
                self._registries[workspace.root] = registry
            return self._registries[workspace.root]

    @property
    def gates(self) -> Gates:
        """What candidates of the workspace in use were measured with."""
        from napari_brainseg.session.gates import Gates

        with self._lock:
            workspace = self.workspace
            if workspace.root not in self._gates:
                locked = self.locked
                gates = Gates(self.catalogue, locked_digest=lambda: _digest_of(locked.current()))
                gates.changed.connect(self._on_models_changed)
                self._gates[workspace.root] = gates
            return self._gates[workspace.root]

    @property
    def locked(self) -> LockedPatients:
        """Locked patients of the workspace in use."""
        from napari_brainseg.session.fine_tuning import base_of
        from napari_brainseg.session.locked_patients import LockedPatients

        with self._lock:
            workspace = self.workspace
            if workspace.root not in self._locked:
                registry = self.registry
                locked = LockedPatients(
                    workspace,
                    self.catalogue,
                    models=lambda: (base_of(registry), registry.current),
                )
                locked.changed.connect(self._on_locked_changed)
                self._locked[workspace.root] = locked
            return self._locked[workspace.root]

    @property
    def store(self) -> PredictionStore:
        """Predictions kept in the workspace in use."""
        from napari_brainseg.session.prediction_store import PredictionStore

        with self._lock:
            workspace = self.workspace
            if workspace.root not in self._stores:
                self._stores[workspace.root] = PredictionStore(workspace, self.catalogue)
            return self._stores[workspace.root]

    @property
    def editor(self) -> str | None:
        """Name of the person who corrects, `None` until it was asked for."""
        name = self.catalogue.editor
        if name is None and (user := self._user_catalogue()) is not None:
            name = user.editor
        return name

    @editor.setter
    def editor(self, name: str) -> None:
        self.catalogue.editor = name
        if (user := self._user_catalogue()) is not None:
            user.editor = name
        self.editor_changed.emit(name.strip())

    def enter(self, found: Discovery) -> None:
        """Move to the workspace of the studies found.

        A patient opened alone and the folder it lies in share one workspace.

        Raises
        ------
        ConfigError
            If the workspace would lie inside the studies.
        DataError
            If an export that was cut off cannot be tidied up.
        """
        from napari_brainseg.core.dataset.layout import recover

        parents = {folder.path.parent for folder in found.folders}
        root = parents.pop() if len(parents) == 1 else found.root
        workspace = self._given
        if workspace is None:
            workspace = Workspace.for_studies(root, original=found.root)
        else:
            workspace.refuse_inside(found.root)
        with self._lock:
            moved, self._workspace = workspace != self._workspace, workspace
            recover(self.workspace.training_set)
        if moved:
            self.models_changed.emit()

    def close(self) -> None:
        """Close the catalogues; a backup that is being made is given up."""
        with self._lock:
            keepers = tuple(self._keepers.values())
        for keeper in keepers:
            keeper.close()
        with self._lock:
            for catalogue in self._catalogues.values():
                catalogue.close()

    def _catalogue_of(self, workspace: Workspace) -> Catalogue:
        # SQLAlchemy takes a fifth of a second to import: not before something is kept.
        from napari_brainseg.session.backup_keeper import BackupKeeper
        from napari_brainseg.session.catalogue import Catalogue

        if workspace.root not in self._catalogues:
            catalogue = Catalogue(workspace.create().catalogue)
            self._catalogues[workspace.root] = catalogue
            self._keepers[workspace.root] = keeper = BackupKeeper(catalogue)
            keeper.back_up()
            if catalogue.notice is not None:
                self._notice, self._untold = catalogue.notice, True
        return self._catalogues[workspace.root]

    def _user_catalogue(self) -> Catalogue | None:
        """Where the editor's name is kept for all study roots of this user."""
        if self._given is not None or os.environ.get(WORKSPACE_VARIABLE):
            return None
        with self._lock:
            return self._catalogue_of(Workspace.default())

    def _on_models_changed(self) -> None:
        self.models_changed.emit()

    def _on_locked_changed(self) -> None:
        self.locked_changed.emit()


def _digest_of(locked: LockedSet | None) -> str | None:
    return None if locked is None else locked.digest
