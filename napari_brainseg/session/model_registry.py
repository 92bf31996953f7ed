"""Model versions: bundled, fine-tuned here, imported; which one is in use, and the way back.

Thread-safety: every method may be called from any thread; `changed` is emitted in the calling one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.session import model_log
from napari_brainseg.session.model_history import (
    Promotion,
    note_act,
    read_history,
    used_versions,
    way_back,
)
from napari_brainseg.session.model_promotion import ReasonNeededError, take_into_use
from napari_brainseg.session.model_shelf import ModelShelf
from napari_brainseg.session.model_stock import ModelStock, deleted_names
from napari_brainseg.session.model_version import DeletedVersion, ModelVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from sqlalchemy import Connection

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.model_comparison import ModelComparison
    from napari_brainseg.session.model_history import GateLike
    from napari_brainseg.session.model_listing import Listing
    from napari_brainseg.session.model_tree import ModelNode
    from napari_brainseg.session.workspace import Workspace

__all__ = ["DeletedVersion", "ModelRegistry", "ModelVersion", "Promotion", "ReasonNeededError"]


class ModelRegistry:
    """Model versions of a workspace.

    Parameters
    ----------
    workspace : Workspace
        Its ``models`` folder holds the versions made or imported here.
    catalogue : Catalogue
        Keeps promotions, deletions and measurements.
    bundled : callable, optional
        Gives the bundles that ship with the package, the default one first.
    represent : callable, optional
        Writes OpenVINO's representation of an imported model into its folder and returns why there
        is none; by default a child process does.
    """

    changed = Signal()
    """Another version is in use, or a version or measurement was added, or one was deleted."""

    def __init__(
        self,
        workspace: Workspace,
        catalogue: Catalogue,
        *,
        bundled: Callable[[], tuple[Bundle, ...]] | None = None,
        represent: Callable[[Path], str] | None = None,
    ) -> None:
        self._workspace = workspace
        self._catalogue = catalogue
        self._shelf = ModelShelf(workspace.models, bundled)
        self._stock = ModelStock(self._shelf, catalogue, represent)

    # which there are --------------------------------------------------------------------------

    @property
    def current(self) -> Bundle:
        """The bundle in use: the one promoted last, else the default one of the package.

        Raises
        ------
        ModelError
            If there is none, or it is damaged.
        """
        return self.load(self.current_version)

    @property
    def current_version(self) -> str:
        """Version in use.

        Raises
        ------
        ModelError
            If no model is there at all.
        """
        return self._stack()[-1]

    @property
    def can_roll_back(self) -> bool:
        """Whether `rollback` would do something."""
        return self.rollback_version is not None

    @property
    def rollback_version(self) -> str | None:
        """Version that `rollback` takes into use again; `None` if there is none."""
        with self._catalogue.read() as connection:
            return way_back(self._used(connection), deleted_names(connection))

    def versions(self) -> tuple[ModelVersion, ...]:
        """All versions: bundled ones first, then those made or imported here, the latest last.

        A damaged bundle is listed with its fault; it does not hide the others. Hashes are not
        checked here but when a version is loaded or taken into use; what was found then is told.
        """
        return self._listing().versions()

    def deleted(self) -> tuple[DeletedVersion, ...]:
        """Versions that were deleted, the oldest first."""
        return self._stock.deleted()

    def tree(self) -> tuple[ModelNode, ...]:
        """All versions by descent; deleted parents of versions that are here are shown as such."""
        from napari_brainseg.session.model_tree import tree

        return tree(self.versions(), self.deleted())

    def history(self) -> tuple[Promotion, ...]:
        """Who took which version into use, the oldest first; nothing is ever taken out."""
        with self._catalogue.read() as connection:
            return read_history(connection, self._first())

    def gates(self, version: str | None = None) -> tuple[model_log.GateNote, ...]:
        """Gates of a candidate, or of all, the oldest first, without their evidence."""
        with self._catalogue.read() as connection:
            return tuple(model_log.gates_of(connection, candidate=version))

    def bundled(self) -> tuple[Bundle, ...]:
        """Bundles that ship with the package, the default one first."""
        return self._shelf.bundled()

    def load(self, version: str) -> Bundle:
        """Open a version; its hashes are checked once a session, and again if a file changed.

        Raises
        ------
        ModelError
            If it is unknown, deleted or damaged.
        """
        return self._shelf.open(self._stock.find(version))

    def compare(self, a: str, b: str) -> ModelComparison:
        """Tell what differs between two versions: settings, patients, figures, gates.

        Raises
        ------
        ModelError
            If one is unknown or its description cannot be read.
        """
        from napari_brainseg.session.model_comparison import compare_bundles

        first, second = self._shelf.look(self._stock.find(a)), self._shelf.look(self._stock.find(b))
        return compare_bundles(first, second, self.gates())

    # what comes and goes ----------------------------------------------------------------------

    def adopt(self, bundle_path: Path, *, run_id: str | None = None) -> ModelVersion:
        """Copy a candidate into the workspace; it is not in use before someone promotes it.

        Parameters
        ----------
        bundle_path : Path
            Folder of a finished bundle, e.g. of a run.
        run_id : str, optional
            Run that made it.

        Raises
        ------
        ModelError
            If it is damaged, or cannot be copied.
        """
        version = self._stock.adopt(bundle_path, run_id)
        self.changed.emit()
        return self._version(version)

    def import_bundle(self, path: Path) -> ModelVersion:
        """Take in a model from a folder or a zip file, once all of it was judged.

        It is not in use before someone promotes it. A version that is here already stays as it
        is; one that was deleted is back.

        Parameters
        ----------
        path : Path
            Folder of a bundle, or what `export` wrote.

        Raises
        ------
        ModelError
            With the reason, if it is refused.
        """
        version = self._stock.take_in(path)
        self.changed.emit()
        return self._version(version)

    def export(self, version: str, target: Path) -> Path:
        """Write a version as a folder, or as a zip file where `target` ends with ``.zip``.

        Raises
        ------
        ModelError
            If it is unknown or damaged, `target` exists, or it cannot be written.
        """
        from napari_brainseg.core.segmentation.bundle_archive import export_bundle

        return export_bundle(self.load(version), target)

    def delete(self, version: str, *, editor: str, busy: Collection[str] = ()) -> None:
        """Delete a version made or imported here; its files are kept in a bin, its row for ever.

        Parameters
        ----------
        version : str
            As listed.
        editor : str
            Who decides.
        busy : collection of str
            Versions that runs start from, or are measured against, right now.

        Raises
        ------
        ModelError
            If it is in use, bundled, unknown or busy, or nobody is named.
        """
        _need(editor)
        self._stock.delete(
            version, editor=editor, busy=busy, in_use=lambda connection: self._used(connection)[-1]
        )
        self.changed.emit()

    def restore(self, version: str) -> ModelVersion:
        """Bring a deleted version back out of the bin.

        Raises
        ------
        ModelError
            If it was not deleted, or the bin was emptied.
        """
        self._stock.restore(version)
        self.changed.emit()
        return self._version(version)

    def empty_bin(self) -> tuple[str, ...]:
        """Remove the files of all deleted versions for good; returns those versions.

        Raises
        ------
        ModelError
            If some cannot be removed.
        """
        removed = self._stock.empty_bin()
        self.changed.emit()
        return removed

    def record_dsc(
        self,
        version: str,
        *,
        split_digest: str,
        patients: int,
        dsc: float,
        run_id: str | None = None,
    ) -> None:
        """Keep a version's mean DSC on the workspace's frozen split; the latest one is shown."""
        model_log.note_dsc(
            self._catalogue,
            version,
            split_digest=split_digest,
            patients=patients,
            dsc=dsc,
            run_id=run_id,
        )
        self.changed.emit()

    # which is in use --------------------------------------------------------------------------

    def promote(
        self, version: str, *, editor: str, reason: str = "", gate: GateLike | None = None
    ) -> ModelVersion:
        """Take a version into use.

        Parameters
        ----------
        version : str
            As listed.
        editor : str
            Who decides: a person, always.
        reason : str
            Why. Needed where the version has passed no gate against the one in use; then the act
            is kept as one that overrode it, unless the way leads back to a bundled version or one
            that was in use before, and no gate says anything against it.
        gate : GateRecord, optional
            The gate it stands on; by default the latest one that is kept of the two versions.

        Raises
        ------
        ReasonNeededError
            If there is neither a passed gate nor a reason.
        ModelError
            If it is unknown, deleted or damaged, or nobody is named.
        """
        _need(editor)
        self.load(version)
        bundled = [bundle.version for bundle in self.bundled()]
        with self._catalogue.write() as connection:
            take_into_use(connection, version, bundled, editor=editor, reason=reason, gate=gate)
        self.changed.emit()
        return self._version(version)

    def rollback(self, *, editor: str, reason: str = "") -> ModelVersion:
        """Take the version that was in use before into use again.

        Deleted versions are passed over.

        Raises
        ------
        ModelError
            If there is none, it is damaged, or nobody is named.
        """
        _need(editor)
        while True:
            version = self.rollback_version
            if version is None:
                raise ModelError(
                    f"The model {self.current_version} is the first one in use; there is no way "
                    "back from it.",
                    "Choose another version in the Models panel.",
                )
            self.load(version)
            with self._catalogue.write() as connection:
                # Another window may have acted while the hashes were checked.
                if way_back(self._used(connection), deleted_names(connection)) == version:
                    note_act(connection, "rollback", version, editor=editor, reason=reason)
                    break
        self.changed.emit()
        return self._version(version)

    # ------------------------------------------------------------------------------------------

    def _version(self, version: str) -> ModelVersion:
        return next(v for v in self.versions() if v.version == version)

    def _first(self) -> str:
        bundled = self.bundled()
        if not bundled:
            raise ModelError(
                "No model is bundled with this installation.",
                "Install napari-brainseg again, or train a model.",
            )
        return bundled[0].version

    def _acts(self, connection: Connection) -> tuple[Promotion, ...]:
        return read_history(connection, self._first())

    def _used(self, connection: Connection) -> list[str]:
        return used_versions(self._acts(connection), self._first())

    def _stack(self) -> list[str]:
        """Versions in use so far, the current one last; a rollback takes one off."""
        first = self._first()
        with self._catalogue.read() as connection:
            return used_versions(read_history(connection, first), first)

    def _listing(self) -> Listing:
        from napari_brainseg.session.model_listing import Listing

        self._stock.tidy()
        with self._catalogue.read() as connection:
            history = self._acts(connection)
            notes = model_log.version_notes(connection)
            current = used_versions(history, self._first())[-1]
            gates = model_log.gates_of(connection, current=current)
        return Listing(self._shelf, current, history, notes, gates, self._measured())

    def _measured(self) -> dict[str, tuple[float, int]]:
        from napari_brainseg.core.dataset.locked import load_locked
        from napari_brainseg.core.dataset.splits import load_split

        locked, path = load_locked(self._workspace.locked), self._workspace.splits
        if locked is None and not path.is_file():
            return {}
        digest = load_split(path).digest if locked is None else locked.digest
        return model_log.measured(self._catalogue, digest)


def _need(editor: str) -> None:
    if not editor.strip():
        raise ModelError(
            "Nobody is named as the one who decides.", "Give your name or your initials first."
        )
