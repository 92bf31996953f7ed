"""Model versions: bundled and fine-tuned here; which one is in use, and the way back.

Thread-safety: every method may be called from any thread; `changed` is emitted in the calling one.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_brainseg.core.imaging import BrainSegError, ModelError
from napari_brainseg.session.model_log import (
    measured,
    note_act,
    note_dsc,
    note_version,
    used_versions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

__all__ = ["ModelRegistry", "ModelVersion"]


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


class ModelRegistry:
    """Model versions of a workspace.

    Parameters
    ----------
    workspace : Workspace
        Its ``models`` folder holds the versions fine-tuned here.
    catalogue : Catalogue
        Keeps promotions and measurements.
    bundled : callable, optional
        Gives the bundles that ship with the package, the default one first.
    """

    changed = Signal()
    """Another version is in use, or a version or measurement was added."""

    def __init__(
        self,
        workspace: Workspace,
        catalogue: Catalogue,
        *,
        bundled: Callable[[], tuple[Bundle, ...]] | None = None,
    ) -> None:
        self._workspace = workspace
        self._catalogue = catalogue
        self._find_bundled = bundled
        self._lock = threading.RLock()
        self._bundled: tuple[Bundle, ...] | None = None
        self._verified: dict[Path, Bundle] = {}

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
        return len(self._stack()) > 1

    def versions(self) -> tuple[ModelVersion, ...]:
        """All versions: bundled ones first, then those fine-tuned here, the latest last.

        A damaged bundle is listed with its fault; it does not hide the others.
        """
        current = self.current_version
        figures = self._measured()
        listed = [self._describe(b, current, figures, is_bundled=True) for b in self.bundled()]
        for path in self._folders():
            try:
                bundle = self._open(path)
            except BrainSegError as error:
                listed.append(
                    ModelVersion(
                        version=path.name,
                        name=path.name,
                        path=path,
                        is_bundled=False,
                        is_current=path.name == current,
                        parent=None,
                        dsc=None,
                        workspace_dsc=None,
                        workspace_patients=0,
                        created="",
                        fault=str(error),
                    )
                )
            else:
                listed.append(self._describe(bundle, current, figures, is_bundled=False))
        return tuple(listed)

    def bundled(self) -> tuple[Bundle, ...]:
        """Bundles that ship with the package, the default one first."""
        with self._lock:
            if self._bundled is None:
                if self._find_bundled is None:
                    from napari_brainseg.core.segmentation.bundle import bundled_models

                    self._find_bundled = bundled_models
                self._bundled = self._find_bundled()
            return self._bundled

    def load(self, version: str) -> Bundle:
        """Open a version; its hashes are checked once a session.

        Raises
        ------
        ModelError
            If it is unknown or damaged.
        """
        for bundle in self.bundled():
            if bundle.version == version:
                return self._open(bundle.path)
        path = self._workspace.models / version
        if path not in self._folders():
            raise ModelError(
                f"The model {version} is neither bundled nor in {self._workspace.models}.",
                "Choose another version in the Models panel.",
            )
        return self._open(path)

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
        from napari_brainseg.core.segmentation.bundle import load_bundle

        candidate = load_bundle(bundle_path)
        target = self._workspace.models / candidate.version
        with self._lock:
            if not target.exists():
                self._copy(candidate.path, target)
            bundle = self._open(target)
            note_version(self._catalogue, bundle, run_id)
        self.changed.emit()
        return self._version(bundle.version)

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
        note_dsc(
            self._catalogue,
            version,
            split_digest=split_digest,
            patients=patients,
            dsc=dsc,
            run_id=run_id,
        )
        self.changed.emit()

    def promote(self, version: str, *, editor: str, reason: str = "") -> ModelVersion:
        """Take a version into use.

        Parameters
        ----------
        version : str
            As listed.
        editor : str
            Who decides: a person, always.
        reason : str
            Why.

        Raises
        ------
        ModelError
            If it is unknown or damaged, or nobody is named.
        """
        _need(editor)
        self.load(version)
        if version != self.current_version:
            note_act(self._catalogue, "promote", version, editor=editor, reason=reason)
        self.changed.emit()
        return self._version(version)

    def rollback(self, *, editor: str, reason: str = "") -> ModelVersion:
        """Take the version that was in use before into use again.

        Raises
        ------
        ModelError
            If there is none, it is damaged, or nobody is named.
        """
        _need(editor)
        with self._lock:
            stack = self._stack()
            if len(stack) < 2:
                raise ModelError(
                    f"The model {stack[-1]} is the first one in use; there is no way back from it.",
                    "Choose another version in the Models panel.",
                )
            version = stack[-2]
            self.load(version)
            note_act(self._catalogue, "rollback", version, editor=editor, reason=reason)
        self.changed.emit()
        return self._version(version)

    def _version(self, version: str) -> ModelVersion:
        return next(v for v in self.versions() if v.version == version)

    def _stack(self) -> list[str]:
        """Versions in use so far, the current one last; a rollback takes one off."""
        bundled = self.bundled()
        if not bundled:
            raise ModelError(
                "No model is bundled with this installation.",
                "Install napari-brainseg again, or train a model.",
            )
        return used_versions(self._catalogue, bundled[0].version)

    def _folders(self) -> list[Path]:
        if not self._workspace.models.is_dir():
            return []
        folders = [
            p for p in self._workspace.models.iterdir() if p.is_dir() and not p.name.startswith(".")
        ]
        return sorted(folders, key=lambda p: (p.stat().st_mtime, p.name))

    def _open(self, path: Path) -> Bundle:
        from napari_brainseg.core.segmentation.bundle import load_bundle

        with self._lock:
            if path not in self._verified:
                self._verified[path] = load_bundle(path)
            return self._verified[path]

    def _copy(self, source: Path, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".adopt-", dir=target.parent))
            try:
                shutil.copytree(source, staging / target.name)
                (staging / target.name).replace(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise ModelError(
                f"The model {source} could not be copied to {target}: {error}.",
                "Check that the disk has space.",
            ) from error

    def _measured(self) -> dict[str, tuple[float, int]]:
        from napari_brainseg.core.dataset.splits import load_split

        path = self._workspace.splits
        return measured(self._catalogue, load_split(path).digest) if path.is_file() else {}

    def _describe(
        self,
        bundle: Bundle,
        current: str,
        figures: dict[str, tuple[float, int]],
        *,
        is_bundled: bool,
    ) -> ModelVersion:
        dsc, patients = figures.get(bundle.version, (None, 0))
        return ModelVersion(
            version=bundle.version,
            name=bundle.name,
            path=bundle.path,
            is_bundled=is_bundled,
            is_current=bundle.version == current,
            parent=bundle.manifest.parent,
            dsc=bundle.manifest.metrics.get("validation_dsc"),
            workspace_dsc=dsc,
            workspace_patients=patients,
            created=bundle.manifest.created,
        )


def _need(editor: str) -> None:
    if not editor.strip():
        raise ModelError(
            "Nobody is named as the one who decides.", "Give your name or your initials first."
        )
