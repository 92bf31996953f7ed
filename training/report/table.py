"""The table of all runs: ``results.csv``, and its most telling columns on the page."""

from __future__ import annotations

import csv
import io
import statistics
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.reporting.page import Link
from training.report.words import with_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from training.report.measured import Measured
    from training.report.runs_on_disk import Run

__all__ = ["SHOWN", "results_csv", "row", "shown_rows"]

COLUMNS = (
    "loss", "optimiser", "weight decay", "schedule", "epoch", "val loss", "val DSC", "run",
    "outcome", "protocol", "network", "features", "network options", "parameters", "seed",
    "learning rate", "batch size", "epochs planned", "epochs done", "EMA", "preprocessing",
    "augmentation", "sampling", "context slices", "model kept", "train patients",
    "measured on", "patients", "mean DSC", "mean DSC low", "mean DSC high", "median DSC",
    "DSC reference", "DSC native", "HD95 voxels", "sensitivity", "precision", "volume error",
    "calibration error", "missed lesions", "test DSC", "DSC definition", "samples/s",
    "peak memory MiB", "peak GPU memory MiB", "wall seconds", "device", "precision of arithmetic",
    "what", "why",
)  # fmt: skip
SHOWN = (
    "run", "outcome", "mean DSC (95 % interval)", "loss", "optimiser", "weight decay", "schedule",
    "epoch", "val loss", "val DSC", "network", "parameters",
)  # fmt: skip


def results_csv(runs: Sequence[Run], measured: Mapping[str, Measured]) -> bytes:
    """Write one row a run, UTF-8 with a head; a cell is empty where a run has no such figure."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        writer.writerow({k: _cell(v) for k, v in row(run, measured.get(run.name)).items()})
    return text.getvalue().encode()


def row(run: Run, measured: Measured | None) -> dict[str, Any]:
    """Figures and settings of a run by column of `results_csv`."""
    config, chosen = run.config, run.chosen
    found: dict[str, Any] = dict.fromkeys(COLUMNS)
    found |= {
        "run": run.name,
        "outcome": run.outcome,
        "parameters": run.parameters,
        "epochs done": len(run.epochs),
        "samples/s": run.samples_per_second,
        "peak memory MiB": run.peak_memory_mb,
        "peak GPU memory MiB": run.peak_gpu_memory_mb,
        "wall seconds": run.wall_seconds,
    }
    if config is not None:
        found |= {
            "loss": config.loss,
            "optimiser": config.optimizer,
            "weight decay": config.weight_decay,
            "schedule": config.schedule,
            "network": config.network,
            "features": config.features,
            "network options": " ".join(f"{k}={v}" for k, v in config.network_options.items()),
            "seed": config.seed,
            "protocol": config.protocol,
            "learning rate": config.learning_rate,
            "batch size": config.batch_size,
            "epochs planned": config.epochs,
            "EMA": config.ema,
            "preprocessing": config.recipe,
            "augmentation": config.augmentation,
            "sampling": config.sampling,
            "context slices": config.context_slices,
            "model kept": config.keep,
            "what": config.what,
            "why": config.why,
        }
    if chosen is not None:
        found |= {
            "epoch": chosen.epoch,
            "val loss": chosen.validation_loss,
            "val DSC": chosen.validation_dsc,
        }
    if run.started is not None:
        found |= {
            "train patients": len(run.started.train_patients),
            "device": run.started.device,
            "precision of arithmetic": run.started.precision,
        }
    return found | (_measured(measured) if measured is not None else {})


def shown_rows(runs: Iterable[Run], measured: Mapping[str, Measured]) -> list[list[object]]:
    """Rows of the page's table, the columns of `SHOWN`; a run's name leads to its section."""
    rows: list[list[object]] = []
    for run in runs:
        one = measured.get(run.name)
        found = row(run, one) | {"run": Link(run.name, f"#run-{run.slug}")}
        if run.config is not None:
            found["network"] = f"{run.config.network} {run.config.features}"
        if one is not None:
            found["mean DSC (95 % interval)"] = with_interval(one.mean, one.figure.mean_interval)
        rows.append([_shown(column, found.get(column)) for column in SHOWN])
    return rows


def _measured(measured: Measured) -> dict[str, Any]:
    summary, figure = measured.evaluation.summary, measured.figure
    low, high = figure.mean_interval or (None, None)
    calibration = measured.evaluation.calibration
    return {
        "measured on": measured.part,
        "patients": len(measured.scores),
        "mean DSC": measured.mean,
        "mean DSC low": low,
        "mean DSC high": high,
        "median DSC": figure.median,
        "DSC reference": summary.dsc_reference.mean,
        "DSC native": summary.dsc_native.mean,
        "HD95 voxels": summary.hd95_vox.mean,
        "sensitivity": summary.sensitivity.mean,
        "precision": summary.precision.mean,
        "volume error": summary.relative_volume_error.mean,
        "calibration error": None if calibration is None else calibration.expected_error,
        "missed lesions": summary.missed_lesions,
        "test DSC": _test_dsc(measured),
        "DSC definition": measured.definition.removeprefix("dsc_"),
    }


def _test_dsc(measured: Measured) -> float | None:
    test = measured.run.evaluations.get("test")
    values = [] if test is None else [getattr(r, measured.definition) for r in test.patients]
    return statistics.fmean(values) if values and None not in values else None


def _cell(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def _shown(column: str, value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if column.startswith("val ") else f"{value:g}"
    if isinstance(value, int):
        return f"{value:,}"
    return value
