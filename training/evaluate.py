"""``python -m training evaluate``: measure a run's model on the run's own validation patients."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.formats import discover
from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.protocol import load_config
from napari_brainseg.core.segmentation.bundle import (
    Bundle,
    NetworkSpec,
    PreprocessingSpec,
    load_bundle,
    save_bundle,
)
from napari_brainseg.core.segmentation.evaluation import evaluate_folders

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.inference import Progress

__all__ = ["add_arguments", "main", "run_bundle"]

CHECKPOINTS = ("checkpoints/best.pt", "checkpoints/last.pt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, help="folder of the run")
    parser.add_argument("--data", type=Path, nargs="+", help="folders; the run's own if left out")
    parser.add_argument("--patients", nargs="+", help="the run's validation patients if left out")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", type=Path, help="write the figures here")


def main(options: argparse.Namespace) -> int:
    """Measure, print a table, write JSON; returns the exit code."""
    try:
        stored = options.run_dir / "config.json"
        config = load_config(stored)
        roots = options.data or config.data
        patients = options.patients or config.validation_patients
        with run_bundle(options.run_dir, config) as bundle:
            names = patients or bundle.manifest.training.get("validation_patients")
            if not names:
                raise ConfigError(
                    f"The run in {options.run_dir} had no validation patients.",
                    "Name some with --patients.",
                )
            found = {f.patient: f for root in roots for f in discover(Path(root)).folders}
            absent = sorted(set(names) - set(found))
            if absent:
                raise ConfigError(
                    f"Patients to measure are not in the data: {', '.join(absent)}.",
                    "Give the folders they lie in with --data.",
                )
            evaluation = evaluate_folders(
                [found[name] for name in names], bundle, device=options.device, progress=_show
            )
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for result in evaluation.patients:
        sys.stdout.write(f"{result.patient}  DSC {result.dsc_native:.4f} native grid\n")
    mean = evaluation.summary.dsc_native.mean
    sys.stdout.write(f"mean DSC {mean:.4f} of {len(evaluation.patients)} patients\n")
    if options.json is not None:
        write_atomically(options.json.absolute(), evaluation.to_json().encode())
    return 0


@contextlib.contextmanager
def run_bundle(run_dir: Path, config: RunConfig) -> Iterator[Bundle]:
    """Open a run's bundle; of an unfinished run, one made of its best or last checkpoint.

    Raises
    ------
    ConfigError
        If the run has no checkpoint yet.
    """
    if (run_dir / "bundle").is_dir():
        yield load_bundle(run_dir / "bundle")
        return
    path = next((run_dir / name for name in CHECKPOINTS if (run_dir / name).is_file()), None)
    if path is None:
        raise ConfigError(
            f"The run in {run_dir} has neither a model nor a checkpoint.", "Let it run longer."
        )
    import torch

    state = torch.load(path, weights_only=True)
    weights = state.get("ema", state)
    network, preprocessing = (
        NetworkSpec(features=config.features),
        PreprocessingSpec(recipe=config.recipe),
    )
    if config.base is not None:
        base = load_bundle(config.base).manifest
        network, preprocessing = base.network, base.preprocessing
    with tempfile.TemporaryDirectory() as folder:
        yield save_bundle(
            Path(folder) / "bundle",
            {key: value.numpy(force=True) for key, value in weights.items()},
            name=config.name,
            network=network,
            preprocessing=preprocessing,
            training={"validation_patients": list(config.validation_patients or ())},
        )


def _show(progress: Progress) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{progress.done}/{progress.total} {progress.stage:40s}")
        if progress.done == progress.total:
            sys.stderr.write("\n")
