"""Reports of patients that no window has open: from the workspace, else predicted for it.

Thread-safety: an object belongs to one thread.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from napari_brainseg.core.formats.names import undated
from napari_brainseg.core.imaging import BrainSegError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.reporting.patient_report import PatientReport
    from napari_brainseg.core.segmentation.inference import Prediction
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.prediction_store import PredictionStore
    from napari_brainseg.session.workspace import Workspace

__all__ = ["ReportBatch"]


class ReportBatch:
    """Makes reports, one patient after another.

    A correction in the workspace counts first, then a prediction that is kept there, then one
    that is made for the report; nothing is written to the workspace.

    Parameters
    ----------
    predict : callable
        Predicts a study.
    version : str or None
        Of the model that `predict` uses; ``None``: any prediction that is kept will do.
    workspace : Workspace, optional
        Where work is kept; without one, or without a catalogue in it, every patient is predicted.
    heading, identifiers
        See `report_of`.

    Raises
    ------
    DataError
        If the catalogue cannot be read.
    """

    def __init__(
        self,
        predict: Callable[[Study], Prediction],
        version: str | None,
        *,
        workspace: Workspace | None = None,
        heading: str = "",
        identifiers: bool = False,
    ) -> None:
        self._predict = predict
        self._version = version
        self._heading, self._identifiers = heading, identifiers
        self._catalogue: Catalogue | None = None
        self._store: PredictionStore | None = None
        if workspace is not None and workspace.catalogue.is_file():
            from napari_brainseg.session.catalogue import Catalogue
            from napari_brainseg.session.prediction_store import PredictionStore

            self._catalogue = Catalogue(workspace.catalogue)
            self._store = PredictionStore(workspace, self._catalogue)

    def close(self) -> None:
        """Close the catalogue."""
        if self._catalogue is not None:
            self._catalogue.close()

    def reports(
        self, folders: Sequence[StudyFolder], failed: Callable[[StudyFolder, BrainSegError], None]
    ) -> Iterator[PatientReport]:
        """Make the reports of all folders, by patient and date.

        Studies of one person follow each other, each with the volumes of all of them.

        Parameters
        ----------
        folders : sequence of StudyFolder
        failed : callable
            Told of a patient that there is no report of, and why.
        """
        ordered = sorted(folders, key=lambda folder: (undated(folder.patient), folder.patient))
        for _, group in groupby(ordered, key=lambda folder: undated(folder.patient)):
            made = []
            for folder in group:
                try:
                    made.append(self.report(folder))
                except BrainSegError as error:
                    failed(folder, error)
            yield from self._followed(made)

    def report(self, folder: StudyFolder) -> PatientReport:
        """Make the report of one patient, without other studies.

        Raises
        ------
        DataError
            If it cannot be read, or there is nothing to report on.
        """
        from napari_brainseg.core.dataset.hashing import image_sha256
        from napari_brainseg.core.formats import load_study
        from napari_brainseg.session.patient_report import report_of_study, standing_of_study

        study = load_study(folder)
        sha = None if self._catalogue is None else image_sha256(study)
        standing = None
        if self._catalogue is not None and sha is not None:
            standing = standing_of_study(study, self._catalogue, sha)
        base = None if standing is None or standing.work is None else standing.work.base_version
        prediction = None if sha is None else self._kept(sha, base)
        if prediction is None and standing is None:
            try:
                prediction = self._predict(study)
            except DataError:
                if study.truth is None:
                    raise
        return report_of_study(
            study,
            standing,
            catalogue=self._catalogue,
            image_sha256=sha,
            prediction=prediction,
            heading=self._heading,
            identifiers=self._identifiers,
            with_follow_up=False,
        )

    def _kept(self, sha: str, base: str | None) -> Prediction | None:
        """Find a kept prediction: the one that was corrected, else that of the model asked for."""
        from sqlalchemy import select

        from napari_brainseg.session import tables

        if self._store is None or self._catalogue is None:
            return None
        versions = [version for version in (base, self._version) if version is not None]
        if self._version is None:
            columns = tables.predictions.c
            with self._catalogue.read() as connection:
                versions += connection.execute(
                    select(columns.model_version)
                    .where(columns.image_sha256 == sha)
                    .order_by(columns.created.desc())
                ).scalars()
        found = (self._store.latest(sha, version) for version in dict.fromkeys(versions))
        return next((prediction for prediction in found if prediction is not None), None)

    def _followed(self, made: list[PatientReport]) -> Iterator[PatientReport]:
        from napari_brainseg.session.follow_up import day_of, follow_up, merged
        from napari_brainseg.session.patient_report import point_of

        points = [replace(point_of(report), is_this=False) for report in made]
        names = {point.study for point in points}
        for report in made:
            if day_of(report.patient) is None:
                yield report
                continue
            others = list(points)
            if self._catalogue is not None:
                others += follow_up(
                    self._catalogue, report.patient, version=self._version, skip=names
                )
            yield replace(report, follow_up=merged(point_of(report), others))
