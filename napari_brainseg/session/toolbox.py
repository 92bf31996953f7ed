"""The tools that change more than a brush reaches: what they are, whether they can be used, run.

A tool computes on a snapshot, in whatever thread, and never sees paint that is under the brush.
What it found goes into the correction as one action of its history, on the painting thread, and
only as long as the mask is still the one it was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_brainseg.core.imaging import BrainSegError, CancelledError, Modality
from napari_brainseg.session.tool_acts import ACTS, Inputs, target_of
from napari_brainseg.session.tool_place import Place
from napari_brainseg.session.tool_specs import (
    ISLAND,
    MM,
    NEXT,
    REGION,
    TOOLS,
    VOXELS,
    Kind,
    Need,
    Parameter,
    ToolSpec,
    spec_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_brainseg.core.editing import Edit
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.correction import Correction
    from napari_brainseg.session.history import Stroke

__all__ = ["Changes", "StaleEditError", "ToolJob", "ToolUnavailableError", "Toolbox"]


class ToolUnavailableError(BrainSegError):
    """A tool lacks what it needs."""


class StaleEditError(BrainSegError):
    """The mask changed after a tool looked at it."""


class Changes(NamedTuple):
    """How much an edit changes."""

    added: int
    """Voxels that become lesion."""
    removed: int
    """Voxels that cease to be lesion."""
    slices: int
    """Slices with either."""


@dataclass(frozen=True, slots=True, eq=False)
class ToolJob:
    """A tool with all it works from, as things stood when it was made.

    Parameters
    ----------
    spec : ToolSpec
        The tool.
    correction : Correction
        What it is for.
    inputs : Inputs
        The snapshot.
    recorded : mapping
        What the history keeps with the action: the parameters and the place, plain values.
    """

    spec: ToolSpec
    correction: Correction
    inputs: Inputs
    recorded: Mapping[str, object]

    def run(
        self,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Edit | None:
        """Compute, in any thread.

        Parameters
        ----------
        progress : callable, optional
            Takes how much is done, 0 to 1; only slow tools tell.
        cancelled : callable, optional
            Asked now and then whether to stop.

        Returns
        -------
        Edit or None
            `None` where nothing would change.

        Raises
        ------
        BrainSegError
            If it cannot be done with this mask.
        CancelledError
            If it was stopped.
        """
        inputs = replace(self.inputs, progress=progress or _untold, cancelled=cancelled or _never)
        edit = ACTS[self.spec.id](inputs)
        if inputs.cancelled():
            raise CancelledError(f"{self.spec.title} was stopped.")
        return edit

    def changes(self, edit: Edit | None) -> Changes:
        """Count what an edit of this job changes."""
        if edit is None:
            return Changes(0, 0, 0)
        before = self.inputs.mask[edit.box]
        added, removed = edit.values > before, edit.values < before
        slices = (added | removed).any(axis=(1, 2))
        return Changes(int(added.sum()), int(removed.sum()), int(slices.sum()))


class Toolbox:
    """The tools for one case.

    Parameters
    ----------
    case : Case
        What they work on. Its correction may begin later, and be set aside.
    """

    specs: tuple[ToolSpec, ...] = TOOLS

    def __init__(self, case: Case) -> None:
        self.case = case

    def parameters(self, tool: str, place: Place | None = None) -> tuple[Parameter, ...]:
        """Return the parameters of a tool with ranges and defaults for this case and place.

        Raises
        ------
        KeyError
            If there is no tool of that name.
        """
        place = place or Place()
        return tuple(self._fitted(parameter, tool, place) for parameter in spec_of(tool).parameters)

    def why_not(self, tool: str, place: Place | None = None, **parameters: object) -> str | None:
        """Say for the reader why a tool cannot be used now; `None` if it can.

        Cheap: what only the mask knows, e.g. that there is no gap to interpolate, a run finds out.

        Parameters
        ----------
        tool : str
            Its id.
        place : Place, optional
            Where it would act. Without one, things that a place has are not missed.
        parameters
            As for `prepare`; a scope may need more.
        """
        case, spec = self.case, spec_of(tool)
        read_only: str | None = getattr(case, "read_only", None)
        if read_only is not None:
            return read_only
        if case.correction is None:
            return "Start a correction first."
        needs = set(spec.needs)
        if parameters.get("scope") == ISLAND:
            needs.add(Need.POINT)
        if Need.PREDICTION in needs and case.prediction is None:
            if case.is_blind:
                return "This case is read without the prediction until you draw the first contour."
            return "There is no prediction of this patient. Predict first."
        if Need.TRUTH in needs and case.truth is None:
            return "This patient has no ground truth."
        return None if place is None else self._lack(tool, needs, place, parameters)

    def prepare(
        self,
        tool: str,
        place: Place,
        snapshot: NDArray[np.uint8] | None = None,
        **parameters: object,
    ) -> ToolJob:
        """Take the snapshot that a tool computes on; costs milliseconds.

        Parameters
        ----------
        tool : str
            Its id.
        place : Place
            Where to act.
        snapshot : ndarray of uint8, shape (Z, Y, X), optional
            A copy of the mask that was taken before and is still right.
        parameters
            By name; those left out have their defaults for this place.

        Raises
        ------
        ToolUnavailableError
            If it cannot be used, see `why_not`.
        ValueError
            If a parameter is unknown, or no value for it.
        """
        spec = spec_of(tool)
        reason = self.why_not(tool, place, **parameters)
        correction = self.case.correction
        if reason is not None or correction is None:
            raise ToolUnavailableError(f"{spec.title}: {reason}")
        values = self._complete(spec, place, parameters)
        image, prediction = self.case.study.image, self.case.prediction
        modality = place.modality
        if modality is None or modality not in image.modalities:
            modality = Modality.FLAIR if Modality.FLAIR in image.modalities else image.modalities[0]
        predicted = None if prediction is None else prediction.mask
        if predicted is not None and place.prediction is not None:
            predicted = place.prediction
        inputs = Inputs(
            mask=correction.saved if snapshot is None else snapshot,
            image=image.data,
            channel=image.channel(modality),
            spacing=image.geometry.spacing_mm,
            place=place,
            parameters=MappingProxyType(values),
            prediction=predicted,
            truth=self.case.truth,
            probability=None if prediction is None else prediction.probability,
            progress=_untold,
            cancelled=_never,
        )
        recorded = values | self._circumstances(spec, inputs, modality)
        return ToolJob(spec, correction, inputs, MappingProxyType(recorded))

    def run(self, tool: str, place: Place, **parameters: object) -> Edit | None:
        """Compute at once what a tool would change; see `prepare` and `ToolJob.run`."""
        return self.prepare(tool, place, None, **parameters).run()

    def check(self, job: ToolJob) -> None:
        """Raise if what a job found must not go into the history any more; on the painting thread.

        Raises
        ------
        StaleEditError
            If the mask is no longer the one that the job looked at.
        ToolUnavailableError
            If the correction became read-only, or was set aside.
        """
        if job.correction is not self.case.correction:
            raise ToolUnavailableError(
                f"{job.spec.title}: the correction that it was for is no longer open.",
                "Use the tool again.",
            )
        reason = self.why_not(job.spec.id)
        if reason is not None:
            raise ToolUnavailableError(f"{job.spec.title}: {reason}")
        if not self.is_fresh(job):
            raise StaleEditError(
                f"{job.spec.title}: the mask changed meanwhile, so nothing was done.",
                "Use the tool again.",
            )

    def apply(self, job: ToolJob, edit: Edit) -> Stroke | None:
        """Enter what a job found into the history, as one action; on the painting thread.

        Raises
        ------
        StaleEditError, ToolUnavailableError
            See `check`. Nothing is changed.
        DataError
            If it could not be saved; see `Correction.apply`.
        """
        self.check(job)
        return job.correction.apply(edit, job.spec.id, dict(job.recorded))

    @staticmethod
    def is_fresh(job: ToolJob) -> bool:
        """Whether the mask is still what a job looked at; takes a millisecond or two."""
        # Compared, not counted: paint that is not committed yet has no number.
        return np.array_equal(job.correction.data, job.inputs.mask)

    # inside -----------------------------------------------------------------------------------

    def _fitted(self, parameter: Parameter, tool: str, place: Place) -> Parameter:
        last = self.case.shape[0] - 1
        if parameter.kind is Kind.SLICE:
            first_and_last = self._gap(place.slice_index)
            default = first_and_last[parameter.name == "last"]
            return replace(parameter, default=default, low=0, high=last)
        is_known = self.case.study.image.geometry.spacing_mm is not None
        if parameter.name == "radius" and not is_known:
            return replace(parameter, unit=VOXELS)
        if parameter.name == "unit" and not is_known:
            kept = tuple(choice for choice in parameter.choices if choice[0] != MM)
            return replace(parameter, default=VOXELS, choices=kept)
        known = [value for value, _title in parameter.choices]
        if parameter.name == "scope" and place.region is not None and REGION in known:
            return parameter.starting_with(REGION)
        if parameter.name == "threshold" and place.threshold is not None:
            return parameter.starting_with(place.threshold)
        if parameter.name == "to" and place.slice_index >= last > 0:
            return parameter.starting_with("previous")
        return parameter

    def _gap(self, slice_index: int) -> tuple[int, int]:
        """First and last slice around the gap that is nearest to a slice."""
        from napari_brainseg.core.editing.between import gaps

        correction = self.case.correction
        found = () if correction is None else gaps(correction.data)
        if not found:
            return 0, self.case.shape[0] - 1

        def distance(gap: tuple[int, int]) -> int:
            return max(gap[0] - slice_index, slice_index - gap[1], 0)

        return min(found, key=distance)

    def _lack(
        self, tool: str, needs: set[Need], place: Place, parameters: Mapping[str, object]
    ) -> str | None:
        count = self.case.shape[0]
        if Need.POINT in needs and place.point is None:
            return "Point at a voxel on the picture first."
        if Need.SEEDS in needs:
            seeds = place.seeds
            if seeds is None or not (seeds.foreground.any() and seeds.background.any()):
                return "Scribble in the lesion and around it first."
        if parameters.get("scope") == REGION and place.region is None:
            return "Draw a region on the slice first."
        if tool == "copy slice":
            to = parameters.get("to", self._default_to(place))
            if not 0 <= target_of(place.slice_index, to) < count:
                return "This is the last slice." if to == NEXT else "This is the first slice."
        return None

    def _default_to(self, place: Place) -> object:
        (parameter,) = self.parameters("copy slice", place)
        return parameter.default

    def _complete(
        self, spec: ToolSpec, place: Place, given: Mapping[str, object]
    ) -> dict[str, Any]:
        parameters = self.parameters(spec.id, place)
        unknown = set(given) - {parameter.name for parameter in parameters}
        if unknown:
            raise ValueError(f"{spec.title} has no parameter {', '.join(sorted(unknown))}.")
        values = {p.name: p.valid(given.get(p.name, p.default)) for p in parameters}
        if spec.id == "interpolate":
            first, last = sorted((values["first"], values["last"]))
            values |= {"first": first, "last": last}
        return values

    def _circumstances(
        self, spec: ToolSpec, inputs: Inputs, modality: Modality
    ) -> dict[str, object]:
        """Return what is needed to understand the action later, besides its parameters."""
        place, values = inputs.place, inputs.parameters
        facts: dict[str, object] = {"slice": place.slice_index}
        prediction = self.case.prediction
        if Need.PREDICTION in spec.needs and prediction is not None:
            facts["model_version"] = prediction.model_version
            if spec.id == "take prediction" and place.prediction is not None:
                facts["threshold"] = place.threshold
        if Need.POINT in spec.needs or values.get("scope") == ISLAND:
            facts["point"] = None if place.point is None else list(place.point)
        if spec.id == "flood fill":
            facts["modality"] = modality.value
        if values.get("scope") == REGION and place.region is not None:
            facts["slice"] = place.region.slice_index
            facts["region_voxels"] = int(np.count_nonzero(place.region.inside))
        if place.seeds is not None and Need.SEEDS in spec.needs:
            facts["foreground_voxels"] = int(np.count_nonzero(place.seeds.foreground))
            facts["background_voxels"] = int(np.count_nonzero(place.seeds.background))
        return facts


def _untold(_share: float) -> None:
    return None


def _never() -> bool:
    return False
