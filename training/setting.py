"""What all trainings of a run share: device, network to start from, loss, preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.engines.torch_engine import load_network
from napari_brainseg.core.segmentation.networks import build_network, load_encoder_weights
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.augment import Augmentation
from training.data import recipe_of
from training.devices import build_fabric
from training.losses import build_loss
from training.publish import delivery

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from torch import nn

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.segmentation.bundle import Bundle, BundleManifest
    from napari_brainseg.core.segmentation.networks import SegmentationNetwork
    from napari_brainseg.core.segmentation.preprocessing import Recipe
    from training.losses.weighted import WeightedLoss

__all__ = ["Setting", "set_up"]


@dataclass(frozen=True, eq=False)
class Setting:
    """Made once for a run, before any data is read.

    Parameters
    ----------
    config : RunConfig
        Where there is a base model: with its network and preprocessing.
    fabric : Fabric
        Device and arithmetic.
    base : Bundle or None
        Model that the run starts from.
    recipe : Recipe
        Preprocessing.
    delivered : BundleManifest
        How masks are made of probabilities; see `delivery`.
    loss_of : Module
        Loss of logits and target.
    augmentation : Augmentation
        Random changes of slices.
    first_network : SegmentationNetwork
        Before the first step, on the CPU; see `network`.
    """

    config: RunConfig
    fabric: Fabric
    base: Bundle | None
    recipe: Recipe
    delivered: BundleManifest
    loss_of: WeightedLoss
    augmentation: Augmentation
    first_network: SegmentationNetwork

    @property
    def half(self) -> bool:
        """Whether arithmetic has 16 bits."""
        return bool(self.fabric.strategy.precision.precision != "32-true")

    def network(self) -> nn.Module:
        """Give a network of its own, as it is before the first step, on the device."""
        import copy

        network: nn.Module = copy.deepcopy(self.first_network).to(  # type: ignore[call-overload]
            device=self.fabric.device, memory_format=torch.channels_last
        )
        return network


def set_up(config: RunConfig) -> Setting:
    """Set up what `config` asks for; what can be wrong fails here, before data is read.

    Raises
    ------
    BrainSegError
        If device, base model, network or loss cannot be used.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    fabric = build_fabric(config)
    fabric.seed_everything(config.seed, verbose=False)
    base = load_bundle(config.base) if config.base is not None else None
    if base is not None:  # a child keeps its parent's network and preprocessing
        config = _like_parent(config, base)
        network = load_network(base)
    else:
        network = build_network(
            config.network,
            in_channels=3 * config.context_slices,
            features=config.features,
            **config.network_options,
        )
        if config.encoder_weights is not None:
            load_encoder_weights(network, config.encoder_weights)
    network.gradient_checkpointing = config.gradient_checkpointing
    return Setting(
        config=config,
        fabric=fabric,
        base=base,
        recipe=get_recipe(config.recipe, **base.manifest.preprocessing.parameters)
        if base is not None
        else recipe_of(config, network.multiple),
        delivered=delivery(config, base),
        loss_of=build_loss(config.loss),
        augmentation=Augmentation.of(config),
        first_network=network,
    )


def _like_parent(config: RunConfig, base: Bundle) -> RunConfig:
    spec, preprocessing = base.manifest.network, base.manifest.preprocessing
    return config.model_copy(
        update={
            "network": spec.name,
            "features": spec.features,
            "network_options": spec.options,
            "context_slices": preprocessing.context,
            "recipe": preprocessing.recipe,
        }
    )
