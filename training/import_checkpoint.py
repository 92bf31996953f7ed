"""``python -m training import``: a published checkpoint of the plain U-Net as a model bundle."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import BrainSegError, ModelError
from napari_brainseg.core.segmentation.bundle import (
    NetworkSpec,
    PreprocessingSpec,
    save_bundle,
)
from napari_brainseg.core.segmentation.postprocessing import Postprocessing

if TYPE_CHECKING:
    import argparse

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["add_arguments", "import_checkpoint", "main"]

FIRST_KERNEL = "encoder1.enc1conv1.weight"
CARD = """# Model card: {name}

Version `{{version}}`. **Not for diagnosis.** Imported from the checkpoint `{source}`, which
carries no record of its data, protocol or licence: ask whoever published it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("checkpoint", type=Path, help="state dict of the published U-Net")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle to make")
    parser.add_argument("--recipe", choices=("reference", "native"), default="reference")


def main(options: argparse.Namespace) -> int:
    """Import and print where the bundle is; returns the exit code."""
    try:
        bundle = import_checkpoint(options.checkpoint, options.out, recipe=options.recipe)
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{bundle.version} in {bundle.path}\n")
    return 0


def import_checkpoint(path: Path, destination: Path, *, recipe: str = "reference") -> Bundle:
    """Write a bundle from a state dict with the published keys.

    Parameters
    ----------
    path : Path
        File of ``torch.save``; only tensors are read from it, never code.
    destination : Path
        Folder of the bundle; it must not exist.
    recipe : str
        Preprocessing that the network was trained with.

    Raises
    ------
    ModelError
        If the file cannot be read safely, or holds another network.
    """
    import torch

    from napari_brainseg.core.segmentation.engines.ir import write_ir
    from napari_brainseg.core.segmentation.networks import UNet

    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"The checkpoint {path} cannot be read: {str(error).splitlines()[0]}",
            "It must be a plain state dict saved by torch.save; files that hold code are refused.",
        ) from error
    if not isinstance(state, dict) or FIRST_KERNEL not in state:
        raise ModelError(
            f"The checkpoint {path} is no plain U-Net: it has no {FIRST_KERNEL}.",
            "Only checkpoints with the published program's keys can be imported.",
        )
    features, in_channels = state[FIRST_KERNEL].shape[:2]
    network = UNet(in_channels=in_channels, features=features)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"The checkpoint {path} does not fit a U-Net with {features} features: {error}",
            "Only checkpoints with the published program's keys can be imported.",
        ) from error
    return save_bundle(
        destination,
        {key: value.numpy() for key, value in network.state_dict().items()},
        name=destination.name,
        card=CARD.format(name=destination.name, source=path.name),
        write_ir=lambda file: write_ir(network, file, in_channels=in_channels),
        network=NetworkSpec(features=features, in_channels=in_channels),
        preprocessing=PreprocessingSpec(recipe=recipe),
        postprocessing=Postprocessing(largest_component=True),
        training={"imported_from": path.name},
    )
