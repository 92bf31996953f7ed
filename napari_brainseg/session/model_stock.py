"""How model versions come into a workspace and leave it: adopted, imported, deleted, brought back.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError, ModelError
from napari_brainseg.session import model_bin, model_log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from sqlalchemy import Connection

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.model_shelf import ModelShelf
    from napari_brainseg.session.model_version import DeletedVersion

__all__ = ["ModelStock", "deleted_names"]


class ModelStock:
    """Folders and rows of versions, kept in step.

    Parameters
    ----------
    shelf : ModelShelf
        The folders.
    catalogue : Catalogue
        The rows.
    represent : callable, optional
        See `ModelRegistry`.
    """

    def __init__(
        self,
        shelf: ModelShelf,
        catalogue: Catalogue,
        represent: Callable[[Path], str] | None = None,
    ) -> None:
        self._shelf = shelf
        self._models = shelf.models
        self._catalogue = catalogue
        self._represent = represent
        self._lock = threading.RLock()
        self._swept = False

    def find(self, version: str) -> Path:
        """Return the folder of a version that is not deleted.

        Raises
        ------
        ModelError
            If there is none.
        """
        with self._catalogue.read() as connection:
            gone = deleted_names(connection)
        return self._shelf.find(version, gone)

    def deleted(self) -> tuple[DeletedVersion, ...]:
        """Versions that were deleted, the oldest first."""
        with self._catalogue.read() as connection:
            notes = model_log.version_notes(connection)
        return model_bin.deleted_versions(self._models, notes)

    def adopt(self, bundle_path: Path, run_id: str | None) -> str:
        """Copy the bundle of a run; returns its version. See `ModelRegistry.adopt`."""
        from napari_brainseg.core.segmentation.bundle import load_bundle

        candidate = load_bundle(bundle_path)
        target = self._models / candidate.version
        with self._lock:
            if not target.exists():
                self._shelf.copy(candidate.path, target)
            self._shelf.open(target)
            # Last: a run whose version is not noted is adopted again by the next window.
            self._note(candidate, target, origin="run", run_id=run_id)
        return candidate.version

    def take_in(self, path: Path) -> str:
        """Judge and take in a model; returns its version. See `ModelRegistry.import_bundle`."""
        from napari_brainseg.session import model_transfer

        with model_transfer.judged(path, self._models) as bundle:
            target = self._models / bundle.version
            known = next((b for b in self._shelf.bundled() if b.version == bundle.version), None)
            if known is None and target.is_dir():
                known = self._shelf.open(target)
            if known is not None and not model_transfer.is_same_model(bundle, known):
                raise ModelError(
                    f"Another model of the version {bundle.version} is here already: the weights "
                    "are the same, but not what belongs to them.",
                    "Ask those who made it which one is right.",
                )
            if known is None:
                model_transfer.put_in_place(
                    bundle,
                    target,
                    self._represent or model_transfer.represent,
                    # First: a folder without a row would not tell that it came from elsewhere.
                    before=lambda: self._note(bundle, target, origin="import"),
                )
            elif known.path == target:
                self._note(bundle, target, origin="import")
            return bundle.version

    def delete(
        self,
        version: str,
        *,
        editor: str,
        busy: Collection[str],
        in_use: Callable[[Connection], str],
    ) -> None:
        """Note a deletion and move the folder into the bin. See `ModelRegistry.delete`.

        Parameters
        ----------
        version, editor : str
        busy : collection of str
        in_use : callable
            Gives the version in use, in the transaction that notes the deletion.
        """
        if any(bundle.version == version for bundle in self._shelf.bundled()):
            raise ModelError(
                f"The model {version} came with BrainSeg and cannot be deleted.",
                "Delete versions that were fine-tuned here or imported.",
            )
        if version in busy or model_log.is_base_of_a_run(self._catalogue, version):
            raise ModelError(
                f"A run that goes on needs the model {version}.", "Wait for its end, or stop it."
            )
        with self._lock:
            path = self.find(version)
            name, parent = self._named(path)
            with self._catalogue.write() as connection:
                if in_use(connection) == version:
                    raise ModelError(
                        f"The model {version} is in use and cannot be deleted.",
                        "Take another version into use first.",
                    )
                model_log.note_version(
                    connection, version, path, name=name, parent=parent, origin=""
                )
                model_log.note_deleted(connection, version, editor)
            model_bin.put_in(self._models, version)

    def restore(self, version: str) -> None:
        """Bring a version out of the bin. See `ModelRegistry.restore`."""
        with self._lock:
            if all(gone.version != version for gone in self.deleted()):
                raise ModelError(
                    f"The model {version} was not deleted.",
                    "`brainseg models list` names the versions.",
                )
            model_bin.put_back(self._models, version)
            with self._catalogue.write() as connection:
                model_log.note_restored(connection, version)

    def empty_bin(self) -> tuple[str, ...]:
        """Remove deleted files for good. See `ModelRegistry.empty_bin`."""
        with self._lock:
            with self._catalogue.read() as connection:
                notes = model_log.version_notes(connection)
            return model_bin.empty(self._models, notes)

    def tidy(self) -> None:
        """Finish, once a session, what processes that died began: imports, copies, deletions."""
        from napari_brainseg.session.model_transfer import sweep_staging

        with self._lock:
            if self._swept:
                return
            self._swept = True
            sweep_staging(self._models)
            for gone in self.deleted():
                model_bin.put_in(self._models, gone.version)

    def _note(
        self, bundle: Bundle, target: Path, *, origin: str, run_id: str | None = None
    ) -> None:
        """Keep where a version comes from; one that was deleted is back."""
        with self._catalogue.write() as connection:
            model_log.note_version(
                connection,
                bundle.version,
                target,
                name=bundle.name,
                parent=bundle.manifest.parent,
                origin=origin,
                run_id=run_id,
            )

    def _named(self, path: Path) -> tuple[str, str | None]:
        """Name and parent of a version, as far as its folder tells."""
        try:
            bundle = self._shelf.look(path)
        except BrainSegError:
            return path.name, None
        return bundle.name, bundle.manifest.parent


def deleted_names(connection: Connection) -> frozenset[str]:
    """Versions that were deleted."""
    notes = model_log.version_notes(connection)
    return frozenset(note.version for note in notes.values() if note.deleted is not None)
