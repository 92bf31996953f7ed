"""What every network has in common: any input size, logits out, checkpointing of activations."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Option", "SegmentationNetwork", "tracing"]

Option = bool | int | float | str


class SegmentationNetwork(nn.Module):
    """Base of all networks: logits (B, 1, H, W) of images (B, C, H, W) of any height and width.

    A subclass gives `multiple`, `OPTIONS` and `logits`, and sends its blocks through `step`.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    features : int
        Width: feature maps of the first level.
    """

    multiple: int = 16
    """`logits` gets heights and widths that are multiples of this."""
    OPTIONS: ClassVar[Mapping[str, tuple[Option, ...]]] = {}
    """Option to its values, the default first; each is a keyword of the class."""
    bytes_a_feature: int = 40
    """Bytes that inference takes at its peak for each pixel and each of `features`, cautiously:
    two to three times what the tensors of bf16 arithmetic take, for work space."""

    def __init__(self, in_channels: int, features: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.features = features
        self.gradient_checkpointing = False
        """Compute the blocks again in the backward pass instead of keeping what is in them."""

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (B, 1, H, W) of images (B, in_channels, H, W).

        The input is padded with zeros at the right and the bottom to a multiple of `multiple`, and
        the output cropped; an input that fits is taken as it is. With deep supervision, while
        training: a tuple of logits, all of them (B, 1, H, W), the finest first.
        """
        height, width = x.shape[2:]
        below, beside = -height % self.multiple, -width % self.multiple
        # an exported graph must not be bound to the size of the example it was traced with
        if not (tracing() or below or beside):
            return self.logits(x)
        out = self.logits(nn.functional.pad(x, (0, beside, 0, below)))
        if isinstance(out, tuple):
            return tuple(one[..., :height, :width] for one in out)
        return out[..., :height, :width]

    def logits(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits of images whose height and width are multiples of `multiple`."""
        raise NotImplementedError

    @property
    def recomputes(self) -> bool:
        """Whether the pass at hand keeps the inputs of its blocks alone."""
        return self.gradient_checkpointing and self.training and torch.is_grad_enabled()

    def step(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """Run one block: with `gradient_checkpointing` only its inputs are kept for the gradient.

        Parameters
        ----------
        function : callable
            The block; it must draw no random numbers.
        *inputs
            Given to it.

        Notes
        -----
        Chen et al.: Training deep nets with sublinear memory cost, 2016, arXiv 1604.06174. Running
        statistics of batch norm are updated by the first of the two passes alone.
        """
        if not self.recomputes:
            return function(*inputs)
        if torch.compiler.is_compiling():
            # the compiled graph writes the statistics once, after its forward half
            return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
        return checkpoint(
            function,
            *inputs,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=lambda: (contextlib.nullcontext(), self._statistics_kept()),
        )

    @contextlib.contextmanager
    def _statistics_kept(self) -> Iterator[None]:
        """Leave the running statistics of batch norms as they are."""
        norms = [m for m in self.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
        kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        try:
            yield
        finally:
            for norm, momentum, batches in kept:
                norm.momentum, norm.num_batches_tracked = momentum, batches


def tracing() -> bool:
    """Tell whether a graph is being recorded for OpenVINO or ONNX."""
    recording: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return recording or torch.compiler.is_exporting()
