"""BrainSeg: see, correct and retrain brain tumour segmentations in napari."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-brainseg")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
