"""``python -m training export``: a bundle in other formats, each checked against Torch."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import BrainSegError, ConfigError, DataError, ModelError
from napari_brainseg.core.segmentation.bundle import CARD, load_bundle
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from napari_brainseg.core.segmentation.preprocessing.context import with_context
from training.agreement import FP32_TOLERANCE, compare, noise, onnx_logits, write_openvino
from training.export.description import INPUT, OUTPUT, describe, readme

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.networks import SegmentationNetwork
    from training.agreement import Agreement

    Inputs = Sequence[NDArray[np.float32]]

__all__ = ["FORMATS", "add_arguments", "export_bundle", "main"]

OPSET = 18
EXAMPLE_SIDE = 64
SAMPLE_PATIENTS = 3
SAMPLE_SLICES = 4
FILES = {
    "best_model.pth": "state dict for `torch.load(weights_only=True)`, fp32",
    "model.onnx": f"ONNX, operator set {OPSET}, fp32; `preprocessing.json` is in its metadata",
    "model.xml": "OpenVINO's intermediate representation",
    "model.bin": "its weights, fp16 where that agrees with Torch, else fp32",
    "preprocessing.json": "how to get from images to masks, for programs",
    CARD: "the model's card: data, figures, limits, licence of the weights",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("bundle", help="folder of a model, or a bundled model by name")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--format",
        default=",".join(FORMATS),
        help=f"which, separated by commas: {', '.join(FORMATS)}; all if left out",
    )
    parser.add_argument(
        "--samples", type=Path, help="patients to compare on too, in place of a synthetic one"
    )


def main(options: argparse.Namespace) -> int:
    """Export and print what the checks found; returns the exit code."""
    try:
        formats = [part.strip() for part in options.format.split(",") if part.strip()]
        bundle = load_bundle(options.bundle)
        found = export_bundle(bundle, options.out, formats, samples=options.samples)
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, agreement in found.items():
        sys.stdout.write(f"{name}: {agreement}\n")
    sys.stdout.write(f"{bundle.version} in {options.out}\n")
    return 0


def export_bundle(
    bundle: Bundle, destination: Path, formats: Sequence[str], *, samples: Path | None = None
) -> dict[str, Agreement]:
    """Write a bundle's network in other formats, as a whole: a temporary folder, then one rename.

    Parameters
    ----------
    bundle : Bundle
        The model.
    destination : Path
        Folder to make; it must not exist.
    formats : sequence of str
        Keys of `FORMATS`.
    samples : Path, optional
        Folder of patients whose slices are compared too; a synthetic patient if left out.

    Returns
    -------
    dict of str to Agreement
        Format to how far its logits are from Torch's.

    Raises
    ------
    ConfigError
        If a format is unknown, needs a package that is not installed, or `destination` exists.
    ModelError
        If the network cannot be written in a format, or says something else in it.
    DataError
        If `samples` holds no patient.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ConfigError(
            f"There is no format '{', '.join(unknown)}'.", f"Known: {', '.join(FORMATS)}."
        )
    if destination.exists():
        raise ConfigError(
            f"{destination} exists already; an export never overwrites.", "Choose another folder."
        )
    if "onnx" in formats:
        for library in ("onnx", "onnxruntime"):
            _library(library)
    from napari_brainseg.core.segmentation.engines.torch_engine import load_network

    network = load_network(bundle)
    inputs = [
        *noise(bundle.manifest.network.in_channels),
        *(_prepared(bundle, study) for study in _studies(samples)),
    ]
    destination.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".export-", dir=destination.parent))
    try:
        agreements = {
            name: _checked(bundle, network, name, staging, inputs)
            for name in dict.fromkeys(formats)
        }
        description = json.dumps(describe(bundle, agreements), indent=2, ensure_ascii=False)
        (staging / "preprocessing.json").write_text(description + "\n", encoding="utf-8")
        if (staging / "model.onnx").is_file():
            _annotate(staging / "model.onnx", description)
        if (bundle.path / CARD).is_file():
            shutil.copyfile(bundle.path / CARD, staging / CARD)
        files = {name: what for name, what in FILES.items() if (staging / name).is_file()}
        page = readme(json.loads(description), files)
        (staging / "README.md").write_text(page, encoding="utf-8")
        staging.chmod(0o755)
        staging.replace(destination)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return agreements


