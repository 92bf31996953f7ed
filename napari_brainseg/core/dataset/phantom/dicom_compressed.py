"""Pixels of a phantom in a compressed transfer syntax (PS3.5, A.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_brainseg.core.imaging import ConfigError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

__all__ = ["compress"]


def compress(dataset: Dataset, syntax: UID, dtype: np.dtype[Any]) -> None:
    """Compress the pixels of a dataset without loss, in place.

    Raises
    ------
    ConfigError
        If no encoder for it is installed.
    """
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless, RLELossless

    if syntax in (RLELossless, JPEG2000Lossless):
        dataset.compress(syntax, generate_instance_uid=False)
        return
    encode = _encoder(syntax)
    frames = np.frombuffer(dataset.PixelData, dtype.str.replace("i", "u"))
    frames = frames.reshape(-1, dataset.Rows, dataset.Columns)
    dataset.PixelData = encapsulate([encode(frame) for frame in frames])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax


def _encoder(syntax: UID) -> Any:
    from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless

    try:
        import imagecodecs
    except ImportError as error:
        raise ConfigError(
            f"No encoder for {syntax.name} is installed.", "pip install imagecodecs"
        ) from error
    if syntax == JPEGLSLossless:
        return imagecodecs.jpegls_encode
    if syntax == JPEGLosslessSV1:
        return imagecodecs.ljpeg_encode
    raise ConfigError(
        f"Phantoms are not written as {syntax.name}.", "Choose a lossless transfer syntax."
    )
