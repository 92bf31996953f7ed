"""OpenVINO's representation of a network on its way into a bundle, checked before it goes in."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from training.agreement import noise, write_openvino

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

__all__ = ["checked_ir"]


@contextlib.contextmanager
def checked_ir(
    network: nn.Module, in_channels: int, near: Path
) -> Iterator[tuple[Callable[[Path], None] | None, str]]:
    """Write the representation into a temporary folder and compare what it says with Torch.

    Parameters
    ----------
    network : Module
        Left on the CPU, in fp32, in evaluation mode.
    in_channels : int
        Channels of its input.
    near : Path
        Existing folder on the disk of the bundle.

    Yields
    ------
    (callable or None, str)
        What `save_bundle` takes as ``write_ir``, and nothing; or ``None``, where OpenVINO makes
        nothing of the network or something else, and why.
    """
    with tempfile.TemporaryDirectory(prefix=".ir-", dir=near) as folder:
        path = Path(folder) / "model.xml"
        fault = _convert(network, path, in_channels)
        yield (None if fault else lambda target: _copy(path, target)), fault


def _convert(network: nn.Module, path: Path, in_channels: int) -> str:
    """Write the representation at `path`; returns why it is of no use, or nothing."""
    try:
        agreement = write_openvino(network, path, in_channels, noise(in_channels))
    except Exception as error:  # noqa: BLE001 (OpenVINO raises errors of many kinds)
        return f"OpenVINO cannot convert the network: {_first_line(error)}"
    return "" if agreement.holds else f"what OpenVINO makes of it differs: {agreement}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _copy(source: Path, path: Path) -> None:
    shutil.copyfile(source, path)
    shutil.copyfile(source.with_suffix(".bin"), path.with_suffix(".bin"))
