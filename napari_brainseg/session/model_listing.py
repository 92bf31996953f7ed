"""Puts the list of model versions together: folders, history, gates and figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.session.model_version import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.model_history import Promotion
    from napari_brainseg.session.model_log import GateNote, VersionNote
    from napari_brainseg.session.model_shelf import ModelShelf

__all__ = ["Listing"]


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known at one moment.

    Parameters
    ----------
    shelf : ModelShelf
        Bundles on disk.
    current : str
        Version in use.
    history : sequence of Promotion
        The oldest first.
    notes : mapping of str to VersionNote
        Rows of the catalogue, by version.
    gates : sequence of GateNote
        Against the version in use, the oldest first.
    figures : mapping of str to (float, int)
        Mean DSC on the frozen split, and its patients, by version.
    """

    shelf: ModelShelf
    current: str
    history: Sequence[Promotion]
    notes: Mapping[str, VersionNote]
    gates: Sequence[GateNote]
    figures: Mapping[str, tuple[float, int]]

    def versions(self) -> tuple[ModelVersion, ...]:
        """List all versions that are not deleted."""
        bundled = {bundle.version: bundle for bundle in self.shelf.bundled()}
        listed = [
            self._described(bundle, is_bundled=True, fault=self.shelf.fault(bundle.path))
            for bundle in bundled.values()
        ]
        for path in self.shelf.folders():
            note = self.notes.get(path.name)
            if path.name in bundled or (note is not None and note.deleted is not None):
                continue
            try:
                bundle = self.shelf.look(path)
            except BrainSegError as error:
                listed.append(self._damaged(path, note, str(error)))
            else:
                listed.append(self._described(bundle, is_bundled=False))
        return tuple(_with_children(listed))

    def _described(self, bundle: Bundle, *, is_bundled: bool, fault: str = "") -> ModelVersion:
        manifest, version = bundle.manifest, bundle.version
        dsc, patients = self.figures.get(version, (None, 0))
        note = self.notes.get(version)
        promotion = self._promotion(version)
        origin = "bundled" if is_bundled else "" if note is None else note.origin
        return ModelVersion(
            version=version,
            name=bundle.name,
            path=bundle.path,
            is_bundled=is_bundled,
            is_current=version == self.current,
            parent=manifest.parent,
            dsc=manifest.metrics.get("validation_dsc"),
            workspace_dsc=dsc,
            workspace_patients=patients,
            created=manifest.created,
            fault=fault,
            origin=origin,
            run_id=None if note is None else note.run_id,
            outcome=self._outcome(version),
            promoted_by=None if promotion is None else promotion.editor,
            promoted_at=None if promotion is None else promotion.created,
            metrics=manifest.metrics,
            config=manifest.training.get("config", {}),
            data_sha256=manifest.training.get("data_sha256"),
        )

    def _damaged(self, path: Path, note: VersionNote | None, fault: str) -> ModelVersion:
        promotion = self._promotion(path.name)
        return ModelVersion(
            version=path.name,
            name=path.name,
            path=path,
            is_bundled=False,
            is_current=path.name == self.current,
            parent=None if note is None else note.parent,
            dsc=None,
            workspace_dsc=None,
            workspace_patients=0,
            created="",
            fault=fault,
            origin="" if note is None else note.origin,
            run_id=None if note is None else note.run_id,
            promoted_by=None if promotion is None else promotion.editor,
            promoted_at=None if promotion is None else promotion.created,
        )

    def _promotion(self, version: str) -> Promotion | None:
        acts = (p for p in reversed(self.history) if p.version == version and p.act == "promote")
        return next(acts, None)

    def _outcome(self, version: str) -> str | None:
        found = (gate.outcome for gate in reversed(self.gates) if gate.candidate == version)
        return next(found, None)


def _with_children(versions: Iterable[ModelVersion]) -> list[ModelVersion]:
    listed = list(versions)
    below: dict[str, list[str]] = {}
    for version in listed:
        if version.parent is not None:
            below.setdefault(version.parent, []).append(version.version)
    return [replace(v, children=tuple(below.get(v.version, ()))) for v in listed]
