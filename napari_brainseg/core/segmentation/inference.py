"""Volume in; probability, mask and uncertainty out, on the input grid."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_brainseg.core.imaging import CancelledError, DataError, Modality, ModelError
from napari_brainseg.core.segmentation.engines.base import OutOfMemoryError
from napari_brainseg.core.segmentation.postprocessing import postprocess
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from napari_brainseg.core.segmentation.preprocessing.context import with_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.engines.base import Engine

__all__ = [
    "Prediction",
    "Progress",
    "infer_logits",
    "predict",
    "predict_with",
    "sigmoid",
    "uncertainty_of",
]

FLIP_AXES = ((), (-1,))
"""Views that test-time augmentation averages: as it is, and left-right."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far some work is.

    Parameters
    ----------
    stage : str
        What is being done, for users.
    done, total : int
        Slices.
    """

    stage: str
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of a study, on the study's grid.

    Parameters
    ----------
    patient : str
        Name of the study.
    probability : ndarray of float32, shape (Z, Y, X)
        Lesion probability.
    mask : ndarray of uint8, shape (Z, Y, X)
        The mask as delivered, 0 and 1.
    uncertainty : ndarray of float32, shape (Z, Y, X)
        Binary entropy of the probability in bits, 0 (sure) to 1 (cannot tell).
    model_version : str
        Version of the bundle.
    engine : str
        E.g. ``OpenVINO on CPU``.
    reason : str
        Why this engine was chosen.
    timings : dict
        Seconds: ``preprocess``, ``infer``, ``postprocess``, ``total``.
    notes : tuple of str
        What the user should know, e.g. that memory ran out and the CPU took over.
    plain_mask : ndarray of uint8, shape (Z, Y, X), or None
        The mask without the mirrored view, where test-time augmentation averaged it in: how far
        the two differ tells how firmly the model stands by its outline.
    """

    patient: str
    probability: NDArray[np.float32]
    mask: NDArray[np.uint8]
    uncertainty: NDArray[np.float32]
    model_version: str
    engine: str
    reason: str
    timings: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    plain_mask: NDArray[np.uint8] | None = None