def _checked(
    bundle: Bundle,
    network: SegmentationNetwork,
    name: str,
    folder: Path,
    inputs: Inputs,
) -> Agreement:
    spec = bundle.manifest.network
    what = f"The network '{spec.name}' ({spec.features} features) of {bundle.version}"
    others = [other for other in FORMATS if other != name]
    try:
        agreement = FORMATS[name](bundle, network, folder, inputs)
    except BrainSegError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(
            f"{what} cannot be written as {name}: {type(error).__name__}: {reason}",
            f"Export the others with --format {','.join(others)}.",
        ) from error
    if not agreement.holds:
        raise ModelError(
            f"{what} says something else as {name}: {agreement}. Nothing was written.",
            f"Export the others with --format {','.join(others)}.",
        )
    return agreement


def _write_state_dict(
    bundle: Bundle, network: SegmentationNetwork, folder: Path, inputs: Inputs
) -> Agreement:
    import torch

    from napari_brainseg.core.segmentation.networks.ensemble import network_of

    path = folder / "best_model.pth"
    torch.save(dict(network.state_dict()), path)
    other = network_of(bundle.manifest.network)
    other.load_state_dict(torch.load(path, weights_only=True))
    other.eval()

    def logits_of(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            out: NDArray[np.float32] = other(torch.from_numpy(images)).numpy()
        return out

    return compare(network, logits_of, inputs, tolerance=0.0)


def _write_onnx(
    bundle: Bundle, network: SegmentationNetwork, folder: Path, inputs: Inputs
) -> Agreement:
    import torch

    path = folder / "model.onnx"
    example = torch.zeros(1, bundle.manifest.network.in_channels, EXAMPLE_SIDE, EXAMPLE_SIDE)
    free = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        # Torch's newer exporter gives the same graphs here, but takes 20 times as long and needs
        # two more packages; this one traces as OpenVINO's does
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: free, OUTPUT: free},
        )
    _library("onnx").checker.check_model(str(path), full_check=True)
    return compare(network, onnx_logits(path), inputs, tolerance=FP32_TOLERANCE)


def _write_openvino(
    bundle: Bundle, network: SegmentationNetwork, folder: Path, inputs: Inputs
) -> Agreement:
    in_channels = bundle.manifest.network.in_channels
    return write_openvino(network, folder / "model.xml", in_channels, inputs)


FORMATS = {"state-dict": _write_state_dict, "onnx": _write_onnx, "openvino": _write_openvino}
"""Format to what writes it into a folder, opens it again and compares."""


def _annotate(path: Path, description: str) -> None:
    onnx = _library("onnx")
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"preprocessing": description})
    onnx.save(model, path)


def _studies(samples: Path | None) -> Iterator[Study]:
    if samples is None:
        from napari_brainseg.core.dataset.phantom import phantom_study

        yield phantom_study(0, 0, slices=SAMPLE_SLICES, size=128)
        return
    folders = discover(samples).folders[:SAMPLE_PATIENTS]
    if not folders:
        raise DataError(f"There is no patient in {samples}.", "Give a folder of patients.")
    for folder in folders:
        yield load_study(folder)


def _prepared(bundle: Bundle, study: Study) -> NDArray[np.float32]:
    """Take slices from the middle of a study, as the network takes them."""
    spec = bundle.manifest.preprocessing
    recipe = get_recipe(spec.recipe, **spec.parameters)
    data = recipe.prepare(study.image.data, spacing_mm=study.image.geometry.spacing_mm).data
    start = max(0, (len(data) - SAMPLE_SLICES) // 2)
    return with_context(data, start, min(len(data), start + SAMPLE_SLICES), spec.context)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"Writing ONNX needs the package {name}, which is not installed.",
            'pip install "napari-brainseg[export]", or leave onnx out of --format.',
        ) from error
