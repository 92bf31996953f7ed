"""A run's network as a model bundle, with its card, and as a plain state dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_brainseg.core.segmentation.bundle import (
    BundleManifest,
    NetworkSpec,
    PreprocessingSpec,
    save_bundle,
)
from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from training.card import model_card
from training.checkpoints import save_atomically
from training.representation import checked_ir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.preprocessing import Recipe

__all__ = ["STATE_DICT", "delivery", "publish"]

STATE_DICT = "best_model.pth"


def delivery(config: RunConfig, base: Bundle | None) -> BundleManifest:
    """How masks are made of images: as the base model does, else as the config says.

    Only network, preprocessing, threshold, temperature and postprocessing of the result mean
    anything; the recipe's parameters are those of the recipe, not written here. A dense CRF is not
    handed down: validation while training has no image at hand to run it on.
    """
    if base is not None:
        steps = base.manifest.postprocessing.model_copy(update={"dense_crf": 0.0})
        return base.manifest.model_copy(update={"postprocessing": steps})
    return BundleManifest(
        name="-",
        version="-",
        created="-",
        network=NetworkSpec(
            name=config.network,
            in_channels=3 * config.context_slices,
            features=config.features,
            options=config.network_options,
        ),
        preprocessing=PreprocessingSpec(recipe=config.recipe, context=config.context_slices),
        temperature=config.temperature,
        threshold=config.threshold,
        postprocessing=Postprocessing(
            opening_vox=config.opening_vox,
            closing_vox=config.closing_vox,
            fill_holes=config.fill_holes,
            minimum_size_vox=config.minimum_size_vox,
            spared_share=config.spared_share,
            largest_component=config.largest_component,
        ),
    )


def publish(
    destination: Path,
    network: nn.Module,
    config: RunConfig,
    recipe: Recipe,
    *,
    base: Bundle | None,
    train_patients: tuple[str, ...],
    validation_patients: tuple[str, ...],
    data_sha256: str,
    epoch: int,
    metrics: dict[str, float],
    image_sha256: Mapping[str, str] | None = None,
    mask_sha256: Mapping[str, str] | None = None,
    interpolation: float = 1.0,
    inner_folds: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write `network` as a bundle; see `save_bundle`. Beside it: its state dict, `STATE_DICT`.

    A network of which OpenVINO makes nothing, or something that does not say what Torch says, is
    published without OpenVINO's representation; the card tells. The patients of the base model
    count as trained on too: what it has seen, its children have; hashes are handed down alike.

    Parameters
    ----------
    destination : Path
        Folder to make.
    network : Module
        Left on the CPU.
    config : RunConfig
        Of the run.
    recipe : Recipe
        Preprocessing.
    base : Bundle or None
        Model that the run started from.
    train_patients, validation_patients : tuple of str
        Of this run.
    data_sha256 : str
        Of its data.
    epoch : int
        Whose weights these are.
    metrics : dict
        Figures by name.
    image_sha256, mask_sha256 : mapping of str to str, optional
        Of the training patients.
    interpolation : float
        Share of the new weights, the base model's being the rest.
    inner_folds : mapping, optional
        What the inner folds found.

    Raises
    ------
    ModelError
        If `destination` exists, or the disk is full.
    """
    seen = sorted({*train_patients, *(base.train_patients if base else ())})
    spec = delivery(config, base)
    state = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    state = {k: v.float() if v.is_floating_point() else v.clone() for k, v in state.items()}
    save_atomically(state, destination.parent / STATE_DICT)
    with checked_ir(network, spec.network.in_channels, destination.parent) as (write_ir, fault):
        return save_bundle(
            destination,
            {key: value.numpy() for key, value in state.items()},
            name=config.name,
            card=model_card(
                config,
                spec,
                parent=base.version if base else None,
                train_patients=train_patients,
                validation_patients=validation_patients,
                epoch=epoch,
                metrics=metrics,
                openvino_fault=fault,
                interpolation=interpolation,
                inner_folds=inner_folds,
            ),
            write_ir=write_ir,
            network=spec.network,
            preprocessing=PreprocessingSpec(
                recipe=recipe.name,
                parameters=recipe.parameters(),
                context=spec.preprocessing.context,
            ),
            metrics=metrics,
            parent=base.version if base else None,
            training={
                "train_patients": seen,
                "own_train_patients": list(train_patients),
                "validation_patients": list(validation_patients),
                "data_sha256": data_sha256,
                "epoch": epoch,
                "config": config.model_dump(
                    mode="json", exclude={"data", "corrections", "base", "current", "locked"}
                ),
                "replay_patients": sorted(config.replay_patients),
                "interpolation": interpolation,
                "inner_folds": dict(inner_folds or {}),
                "image_sha256": _handed_down(base, "image_sha256", image_sha256),
                "mask_sha256": _handed_down(base, "mask_sha256", mask_sha256),
            },
            **spec.model_dump(include={"threshold", "postprocessing", "temperature"}),
        )


def _handed_down(base: Bundle | None, key: str, own: Mapping[str, str] | None) -> dict[str, str]:
    before = base.manifest.training.get(key, {}) if base else {}
    return {**before, **(own or {})}
