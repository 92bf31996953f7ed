"""The folds of a cross-validation as runs: planned, or found trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.splits import same_person
from napari_brainseg.core.formats import discover
from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import load_config, parse_config
from napari_brainseg.core.protocol.run_folder import BUNDLE, CONFIG, RUNNING
from training.experiments.attempt import Attempt, Fault
from training.experiments.suite import absolute, rebased

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["fold_attempts", "fold_notes", "seen_by_base", "trained_folds"]

CHOSEN = (
    "The best epoch of each fold was chosen on the patients that the fold is measured with, so the "
    "figures flatter; --keep last makes no choice."
)


def fold_attempts(file: Path | None, flags: Mapping[str, object]) -> tuple[Attempt, ...]:
    """Make a run of each fold; the last epoch is kept unless the best is asked for."""
    if "fold" in flags:
        raise ConfigError(
            "cross-validate runs every fold, so it takes no --fold.", "Run a single one with fit."
        )
    given = {"protocol": "k-fold", **flags}
    config = load_config(file, **given) if file is not None else parse_config(given)
    if config.protocol != "k-fold":
        raise ConfigError(
            f"cross-validate has the k-fold protocol, not {config.protocol}.",
            "Leave the protocol out.",
        )
    changes: dict[str, object] = {"data": tuple(absolute(root) for root in config.data)}
    for key in ("corrections", "base", "encoder_weights", "cache"):
        if isinstance(path := getattr(config, key), Path):
            changes[key] = Path(rebased(key, str(path), Path.cwd()))
    if "keep" not in config.model_fields_set:
        changes["keep"] = "last"
    config = config.model_copy(update=changes)
    return tuple(
        Attempt(
            f"fold-{fold}",
            config.model_copy(
                update={
                    "fold": fold,
                    "name": f"{config.name}-fold-{fold}",
                    "what": config.what or f"Fold {fold} of {config.folds}.",
                }
            ),
        )
        for fold in range(1, config.folds + 1)
    )


def trained_folds(folder: Path) -> tuple[Attempt, ...]:
    """Find the finished runs of the folds in a folder, whatever command made them."""
    runs = {
        path.parent: load_config(path)
        for path in sorted(folder.glob(f"*/{CONFIG}"))
        if (path.parent / BUNDLE).is_dir()
    }
    attempts = sorted(
        (Attempt(path.name, c) for path, c in runs.items() if c.protocol == "k-fold"),
        key=lambda attempt: attempt.config.fold,
    )
    numbers = [attempt.config.fold for attempt in attempts]
    wanted = list(range(1, attempts[0].config.folds + 1)) if attempts else []
    if not attempts or numbers != wanted:
        raise ConfigError(
            f"{folder} does not hold each fold of one cross-validation once: found the folds "
            f"{', '.join(map(str, numbers)) or 'none'}.",
            "Train what is missing, and move away what is of another one.",
        )
    own = {"name", "what", "why", "fold", *RUNNING}
    first = attempts[0].config.model_dump(exclude=own)
    for attempt in attempts[1:]:
        other = attempt.config.model_dump(exclude=own)
        if differing := [key for key in first if first[key] != other[key]]:
            raise ConfigError(
                f"The folds {attempts[0].name} and {attempt.name} in {folder} were trained with "
                f"other values of {', '.join(differing)}.",
                "Folds can be pooled only where they differ in the patients alone.",
            )
    return tuple(attempts)


def seen_by_base(attempts: Sequence[Attempt]) -> list[Fault]:
    """Refuse a base model that has seen patients which a fold would measure it with."""
    config = attempts[0].config
    if config.base is None or not (config.base / "model.json").is_file():
        return []
    from napari_brainseg.core.segmentation.bundle import load_bundle

    learnt = load_bundle(config.base, verify=False).train_patients
    roots = [root for root in config.data if root.is_dir()]
    seen = [f.patient for root in roots for f in discover(root).folders
            if same_person(f.patient, learnt)]  # fmt: skip
    text = f"The base model was trained on {len(seen)} of the patients: {', '.join(seen)}."
    return [Fault("", text)] if seen else []


def fold_notes(attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """Say what a reader of the figures should know."""
    config = attempts[0].config
    notes = [CHOSEN] if config.keep == "best" or config.early_stopping is not None else []
    if config.lock_reference:
        notes.append("The ten reference patients are left out of all folds (lock_reference).")
    return tuple(notes)
