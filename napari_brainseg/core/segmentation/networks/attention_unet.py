"""U-Net whose skip connections pass additive attention gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from napari_brainseg.core.segmentation.networks.unet import LEVELS, UNet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_brainseg.core.segmentation.networks.base import Option

__all__ = ["AttentionUNet"]


class AttentionUNet(UNet):
    """Attention U-Net: psi(ReLU(W_g g + W_x x)) weighs each pixel of the skip connection x.

    The gating signal g is the decoder's feature map after its transposed convolution; W_g, W_x
    and psi are 1x1 convolutions with batch norm; a sigmoid gives the weight. The gate is MONAI's
    ``AttentionBlock``, everything else the plain U-Net, so that a comparison with it tells of the
    gate alone.

    Parameters
    ----------
    in_channels, out_channels, features : int
        See `UNet`.

    References
    ----------
    Oktay et al.: Attention U-Net: learning where to look for the pancreas. MIDL 2018,
    arXiv 1804.03999
    """

    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {}

    def __init__(self, in_channels: int = 3, out_channels: int = 1, features: int = 32) -> None:
        # the import takes seconds: only those who want the network shall wait for it
        from monai.networks.nets.attentionunet import AttentionBlock

        super().__init__(in_channels, out_channels, features)
        self.gates = nn.ModuleList(
            AttentionBlock(spatial_dims=2, f_int=max(1, width // 2), f_g=width, f_l=width)
            for width in self.widths[:LEVELS]
        )

    def gate(self, level: int, x: Tensor, skip: Tensor) -> Tensor:
        """Weigh the encoder's feature maps by what the decoder looks for."""
        weighed: Tensor = self.gates[level - 1](x, skip)
        return weighed
