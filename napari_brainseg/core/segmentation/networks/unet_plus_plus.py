"""UNet++: nested U-Nets, one in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.networks.base import Option, SegmentationNetwork
from napari_brainseg.core.segmentation.networks.blocks import ACTIVATIONS, NORMS, conv_block

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNetPlusPlus"]

LEVELS = 4


class UNetPlusPlus(SegmentationNetwork):
    """UNet++: node (level, column) sees all nodes of its level to its left and one from below.

    Column 0 is the encoder; the nodes of level 0 in columns 1 to 4 end U-Nets of depth 1 to 4.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    features : int
        Feature maps of level 0; each level doubles them. The paper has 32.
    norm : {'batch', 'instance', 'group'}
        Normalisation after each convolution.
    activation : {'relu', 'leaky-relu', 'gelu', 'silu'}
        Activation after each normalisation.
    deep_supervision : bool
        A head on each nested U-Net. While training all logits are given, the deepest U-Net's
        first; else the mean of all of them. Without it: one head, on the deepest.
    prune : {0, 1, 2, 3, 4}
        Keep the nested U-Net of this depth alone and give the logits of its head; weights of the
        whole network load into it. 0 keeps the whole network and the mean of its heads.

    Raises
    ------
    ConfigError
        If a network without deep supervision is to be pruned: it has no heads to cut at.

    References
    ----------
    Zhou et al.: UNet++: redesigning skip connections to exploit multiscale features in image
    segmentation. IEEE Transactions on Medical Imaging 39, 2020. doi 10.1109/TMI.2019.2959609
    """

    multiple = 2**LEVELS
    bytes_a_feature = 80
    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {
        "norm": NORMS,
        "activation": ACTIVATIONS,
        "deep_supervision": (False, True),
        "prune": (0, 1, 2, 3, 4),
    }

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        features: int = 32,
        *,
        norm: str = "batch",
        activation: str = "relu",
        deep_supervision: bool = False,
        prune: int = 0,
    ) -> None:
        if prune and not deep_supervision:
            raise ConfigError(
                f"A UNet++ with a single output cannot be pruned to depth {prune}.",
                "Train it with deep_supervision=true, or leave prune out.",
            )
        super().__init__(in_channels, features)
        self.depth = prune or LEVELS
        self.pruned = bool(prune)
        widths = [features * 2**level for level in range(LEVELS + 1)]
        self.pool = nn.MaxPool2d(2)
        self.nodes = nn.ModuleDict()
        self.ups = nn.ModuleDict()
        for column in range(self.depth + 1):
            for level in range(self.depth + 1 - column):
                width = widths[level]
                if column:
                    channels = (column + 1) * width
                    self.ups[f"{level}_{column}"] = nn.ConvTranspose2d(
                        widths[level + 1], width, 2, stride=2
                    )
                else:
                    channels = widths[level - 1] if level else in_channels
                self.nodes[f"{level}_{column}"] = conv_block(
                    channels, width, norm=norm, activation=activation
                )
        columns = range(1, self.depth + 1) if deep_supervision else (LEVELS,)
        self.heads = nn.ModuleDict({str(c): nn.Conv2d(features, out_channels, 1) for c in columns})
        if prune:
            self.register_load_state_dict_pre_hook(_drop_cut_nodes)  # type: ignore[no-untyped-call]

    def logits(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (B, out_channels, H, W) of images (B, in_channels, H, W); see the class."""
        rows: list[list[Tensor]] = []
        for depth in range(self.depth + 1):  # each turn deepens the nested U-Nets by one level
            below = self.step(self._encode, depth, rows[-1][0] if rows else x)
            rows.append([below])
            for level in range(depth - 1, -1, -1):
                below = self.step(self._join, level, below, *rows[level])
                rows[level].append(below)
        if self.training and len(self.heads) > 1:
            return tuple(self._head(column, rows[0]) for column in range(self.depth, 0, -1))
        if self.pruned:
            return self._head(self.depth, rows[0])
        logits = [self._head(int(column), rows[0]) for column in self.heads]
        return torch.stack(logits).mean(dim=0)

    def _head(self, column: int, row: list[Tensor]) -> Tensor:
        logits: Tensor = self.heads[str(column)](row[column])
        return logits

    def _encode(self, level: int, x: Tensor) -> Tensor:
        out: Tensor = self.nodes[f"{level}_0"](self.pool(x) if level else x)
        return out

    def _join(self, level: int, below: Tensor, *left: Tensor) -> Tensor:
        name = f"{level}_{len(left)}"
        out: Tensor = self.nodes[name](torch.cat((*left, self.ups[name](below)), dim=1))
        return out


def _drop_cut_nodes(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Take out of a whole network's state what the pruned `module` has not."""
    own = {prefix + key for key in module.state_dict()}
    kinds = tuple(prefix + kind for kind in ("nodes.", "ups.", "heads."))
    for key in [key for key in state if key.startswith(kinds) and key not in own]:
        del state[key]
