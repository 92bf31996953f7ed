"""``python -m training.represent FOLDER``: give an imported bundle OpenVINO's representation.

The session starts it: torch is not for the viewer's process, and neither are weights that nobody
has looked at. One line of JSON on stdout tells the end: ``fault`` and ``hint`` where the weights do
not fit the network, ``without`` where there is no representation, and why.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from napari_brainseg.core.imaging import BrainSegError, ModelError
from napari_brainseg.core.segmentation.bundle import IR, Bundle, load_bundle
from napari_brainseg.core.segmentation.bundle_check import count_values
from napari_brainseg.core.segmentation.engines.torch_engine import load_network
from napari_brainseg.core.segmentation.networks.ensemble import network_of
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.representation import checked_ir

__all__ = ["main", "represent"]


def represent(folder: Path) -> str:
    """Write ``model.xml`` and ``model.bin`` of a bundle; returns why there are none, or nothing.

    Parameters
    ----------
    folder : Path
        A checked bundle without them.

    Raises
    ------
    BrainSegError
        If this version knows no such network or recipe, or the weights do not fit.
    """
    bundle = load_bundle(folder)
    preprocessing = bundle.manifest.preprocessing
    get_recipe(preprocessing.recipe, **preprocessing.parameters)
    _refuse_another_size(bundle)
    network = load_network(bundle)
    with checked_ir(network, bundle.manifest.network.in_channels, folder.parent) as (write, fault):
        if write is not None:
            write(folder / IR)
    return fault


def _refuse_another_size(bundle: Bundle) -> None:
    """Count what the network would hold before memory is taken for it."""
    spec = bundle.manifest.network
    with torch.device("meta"):
        expected = sum(value.numel() for value in network_of(spec).state_dict().values())
    found = count_values(bundle.weights_path)
    if found != expected:
        raise ModelError(
            f"The weights hold {found} numbers, the network '{spec.name}' has {expected}.",
            "Ask those who made the model for a bundle that BrainSeg exported.",
        )


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    told = {"fault": "", "hint": "", "without": ""}
    try:
        told["without"] = represent(Path(arguments[0]))
    except BrainSegError as error:
        told.update(fault=error.message, hint=error.hint)
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if told["fault"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
