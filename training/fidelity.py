"""``python -m training fidelity``: what fp16 weights and the engines of a CPU cost in DSC."""

from __future__ import annotations

import pickle
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.formats import discover, load_study, read_patient_list
from napari_brainseg.core.imaging import BrainSegError, DataError, ModelError
from napari_brainseg.core.segmentation.engines import EngineChoice, open_engine
from napari_brainseg.core.segmentation.inference import Progress, predict_with
from napari_brainseg.core.segmentation.metrics import dsc
from training.delivered import open_model
from training.evaluate import show_progress
from training.publish import STATE_DICT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.engines import Engine
    from napari_brainseg.core.segmentation.networks import SegmentationNetwork

__all__ = ["EngineLoss", "Fidelity", "PatientLoss", "add_arguments", "main", "measure_fidelity"]

MOST_LOST = 0.001
FULL = "Torch in fp32"
ROUNDED = "the same, fp16 weights"
"""Tells what the weights lose from what the arithmetic does."""


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PatientLoss(_Result):
    """A patient's native DSC as trained and as delivered."""

    patient: str
    dsc_full: float
    """With fp32 weights and fp32 arithmetic."""
    dsc_delivered: dict[str, float]
    """By engine."""
    voxels_full: int
    """Of the mask as trained."""
    voxels_differing: dict[str, int]
    """Voxels that the mask as delivered has alone or lacks, by engine."""


class EngineLoss(_Result):
    """What one engine loses on all patients; negative where it gains."""

    engine: str
    mean_lost: float
    worst_lost: float
    worst_patient: str
    mean_absolute: float
    """Mean difference whatever its sign."""
    voxels_differing: int


class Fidelity(_Result):
    """What a model as delivered loses against the weights as they were trained."""

    model: str
    weights: tuple[str, ...] = Field(description="Files of the fp32 weights")
    patients: tuple[PatientLoss, ...]
    dsc_full_mean: float
    engines: tuple[EngineLoss, ...]

    def to_json(self) -> str:
        """Write as indented JSON with a line end."""
        return self.model_dump_json(indent=2) + "\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", help="folder of a run or a bundle, or a bundled model's name")
    parser.add_argument(
        "--weights",
        type=Path,
        nargs="+",
        help=f"fp32 state dict; the run's {STATE_DICT} if left out. Of an ensemble: one file for "
        "each member, in their order",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of patients with masks")
    parser.add_argument("--patients", type=Path, help="text file with one name a line; else all")
    parser.add_argument("--json", type=Path, help="write the figures of each patient here")
    parser.add_argument(
        "--most",
        type=float,
        default=MOST_LOST,
        help="exit code 1 where an engine loses more DSC on average (default: %(default)s)",
    )


def main(options: argparse.Namespace) -> int:
    """Measure, print a table, write JSON; 1 if more is lost than may be."""
    try:
        bundle = open_model(options.model)
        found = discover(options.data)
        if options.patients is None:
            folders = tuple(folder for folder in found.folders if folder.has_masks)
        else:
            names = dict.fromkeys(read_patient_list(options.patients))
            folders = tuple(found.find(name) for name in names)
        fidelity = measure_fidelity(
            bundle, options.weights or _own_weights(bundle), folders, progress=show_progress
        )
        if options.json is not None:
            write_atomically(options.json.absolute(), fidelity.to_json().encode())
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_table(fidelity))
    lossy = [engine.engine for engine in fidelity.engines if not engine.mean_lost <= options.most]
    if lossy:
        sys.stderr.write(f"More than {options.most:g} is lost by {', '.join(lossy)}.\n")
    return int(bool(lossy))


def measure_fidelity(
    bundle: Bundle,
    weights: Sequence[Path],
    folders: Sequence[StudyFolder],
    *,
    progress: Callable[[Progress], None] | None = None,
) -> Fidelity:
    """Predict each patient with fp32 Torch and with each engine of the CPU, and compare.

    Temperature, threshold and postprocessing are the bundle's on both sides.

    Parameters
    ----------
    bundle : Bundle
        The model as delivered, fp16 weights.
    weights : sequence of Path
        State dict in fp32; of an ensemble one for the whole, or one for each member in order.
    folders : sequence of StudyFolder
        Patients with masks.
    progress : callable, optional
        Called before each patient, and once at the end.

    Raises
    ------
    DataError
        If there is no patient, or one has no masks or cannot be read.
    ModelError
        If the weights cannot be read, or the bundle's are not these, rounded.
    """
    without = [folder.patient for folder in folders if not folder.has_masks]
    if without or not folders:
        raise DataError(
            f"Patients without masks: {', '.join(without)}." if without else "There is no patient.",
            "Masks are needed to measure a loss of DSC.",
        )
    from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine

    full = TorchEngine(_full_network(bundle, weights), "cpu", half=False)
    engines = _delivered(bundle)
    results = []
    try:
        for done, folder in enumerate(folders):
            if progress is not None:
                progress(Progress(folder.patient, done, len(folders)))
            results.append(_compare(folder, bundle, full, engines))
    finally:
        for engine in (full, *engines.values()):
            engine.close()
    if progress is not None:
        progress(Progress("Done", len(folders), len(folders)))
    return Fidelity(
        model=bundle.version,
        weights=tuple(str(path) for path in weights),
        patients=tuple(results),
        dsc_full_mean=statistics.fmean(result.dsc_full for result in results),
        engines=tuple(_loss(name, results) for name in engines),
    )


