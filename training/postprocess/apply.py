"""A model with another way of making masks: a new bundle, the parent's weights bit for bit."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import ConfigError, ModelError
from napari_brainseg.core.segmentation.bundle import CARD, save_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from training.postprocess.search import Option

__all__ = ["apply_option", "refuse_destination"]


def refuse_destination(parent: Bundle, destination: Path) -> None:
    """Say early that a bundle cannot be written there.

    Raises
    ------
    ConfigError
        If `destination` exists, or has the parent's name: version and name would be the same.
    """
    if destination.exists():
        raise ConfigError(
            f"{destination} exists already; a model is never overwritten.", "Choose another name."
        )
    if destination.name == parent.name:
        raise ConfigError(
            f"The new model would be named '{parent.name}', as its parent {parent.version} is.",
            "Choose another name for its folder: weights and name make the version.",
        )


def apply_option(
    parent: Bundle,
    option: Option,
    destination: Path,
    *,
    temperature: float | None = None,
    metrics: Mapping[str, float],
    record: Mapping[str, Any],
    account: str,
) -> Bundle:
    """Write a bundle that differs from its parent in how masks are made of its logits alone.

    Parameters
    ----------
    parent : Bundle
        Its weights, OpenVINO representation and preprocessing are taken over.
    option : Option
        Threshold and steps.
    destination : Path
        Folder to make; its name becomes the model's.
    temperature : float, optional
        The parent's if left out.
    metrics : mapping of str to float
        Figures of the new model; the parent's do not hold for it.
    record : mapping
        How the option was chosen, for ``training.postprocessing`` of the manifest.
    account : str
        The same for the card (Markdown).

    Raises
    ------
    ConfigError
        If the folder cannot be taken; see `refuse_destination`.
    ModelError
        If the parent's weights are not stored in 16 bits, as bundles have them.
    """
    import numpy as np
    from safetensors.numpy import load_file

    refuse_destination(parent, destination)
    weights = load_file(parent.weights_path)
    wide = [k for k, v in weights.items() if v.dtype.kind == "f" and v.dtype != np.float16]
    if wide:
        raise ModelError(
            f"The weights of {parent.path} are not 16-bit ({wide[0]}); a copy would differ.",
            "Publish the model again with this version.",
        )
    manifest = parent.manifest
    ir = parent.ir_path

    def copy_ir(path: Path) -> None:
        assert ir is not None
        shutil.copyfile(ir, path)
        shutil.copyfile(ir.with_suffix(".bin"), path.with_suffix(".bin"))

    return save_bundle(
        destination,
        weights,
        name=destination.name,
        card=_card(parent, account),
        write_ir=None if ir is None else copy_ir,
        network=manifest.network,
        preprocessing=manifest.preprocessing,
        temperature=manifest.temperature if temperature is None else temperature,
        threshold=option.threshold,
        postprocessing=option.steps,
        metrics=dict(metrics),
        parent=parent.version,
        training={**manifest.training, "postprocessing": dict(record)},
    )


def _card(parent: Bundle, account: str) -> str:
    head = f"""# Model card

Version `{{version}}`: the weights of `{parent.version}`, bit for bit, with another way of making
masks of its probabilities. **Not for diagnosis.**

{account}"""
    path = parent.path / CARD
    if not path.is_file():
        return head
    note = "What follows is its parent's card; figures there are the parent's."
    return f"{head}\n{note}\n\n{path.read_text(encoding='utf-8')}"
