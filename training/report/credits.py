"""Whose work a report stands on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DATA_CREDITS", "network_credits", "software"]

DATA_CREDITS = (
    "Images: The Cancer Genome Atlas Low Grade Glioma Collection (TCGA-LGG), The Cancer Imaging "
    "Archive, doi 10.7937/K9/TCIA.2016.L4LTD3TK.",
    "Masks of the FLAIR abnormality and the data set kaggle_3m: M. Buda, A. Saha, "
    "M. A. Mazurowski, Association of genomic subtypes of lower-grade gliomas with shape features "
    "automatically extracted by a deep learning algorithm, Computers in Biology and Medicine 109 "
    "(2019), doi 10.1016/j.compbiomed.2019.05.002. Licence of images and masks: CC BY-NC-SA 4.0; "
    "pictures made of them fall under it too.",
    "The published program mateuszbuda/brain-segmentation-pytorch is the reference for "
    "preprocessing, sampling, the ten validation patients, DSC by volume and the bar chart; they "
    "are rebuilt here from their description.",
)
PAPERS = {
    "unet": "U-Net: Ronneberger, Fischer, Brox 2015, arXiv 1505.04597.",
    "attention": "Attention U-Net: Oktay et al. 2018, arXiv 1804.03999.",
    "residual": "Residual U-Net: Zhang, Liu, Wang 2018, arXiv 1711.10684.",
    "resnet34": "ResNet: He, Zhang, Ren, Sun 2016, arXiv 1512.03385.",
    "unet++": "UNet++: Zhou et al. 2018, arXiv 1807.10165.",
    "unet3+": "UNet 3+: Huang et al. 2020, arXiv 2004.08790.",
    "segnet": "SegNet: Badrinarayanan, Kendall, Cipolla 2017, arXiv 1511.00561.",
}
"""Start of a network's name to its paper."""
PACKAGES = {
    "torch": "training",
    "lightning": "devices, precision, several processes",
    "numpy": "arrays",
    "scipy": "components, distances, statistics",
    "scikit-image": "resampling",
    "tifffile": "reading slices",
    "pydantic": "settings and events",
    "safetensors": "weights on disk",
    "openvino": "inference on processors",
    "tensorboard": "live curves",
    "matplotlib": "charts",
    "pillow": "overlays, triptychs, animations",
    "rich": "progress at a terminal",
    "psutil": "use of memory and processor",
}


def network_credits(networks: Iterable[str]) -> list[str]:
    """Papers of the networks named, each once."""
    found: list[str] = []
    for name in networks:
        starts = sorted((s for s in PAPERS if name.startswith(s)), key=len)
        if starts and PAPERS[starts[-1]] not in found:
            found.append(PAPERS[starts[-1]])
    return found


def software() -> list[tuple[str, str, str]]:
    """Name, version and use of the packages that are installed here."""
    rows = []
    for name, use in PACKAGES.items():
        try:
            rows.append((name, version(name), use))
        except PackageNotFoundError:
            continue
    return rows