def _delivered(bundle: Bundle) -> dict[str, Engine]:
    """Open every engine that may run the bundle on a CPU, by the name that users see.

    Before them: its weights in the arithmetic of the yardstick.
    """
    from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine, load_network

    choices = [EngineChoice("torch", "cpu", "")]
    if bundle.ir_path is not None:
        choices.insert(0, EngineChoice("openvino", "cpu", ""))
    engines = [open_engine(bundle, choice) for choice in choices]
    return {
        ROUNDED: TorchEngine(load_network(bundle), "cpu", half=False),
        **{engine.description: engine for engine in engines},
    }


def _compare(
    folder: StudyFolder, bundle: Bundle, full: Engine, engines: dict[str, Engine]
) -> PatientLoss:
    study = load_study(folder)
    assert study.truth is not None
    truth = study.truth.data
    trained = predict_with(full, study, bundle).mask
    masks = {name: predict_with(engine, study, bundle).mask for name, engine in engines.items()}
    return PatientLoss(
        patient=study.patient,
        dsc_full=dsc(trained, truth),
        dsc_delivered={name: dsc(mask, truth) for name, mask in masks.items()},
        voxels_full=int(trained.sum()),
        voxels_differing={name: int((mask != trained).sum()) for name, mask in masks.items()},
    )


def _loss(engine: str, results: Sequence[PatientLoss]) -> EngineLoss:
    lost = {result.patient: result.dsc_full - result.dsc_delivered[engine] for result in results}
    worst = max(lost, key=lambda patient: lost[patient])
    return EngineLoss(
        engine=engine,
        mean_lost=statistics.fmean(lost.values()),
        worst_lost=lost[worst],
        worst_patient=worst,
        mean_absolute=statistics.fmean(map(abs, lost.values())),
        voxels_differing=sum(result.voxels_differing[engine] for result in results),
    )


def _own_weights(bundle: Bundle) -> list[Path]:
    path = bundle.path.parent / STATE_DICT
    if not path.is_file():
        raise ModelError(
            f"There is no {path} beside the model.", "Give its fp32 weights with --weights."
        )
    return [path]


def _full_network(bundle: Bundle, weights: Sequence[Path]) -> SegmentationNetwork:
    """Build the bundle's network with fp32 weights, and make sure that they are the same."""
    import torch
    from safetensors.torch import load_file

    from napari_brainseg.core.segmentation.networks.ensemble import network_of

    states = [_state(path) for path in weights]
    state = states[0]
    if len(states) > 1:
        state = {f"members.{i}.{k}": v for i, one in enumerate(states) for k, v in one.items()}
    delivered = load_file(bundle.weights_path)
    # hidden by a good figure, the weights of another run would be compared with these
    same = state.keys() == delivered.keys() and all(
        # single numbers are stored as arrays of one
        torch.equal(value.to(delivered[key].dtype).flatten(), delivered[key].flatten())
        for key, value in state.items()
    )
    if not same:
        raise ModelError(
            f"{', '.join(map(str, weights))} and {bundle.version} are not the same weights.",
            f"Give the {STATE_DICT} of the run that made the model; of an ensemble those of its "
            "members, in the order of members in model.json.",
        )
    network = network_of(bundle.manifest.network)
    network.load_state_dict(state)
    return network.eval()


def _state(path: Path) -> dict[str, Any]:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"The weights {path} cannot be read: {str(error).splitlines()[0]}",
            f"It must be a plain state dict, as a run writes {STATE_DICT}.",
        ) from error
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise ModelError(
            f"{path} is no plain state dict.", f"Give the {STATE_DICT} that a run writes."
        )
    return state


def _table(fidelity: Fidelity) -> str:
    width = max(len(name) for name in (FULL, *(e.engine for e in fidelity.engines)))
    lines = [
        f"{fidelity.model}, {len(fidelity.patients)} patients, native DSC",
        f"{'':{width}}  mean DSC  mean lost  either way  worst lost  voxels that differ",
        f"{FULL:{width}}  {fidelity.dsc_full_mean:8.5f}",
    ]
    voxels = sum(patient.voxels_full for patient in fidelity.patients)
    for e in fidelity.engines:
        figures = (fidelity.dsc_full_mean - e.mean_lost, e.mean_lost, e.mean_absolute, e.worst_lost)
        columns = "".join(f"{n:{w}.5f}" for n, w in zip(figures, (10, 11, 12, 12), strict=True))
        differing = f"{e.voxels_differing} beside {voxels}, worst {e.worst_patient}"
        lines.append(f"{e.engine:{width}}{columns}  {differing}")
    return "".join(f"{line}\n" for line in lines)
