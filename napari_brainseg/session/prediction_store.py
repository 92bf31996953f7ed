"""Predictions that survive a restart: arrays in the cache, their figures in the catalogue.

Thread-safety: every method may be called from any thread.
"""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import os
import re
import threading
import time
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import and_, case, delete, func, insert, select, update

from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.prediction_summary import summarise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.prediction_summary import PredictionSummary
    from napari_brainseg.session.workspace import Workspace

__all__ = ["PredictionStore"]

_log = logging.getLogger(__name__)

LIMIT_BYTES = 2 * 1024**3
STEPS = 65_535
"""Probabilities are kept in steps of 1/65535: far finer than a network's own noise."""
_LEVEL = 1  # a background of noise packs no better at higher levels, only slower
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, TypeError)


class PredictionStore:
    """Predictions of a workspace, by image content, model version and test-time augmentation.

    Parameters
    ----------
    workspace : Workspace
        Arrays lie in its cache, so they may be gone at any time.
    catalogue : Catalogue
        Keeps the figures, also when the arrays are gone.
    limit_bytes : int
        Size of the cache; those unused longest go first.
    """

    def __init__(
        self, workspace: Workspace, catalogue: Catalogue, *, limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self.folder = workspace.cache / "predictions"
        self._catalogue = catalogue
        self._limit = limit_bytes
        self._lock = threading.Lock()

    def path(self, sha: str, version: str, tta: bool) -> Path:
        """Where the arrays of a prediction lie, if they are there."""
        named = re.sub(r"[^A-Za-z0-9._-]+", "_", version)
        return self.folder / f"{sha}-{named}-{'tta' if tta else 'plain'}.npz"

    def has(self, sha: str, version: str, tta: bool) -> bool:
        """Whether a prediction with arrays and figures is there; it may turn out damaged."""
        if not self.path(sha, version, tta).is_file():
            return False
        columns = tables.predictions.c
        with self._catalogue.read() as connection:
            found = connection.execute(
                select(columns.id).where(
                    columns.image_sha256 == sha,
                    columns.model_version == version,
                    columns.tta == tta,
                )
            ).first()
        return found is not None

    def save(
        self, study: Study, prediction: Prediction, sha: str, *, tta: bool = False
    ) -> PredictionSummary:
        """Keep a prediction and its figures; takes a part of a second for a patient.

        Parameters
        ----------
        study : Study
            What was predicted.
        prediction : Prediction
        sha : str
            Content hash of the study's image.
        tta : bool
            Whether the mirrored view was averaged in.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        version = prediction.model_version
        summary = summarise(study, prediction)
        if summary.disagreement is None:
            summary = dataclasses.replace(
                summary, disagreement=self._disagreement(prediction, sha, version, not tta)
            )
        path = self.path(sha, version, tta)
        self._write(path, _packed(prediction, sha, tta))
        columns = tables.predictions.c
        of_pair = and_(columns.image_sha256 == sha, columns.model_version == version)
        with self._catalogue.write() as connection:
            connection.execute(delete(tables.predictions).where(of_pair, columns.tta == tta))
            connection.execute(
                insert(tables.predictions).values(
                    patient=prediction.patient,
                    image_sha256=sha,
                    model_version=version,
                    tta=tta,
                    seconds=prediction.timings.get("total", 0.0),
                    engine=prediction.engine,
                    file=path.name,
                    created=time.time(),
                    **dataclasses.asdict(summary),
                )
            )
            if summary.disagreement is not None:
                connection.execute(
                    update(tables.predictions)
                    .where(of_pair)
                    .values(disagreement=summary.disagreement)
                )
        self._trim(path)
        return summary

    def load(self, sha: str, version: str, tta: bool = False) -> Prediction | None:
        """Read a prediction; `None` where there is none, or its file is damaged.

        The mask is exact, the probability to 1/65535.
        """
        path = self.path(sha, version, tta)
        try:
            with path.open("rb") as source:
                prediction = _unpacked(source, sha, version)
            os.utime(path)  # used, so it is not among the first to go
        except FileNotFoundError:
            return None
        except _DAMAGE as error:
            _log.info("The kept prediction %s is of no use, it is made again: %s", path, error)
            return None
        return prediction

    def latest(self, sha: str, version: str) -> Prediction | None:
        """Read the later of the predictions with and without the mirrored view."""
        columns = tables.predictions.c
        with self._catalogue.read() as connection:
            views = connection.execute(
                select(columns.tta)
                .where(columns.image_sha256 == sha, columns.model_version == version)
                .order_by(columns.created.desc())
            ).scalars()
            ordered = [bool(tta) for tta in views]
        found = (self.load(sha, version, tta) for tta in ordered)
        return next((prediction for prediction in found if prediction is not None), None)

    def stale(self, version: str) -> frozenset[str]:
        """Patients that only other models than this version predicted; one query.

        Of a patient with several images under one name, any image will do.
        """
        columns = tables.predictions.c
        by_it = func.max(case((columns.model_version == version, 1), else_=0))
        query = (
            select(columns.patient)
            .group_by(columns.patient, columns.image_sha256)
            .having(by_it == 0)
        )
        with self._catalogue.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def _disagreement(
        self, prediction: Prediction, sha: str, version: str, tta: bool
    ) -> float | None:
        """1 - DSC with the mask of the other view, if that is kept."""
        from napari_brainseg.core.segmentation.metrics import dsc

        try:
            with self.path(sha, version, tta).open("rb") as source:
                other = _mask(np.load(source, allow_pickle=False), prediction.mask.shape)
        except _DAMAGE:
            return None
        return 1.0 - dsc(prediction.mask, other)

    def _write(self, path: Path, content: bytes) -> None:
        # No fsync: what a power cut damages is found out when read, and predicted again.
        staging = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                staging.write_bytes(content)
                staging.replace(path)
            finally:
                staging.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"The prediction cannot be kept in {path}: {error.strerror or error}.",
                "Check that the disk has space and that the folder may be written to.",
            ) from error

    def _trim(self, latest: Path) -> None:
        """Let those unused longest go, but not the latest one."""
        with self._lock:
            try:
                with os.scandir(self.folder) as entries:
                    files = [(e.stat().st_mtime, e.stat().st_size, e.path) for e in entries]
            except OSError:
                return
            excess = sum(size for _, size, _ in files) - self._limit
            for _, size, path in sorted(files):
                if excess <= 0:
                    break
                if path == str(latest):
                    continue
                try:
                    Path(path).unlink()
                except OSError as error:
                    _log.warning("The cache %s cannot be trimmed: %s", self.folder, error)
                    break
                excess -= size


def _packed(prediction: Prediction, sha: str, tta: bool) -> bytes:
    steps = np.rint(prediction.probability * np.float32(STEPS)).astype(np.uint16)
    # High and low bytes apart: most high bytes are alike, which packs well and fast.
    halves = np.stack([(steps >> 8).astype(np.uint8), steps.astype(np.uint8)])
    about: dict[str, Any] = {
        "sha": sha,
        "tta": tta,
        "shape": prediction.mask.shape,
        "patient": prediction.patient,
        "model_version": prediction.model_version,
        "engine": prediction.engine,
        "reason": prediction.reason,
        "timings": prediction.timings,
        "notes": prediction.notes,
    }
    arrays = {
        "probability": halves,
        "mask": np.packbits((prediction.mask != 0).reshape(-1)),
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return buffer.getvalue()


def _unpacked(source: Any, sha: str, version: str) -> Prediction:
    from napari_brainseg.core.segmentation.inference import Prediction, uncertainty_of

    with np.load(source, allow_pickle=False) as file:
        about = json.loads(file["about"].tobytes())
        shape = tuple(int(n) for n in about["shape"])
        halves = file["probability"]
        of = (about["sha"], about["model_version"])
        if of != (sha, version) or halves.shape != (2, *shape):
            raise ValueError("it holds something else")
        mask = _mask(file, shape)
    probability = halves[0].astype(np.float32)
    probability *= 256.0
    probability += halves[1]
    probability /= np.float32(STEPS)
    return Prediction(
        patient=about["patient"],
        probability=probability,
        mask=mask,
        uncertainty=uncertainty_of(probability),
        model_version=about["model_version"],
        engine=about["engine"],
        reason=about["reason"],
        timings=about["timings"],
        notes=tuple(about["notes"]),
    )


def _mask(file: Any, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    bits, count = file["mask"], int(np.prod(shape))
    if bits.size * 8 < count:
        raise ValueError("the mask is too short")
    return np.unpackbits(bits, count=count).reshape(shape)
