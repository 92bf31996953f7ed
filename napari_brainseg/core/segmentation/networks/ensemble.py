"""Several networks as one: the mean of their logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks import build_network
from napari_brainseg.core.segmentation.networks.base import SegmentationNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_brainseg.core.segmentation.bundle import NetworkSpec

__all__ = ["Ensemble", "network_of"]


class Ensemble(SegmentationNetwork):
    """Mean of the logits of networks that differ in their weights alone.

    In a state dict the weights of a member are ``members.<i>.<key>``. One graph, so engines,
    test-time augmentation, temperature and threshold treat it like any network. Members run one
    after another: inference takes the memory of one.

    Parameters
    ----------
    members : sequence of SegmentationNetwork
        One at least, all of the same class with the same arguments.

    References
    ----------
    nnU-Net v2 averages the logits of its folds like this: ``predict_logits_from_preprocessed_data``
    in github.com/MIC-DKFZ/nnUNet, nnunetv2/inference/predict_from_raw_data.py; Isensee et al.:
    nnU-Net. Nature Methods 18, 2021. doi 10.1038/s41592-020-01008-z
    """

    def __init__(self, members: Sequence[SegmentationNetwork]) -> None:
        first = members[0]
        super().__init__(first.in_channels, first.features)
        self.members = nn.ModuleList(members)
        self.multiple = first.multiple
        self.bytes_a_feature = first.bytes_a_feature

    def logits(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Mean logits (B, 1, H, W), fp32, of images (B, C, H, W).

        With deep supervision, while training: a tuple of the means of each output.
        """
        found = [self.step(self._of, member, x) for member in self.members]
        if isinstance(found[0], tuple):
            return tuple(_mean(heads) for heads in zip(*found, strict=True))
        return _mean(found)

    def _of(self, member: nn.Module, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        assert isinstance(member, SegmentationNetwork)
        return member.logits(x)


def network_of(spec: NetworkSpec) -> SegmentationNetwork:
    """Build what a bundle names, with random weights: a network, or an ensemble of several.

    Raises
    ------
    ConfigError
        If there is no such network or option.
    """
    members = [
        build_network(
            spec.name, in_channels=spec.in_channels, features=spec.features, **spec.options
        )
        for _ in range(spec.members)
    ]
    return members[0] if spec.members == 1 else Ensemble(members)


def _mean(logits: Sequence[Tensor]) -> Tensor:
    # 16-bit logits are summed in 32: five of bf16 would lose what their mean gains
    return torch.stack(tuple(logits)).mean(dim=0, dtype=torch.float32)
