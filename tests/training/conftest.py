"""Small patients on disk and small runs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.dataset.layout import write_patient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle

SMALL = {
    "features": 2,
    "crop": 32,
    "batch_size": 4,
    "epochs": 3,
    "steps_per_epoch": 4,
    "precision": "fp32",
    "device": "cpu",
    "threads": 1,
    "seed": 5,
}


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of a small run."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def cohort_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five patients of five slices, 48 x 48, with a bright blob in FLAIR; one has no lesion."""
    root = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    for number in range(5):
        head = (y - 24) ** 2 + (x - 24) ** 2 < 20**2
        image = np.where(head, rng.integers(60, 110, (3, 5, 48, 48)), 0).astype(np.uint8)
        mask = np.zeros((5, 48, 48), dtype=np.uint8)
        if number != 4:
            blob = (y - rng.integers(18, 30)) ** 2 + (x - rng.integers(18, 30)) ** 2 < 6**2
            mask[1:4] = blob
            image[1][mask > 0] = 230
        write_patient(root, f"SITE_A_{number:04d}", image, mask, range(1, 6), durable=False)
    return root


@pytest.fixture(scope="session")
def base(
    cohort_root: Path, small: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """A network of two features, trained a little."""
    import torch

    from napari_brainseg.core.protocol import parse_config
    from napari_brainseg.core.segmentation.bundle import load_bundle
    from training.loop import run
    from training.stream import EventStream, StopFlag

    folder = tmp_path_factory.mktemp("base")
    config = {
        **small, "data": [str(cohort_root)], "train_patients": ["SITE_A_0000"], "epochs": 1,
        "steps_per_epoch": 40, "learning_rate": 0.05, "optimizer": "adam", "ema": 0.9,
        "loss": "bce:0.1+dice:1", "lesion_share": 0.9, "augmentation": "none", "missing_all": 0,
        "missing_post": 0, "validation_patients": [], "cache": str(folder / "cache"),
    }  # fmt: skip
    threads = torch.get_num_threads()
    try:
        run(parse_config(config), folder / "run", EventStream(None), StopFlag(), resume=False)
    finally:
        torch.set_num_threads(threads)
    return load_bundle(folder / "run" / "bundle")


@pytest.fixture
def small_config(cohort_root: Path) -> dict[str, Any]:
    return {
        **SMALL,
        "data": [str(cohort_root)],
        "validation_patients": ["SITE_A_0003"],
    }


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def write(config: dict[str, Any]) -> Path:
        path = tmp_path / "config-in.json"
        path.write_text(json.dumps(config))
        return path

    return write


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start the trainer as the viewer does."""

    def begin(*arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "training", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin
