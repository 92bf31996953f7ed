"""``python -m training ensemble``: models that differ in their weights alone, as one bundle."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_brainseg.core.dataset.splits import same_person
from napari_brainseg.core.imaging import BrainSegError, ConfigError
from napari_brainseg.core.segmentation.bundle import save_bundle
from training.delivered import differing, open_model, way_to_the_mask
from training.representation import checked_ir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.segmentation.bundle import Bundle

__all__ = ["add_arguments", "build_ensemble", "main"]

NO_IR = "it was left out on request; the Torch engine runs it on a CPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="folders of models or of runs, two at least"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle to make")
    parser.add_argument("--name", help="of the model; the folder's if left out")
    parser.add_argument(
        "--ir",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with OpenVINO's representation: twice the size, faster on most CPUs",
    )


def main(options: argparse.Namespace) -> int:
    """Build the bundle and print where it is; returns the exit code."""
    try:
        members = [open_model(source) for source in options.sources]
        name = options.name or options.out.name
        bundle = build_ensemble(members, options.out, name=name, ir=options.ir)
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{bundle.version} in {bundle.path}\n")
    return 0


def build_ensemble(
    members: Sequence[Bundle], destination: Path, *, name: str, ir: bool = True
) -> Bundle:
    """Write a bundle whose logits are the mean of those of its members; see `Ensemble`.

    Parameters
    ----------
    members : sequence of Bundle
        Two at least, alike but for their weights.
    destination : Path
        Folder to make.
    name : str
        Of the model.
    ir : bool
        Write OpenVINO's representation, where it says what Torch says.

    Returns
    -------
    Bundle
        Its training patients are those of all members; its validation patients those whom a member
        was validated on and none was trained on. It has no figures: those of its members are not
        its own.

    Raises
    ------
    ConfigError
        If there are too few members, one is given twice or is an ensemble itself, they differ in
        more than weights, or `destination` exists.
    ModelError
        If a member's weights do not fit its network.
    """
    _refuse(members, destination)
    from napari_brainseg.core.segmentation.engines.torch_engine import load_network
    from napari_brainseg.core.segmentation.networks.ensemble import Ensemble

    network = Ensemble([load_network(member) for member in members]).eval()
    manifest = members[0].manifest
    spec = manifest.network.model_copy(update={"members": len(members)})
    learnt = sorted({patient for member in members for patient in member.train_patients})
    validated = {p for m in members for p in m.manifest.training.get("validation_patients", ())}
    destination.parent.mkdir(parents=True, exist_ok=True)
    with (
        checked_ir(network, spec.in_channels, destination.parent)
        if ir
        else contextlib.nullcontext((None, NO_IR)) as (write_ir, without)
    ):
        return save_bundle(
            destination,
            {key: value.numpy() for key, value in network.state_dict().items()},
            name=name,
            card=_card(members, name, len(learnt), without),
            write_ir=write_ir,
            network=spec,
            preprocessing=manifest.preprocessing,
            temperature=manifest.temperature,
            threshold=manifest.threshold,
            postprocessing=manifest.postprocessing,
            training={
                "train_patients": learnt,
                "validation_patients": sorted(p for p in validated if not same_person(p, learnt)),
                "members": [member.version for member in members],
            },
        )


def _refuse(members: Sequence[Bundle], destination: Path) -> None:
    if destination.exists():
        raise ConfigError(
            f"{destination} exists already; a model is never overwritten.", "Choose another folder."
        )
    if len(members) < 2:
        raise ConfigError(f"{len(members)} model is no ensemble.", "Give two models at least.")
    versions = [member.version for member in members]
    twice = sorted({version for version in versions if versions.count(version) > 1})
    if twice:
        raise ConfigError(f"{', '.join(twice)} is given twice.", "Give each model once.")
    for member in members:
        if member.manifest.network.members > 1:
            raise ConfigError(
                f"{member.version} is an ensemble itself, so its members would count less than "
                "the others.",
                "Give its members: model.json names them.",
            )
    told = differing({member.version: way_to_the_mask(member.manifest) for member in members})
    if told:
        raise ConfigError(
            f"The models differ in more than their weights: {'; '.join(told)}.",
            "Average models that make their masks in one way; train or postprocess them alike.",
        )


def _card(members: Sequence[Bundle], name: str, patients: int, without_ir: str) -> str:
    network = members[0].manifest.network
    rows = "\n".join(
        f"| `{member.version}` | {len(member.train_patients)} | {_figures(member)} |"
        for member in members
    )
    note = f"\n- Without OpenVINO representation: {without_ir}." if without_ir else ""
    return f"""# Model card: {name}

Version `{{version}}`. **Not for diagnosis.** Research use: support for a human reader who checks
and corrects every mask.

- What it is: {len(members)} networks (`{network.name}`, {network.features} features) whose logits
  are averaged, as nnU-Net v2 averages its folds; temperature, threshold and postprocessing are
  those of each of them. It takes {len(members)} times as long as one.
- Training patients: {patients}, those of all members. A patient held out from one member was seen
  by others: measure the ensemble on patients whom none has seen. Names in `model.json`.{note}

| member | training patients | figures of its own run |
|---|---|---|
{rows}

Figures are those of each member alone, on the patients held out from it; they are not the
ensemble's.

## Licence of the weights

That of its members' weights; the code's licence (Apache-2.0) does not extend to them. Weights
trained on patients named `TCGA_*`: CC BY-NC-SA 4.0, not for commercial use.
"""


def _figures(member: Bundle) -> str:
    metrics = sorted(member.manifest.metrics.items())
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics) or "none"