def predict(
    study: Study,
    bundle: Bundle,
    *,
    device: str = "auto",
    tta: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Prediction:
    """Segment a study with a bundle, on the best engine at hand.

    Parameters
    ----------
    study : Study
        With a FLAIR channel.
    bundle : Bundle
        The model.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    tta : bool
        Average with the left-right mirrored volume; twice the time.
    progress : callable, optional
        Called after each batch.
    cancelled : callable, optional
        Asked before each batch.

    Raises
    ------
    DataError
        If the study has no FLAIR.
    ModelError
        If the model or device cannot be used.
    CancelledError
        If `cancelled` said so.
    """
    from napari_brainseg.core.segmentation.engines import choose, open_engine

    choice = choose(bundle, device)
    engine = open_engine(bundle, choice)

    def fallback() -> Engine:
        return open_engine(bundle, choose(bundle, "cpu"))

    return predict_with(
        engine, study, bundle, reason=choice.reason, fallback=fallback, tta=tta,
        progress=progress, cancelled=cancelled,
    )  # fmt: skip


def predict_with(
    engine: Engine,
    study: Study,
    bundle: Bundle,
    *,
    reason: str = "",
    fallback: Callable[[], Engine] | None = None,
    tta: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Prediction:
    """Segment a study with an engine that is already open; see `predict`.

    Parameters
    ----------
    fallback : callable, optional
        Opens an engine on the CPU; used when even one slice does not fit the GPU.
    """
    start = time.perf_counter()
    _refuse_without_flair(study)
    manifest = bundle.manifest
    recipe = get_recipe(manifest.preprocessing.recipe, **manifest.preprocessing.parameters)
    context = manifest.preprocessing.context
    if manifest.network.in_channels != study.image.data.shape[0] * context:
        raise DataError(
            f"{study.patient} has {study.image.data.shape[0]} channels; the model "
            f"{manifest.version} takes {manifest.network.in_channels / context:g}.",
            "Choose a model that was trained on these modalities.",
        )
    try:
        prepared = recipe.prepare(study.image.data, spacing_mm=study.image.geometry.spacing_mm)
    except DataError as error:
        raise DataError(f"{study.patient}: {error.message}", error.hint) from error
    ready = time.perf_counter()
    notes: list[str] = []
    depth, _, *in_plane = prepared.data.shape
    plain = np.empty((depth, *in_plane), np.float32) if tta else None
    logits, engine = _with_recovery(
        engine, prepared.data, context, fallback, notes, tta=tta, plain=plain,
        progress=progress, cancelled=cancelled,
    )  # fmt: skip
    inferred = time.perf_counter()

    def finish(logits: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        on_grid = prepared.restore(sigmoid(logits, manifest.temperature))
        return on_grid, postprocess(
            on_grid,
            threshold=manifest.threshold,
            steps=manifest.postprocessing,
            flair=study.image.channel(Modality.FLAIR),
        )

    on_grid, mask = finish(logits)
    plain_mask = None if plain is None else finish(plain)[1]
    uncertainty = uncertainty_of(on_grid)
    end = time.perf_counter()
    return Prediction(
        patient=study.patient,
        probability=on_grid,
        mask=mask,
        uncertainty=uncertainty,
        model_version=manifest.version,
        engine=engine.description,
        reason=reason,
        timings={
            "preprocess": ready - start,
            "infer": inferred - ready,
            "postprocess": end - inferred,
            "total": end - start,
        },
        notes=tuple(notes),
        plain_mask=plain_mask,
    )


def infer_logits(
    engine: Engine,
    slices: NDArray[np.float32],
    *,
    batch: int,
    context: int = 1,
    tta: bool = False,
    plain: NDArray[np.float32] | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> NDArray[np.float32]:
    """Logits (Z', Y', X') of slices (Z', C, Y', X'), batch by batch.

    With `context` above 1 the engine gets C * context channels; see `with_context`. With `tta`,
    `plain` (Z', Y', X') is filled with the logits of the view as it is.

    Raises
    ------
    CancelledError
        If `cancelled` said so before a batch.
    OutOfMemoryError
        If a batch does not fit.
    """
    depth = slices.shape[0]
    out = np.empty((depth, *slices.shape[2:]), dtype=np.float32)
    views = FLIP_AXES if tta else FLIP_AXES[:1]
    for start in range(0, depth, batch):
        if cancelled is not None and cancelled():
            raise CancelledError("The prediction was stopped.")
        piece = with_context(slices, start, min(start + batch, depth), context)
        total = np.zeros_like(out[start : start + batch])
        for axes in views:
            flipped = np.ascontiguousarray(np.flip(piece, axes)) if axes else piece
            total += np.flip(engine.logits(flipped), axes)
            if plain is not None and not axes:
                plain[start : start + batch] = total
        out[start : start + batch] = total / len(views)
        if progress is not None:
            progress(Progress("Predicting", min(start + batch, depth), depth))
    return out


def uncertainty_of(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Binary entropy in bits of a probability map, same shape, float32 in [0, 1]."""
    out = np.zeros_like(probability)
    # elsewhere the entropy is under 0.002 bits; most of a head is
    doubtful = (probability > 1e-4) & (probability < 1 - 1e-4)
    p = probability[doubtful]
    out[doubtful] = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return out


def sigmoid(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probability of logits divided by a temperature."""
    from scipy.special import expit

    scaled = logits if temperature == 1.0 else logits / np.float32(temperature)
    probability: NDArray[np.float32] = expit(scaled)
    return probability


def _with_recovery(
    engine: Engine,
    slices: NDArray[np.float32],
    context: int,
    fallback: Callable[[], Engine] | None,
    notes: list[str],
    *,
    tta: bool,
    plain: NDArray[np.float32] | None,
    progress: Callable[[Progress], None] | None,
    cancelled: Callable[[], bool] | None,
) -> tuple[NDArray[np.float32], Engine]:
    """Run; out of memory halves the batch, then goes on with the fallback, and notes it."""
    depth, channels, height, width = slices.shape
    shape = (channels * context, height, width)
    batch = min(engine.preferred_batch(shape), depth)
    while True:
        try:
            logits = infer_logits(
                engine, slices, batch=batch, context=context, tta=tta, plain=plain,
                progress=progress, cancelled=cancelled,
            )  # fmt: skip
        except OutOfMemoryError as error:
            if batch > 1:
                batch //= 2
                notes.append(f"Not enough memory on {engine.device}: {batch} slices at a time.")
            elif fallback is not None and engine.device != "cpu":
                notes.append(f"Not enough memory on {engine.device}. Went on with the CPU.")
                engine.close()
                engine = fallback()
                batch = min(engine.preferred_batch(shape), depth)
            else:
                raise ModelError(
                    f"Not enough memory on {engine.device} for a single slice of "
                    f"{height} x {width} pixels.",
                    "Close other programs, or choose a smaller model.",
                ) from error
        else:
            return logits, engine


def _refuse_without_flair(study: Study) -> None:
    if Modality.FLAIR not in study.image.modalities or Modality.FLAIR in study.missing_modalities:
        raise DataError(
            f"{study.patient} has no FLAIR: the lesion is defined on FLAIR, so no mask "
            "can be predicted.",
            "Add the FLAIR series, or say which one it is (Series in the window, --flair in the "
            "shell); or segment by hand from an empty mask.",
        )
