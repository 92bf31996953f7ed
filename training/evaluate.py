"""``python -m training evaluate``: measure a run's model on the run's own patients."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.formats import discover
from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.protocol import RunStarted, load_config
from napari_brainseg.core.segmentation.bundle import load_bundle, save_bundle
from napari_brainseg.core.segmentation.evaluation import evaluate_folders
from napari_brainseg.core.segmentation.evaluation_text import summary_lines
from training.measure import FOLDER, measure
from training.protocols import test_patients
from training.run_folder import EventTail

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.evaluation_results import Evaluation
    from napari_brainseg.core.segmentation.inference import Progress

__all__ = [
    "add_arguments",
    "main",
    "named_folders",
    "patients_at_hand",
    "run_bundle",
    "show_progress",
]

BEST, LAST = "checkpoints/best.pt", "checkpoints/last.pt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run_dir", type=Path, help="folder of the run")
    parser.add_argument("--data", type=Path, nargs="+", help="folders; the run's own if left out")
    parser.add_argument(
        "--part",
        choices=("validation", "test"),
        default="validation",
        help=f"which of the run's patients; figures and masks go to RUN_DIR/{FOLDER}",
    )
    parser.add_argument(
        "--patients", nargs="+", help="these instead; nothing is written to the run's folder"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--json", type=Path, help="write the figures here too")


def main(options: argparse.Namespace) -> int:
    """Measure, print a table, write JSON; returns the exit code."""
    try:
        config = load_config(options.run_dir / "config.json")
        found = patients_at_hand(config, options.data)
        with run_bundle(options.run_dir, config) as bundle:
            if options.patients:
                evaluation = evaluate_folders(
                    named_folders(options.patients, found), bundle,
                    device=options.device, progress=show_progress,
                )  # fmt: skip
            else:
                names = _patients(options.part, bundle, config, found)
                evaluation = measure(
                    options.run_dir, bundle, named_folders(names, found), options.part,
                    device=options.device, progress=show_progress,
                )  # fmt: skip
        if options.json is not None:
            write_atomically(options.json.absolute(), evaluation.to_json().encode())
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_table(evaluation))
    return 0


@contextlib.contextmanager
def run_bundle(run_dir: Path, config: RunConfig) -> Iterator[Bundle]:
    """Open a run's bundle; of an unfinished run, one made of a checkpoint.

    That is the best one so far where the run keeps the best, else the last.

    Raises
    ------
    ConfigError
        If the run has no checkpoint yet.
    """
    if (run_dir / "bundle").is_dir():
        yield load_bundle(run_dir / "bundle")
        return
    order = (BEST, LAST) if config.keep == "best" else (LAST,)
    path = next((run_dir / name for name in order if (run_dir / name).is_file()), None)
    if path is None:
        raise ConfigError(
            f"The run in {run_dir} has neither a model nor a checkpoint.", "Let it run longer."
        )
    import torch

    from napari_brainseg.core.segmentation.networks import build_network
    from training.data import recipe_of
    from training.publish import delivery

    base = load_bundle(config.base) if config.base is not None else None
    settings = delivery(config, base)
    preprocessing = settings.preprocessing
    if base is None:
        spec = settings.network
        with torch.device("meta"):  # its multiple is asked for, not its weights
            network = build_network(
                spec.name, in_channels=spec.in_channels, features=spec.features, **spec.options
            )
        recipe = recipe_of(config, network.multiple)
        preprocessing = preprocessing.model_copy(update={"parameters": recipe.parameters()})
    state = torch.load(path, map_location="cpu", weights_only=True)
    weights = state.get("ema", state)
    with tempfile.TemporaryDirectory() as folder:
        yield save_bundle(
            Path(folder) / "bundle",
            {key: value.numpy() for key, value in weights.items()},
            name=config.name,
            network=settings.network,
            preprocessing=preprocessing,
            training=_patients_so_far(run_dir, base),
            **settings.model_dump(include={"threshold", "postprocessing", "temperature"}),
        )


def _patients_so_far(run_dir: Path, base: Bundle | None) -> dict[str, list[str]]:
    """Patients of an unfinished run, as its events tell them."""
    starts = [e for e in EventTail(run_dir, skip=False).read() if isinstance(e, RunStarted)]
    if not starts:
        return {}
    seen = {*starts[-1].train_patients, *(base.train_patients if base is not None else ())}
    return {
        "train_patients": sorted(seen),
        "validation_patients": list(starts[-1].validation_patients),
    }


def _patients(
    part: str, bundle: Bundle, config: RunConfig, found: dict[str, StudyFolder]
) -> Sequence[str]:
    """Names of the run's own patients; those that were drawn are not drawn again."""
    if part == "test":
        names: Sequence[str] = test_patients(config, found)
    else:
        known = bundle.manifest.training.get("validation_patients")
        names = known or config.validation_patients or ()
    if not names:
        raise ConfigError(f"The run has no {part} patients.", "Name some with --patients.")
    return names


def patients_at_hand(
    config: RunConfig, data: Sequence[Path] | None = None
) -> dict[str, StudyFolder]:
    """Find patients by name in `data`, or where the run had them from.

    A correction stands in for its original, as in training.
    """
    roots = data or [*config.data, *([config.corrections] if config.corrections else ())]
    return {f.patient: f for root in roots for f in discover(Path(root)).folders}


def named_folders(names: Sequence[str], found: Mapping[str, StudyFolder]) -> list[StudyFolder]:
    """Pick patients by name out of what was found.

    Raises
    ------
    ConfigError
        Naming those that are not there.
    """
    absent = sorted(set(names) - set(found))
    if absent:
        raise ConfigError(
            f"Patients to measure are not in the data: {', '.join(absent)}.",
            "Give the folders they lie in with --data.",
        )
    return [found[name] for name in names]


def _table(evaluation: Evaluation) -> str:
    lines = [
        f"{result.patient}  DSC {result.dsc_native:.4f} native grid"
        for result in evaluation.patients
    ]
    return "\n".join([*lines, *summary_lines(evaluation)]) + "\n"


def show_progress(progress: Progress) -> None:
    """Keep one line of a terminal up to date; in a pipe nothing is written."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{progress.done}/{progress.total} {progress.stage:40s}")
        if progress.done == progress.total:
            sys.stderr.write("\n")
