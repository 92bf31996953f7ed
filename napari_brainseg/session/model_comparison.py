"""What differs between two model versions: settings, data, figures, and the gates between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.segmentation.postprocessing import Postprocessing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.model_log import GateNote

__all__ = ["Difference", "ModelComparison", "compare_bundles"]

_OF_THE_MASK = ("network", "preprocessing", "temperature", "threshold", "postprocessing")
"""Fields of ``model.json`` that decide, with the weights, what mask comes out."""
_NOT_SETTINGS = frozenset(
    (
        "name", "what", "why", "threads", "current", "locked",
        "train_patients", "validation_patients", "replay_patients",
        "recipe", "context_slices", "network", "features", "network_options", "temperature",
        "threshold", *Postprocessing.model_fields,
    )
)  # fmt: skip
"""Fields of a run's config that change nothing of the model, or are told elsewhere."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs; `None` where a version has no such thing.

    Parameters
    ----------
    key : str
        Dotted name, such as ``config.learning_rate``.
    a, b : Any
        Of the first and of the second version.
    """

    key: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Two versions side by side.

    Parameters
    ----------
    a, b : str
        Versions.
    config : tuple of Difference
        Settings that differ.
    metrics : tuple of Difference
        All figures that one of them has, alike or not.
    added, removed : tuple of str
        Patients that only `b`, or only `a`, was trained on, ancestors included.
    recorrected : tuple of str
        Patients that both were trained on, with different masks.
    same_data : bool or None
        Whether both runs had the same data by its hash; `None` where that is not recorded.
    gates : tuple of GateNote
        Between the two, in either direction, the oldest first.
    """

    a: str
    b: str
    config: tuple[Difference, ...]
    metrics: tuple[Difference, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    recorrected: tuple[str, ...]
    same_data: bool | None
    gates: tuple[GateNote, ...]


def compare_bundles(a: Bundle, b: Bundle, gates: Iterable[GateNote] = ()) -> ModelComparison:
    """Compare what two bundles say of themselves.

    Parameters
    ----------
    a, b : Bundle
    gates : iterable of GateNote
        Those between other versions are left out.
    """
    settings_a, settings_b = _settings(a), _settings(b)
    figures_a, figures_b = a.manifest.metrics, b.manifest.metrics
    learnt_a, learnt_b = set(a.train_patients), set(b.train_patients)
    masks_a: Mapping[str, str] = a.manifest.training.get("mask_sha256", {})
    masks_b: Mapping[str, str] = b.manifest.training.get("mask_sha256", {})
    data_a = a.manifest.training.get("data_sha256")
    data_b = b.manifest.training.get("data_sha256")
    pair = {a.version, b.version}
    return ModelComparison(
        a=a.version,
        b=b.version,
        config=tuple(d for d in _differences(settings_a, settings_b) if d.a != d.b),
        metrics=tuple(_differences(figures_a, figures_b)),
        added=tuple(sorted(learnt_b - learnt_a)),
        removed=tuple(sorted(learnt_a - learnt_b)),
        recorrected=tuple(
            sorted(p for p in masks_a.keys() & masks_b.keys() if masks_a[p] != masks_b[p])
        ),
        same_data=None if data_a is None or data_b is None else data_a == data_b,
        gates=tuple(g for g in gates if {g.candidate, g.current} == pair),
    )


def _settings(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest.model_dump(mode="json", include=set(_OF_THE_MASK))
    run = {
        key: value
        for key, value in bundle.manifest.training.get("config", {}).items()
        if key not in _NOT_SETTINGS
    }
    return dict(_flat({**manifest, "config": run}))


def _flat(content: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{head}{key}.")
        else:
            yield f"{head}{key}", value


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for key in sorted(a.keys() | b.keys()):
        yield Difference(key, a.get(key), b.get(key))
