"""The whole chain of `brainseg predict` against the reference chain, paired, in one run.

    python -m pytest tests/benchmarks/test_predict_speed.py -s

The reference chain is rebuilt from the facts in REFERENCE.md: slices read one after another,
preprocessing with scikit-image's order-2 resize, U-Net 32 eager in fp32, batches of 16, largest
component. Real patient if BRAINSEG_DATA or ../shared/data is there, else a phantom.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage.io
import skimage.measure
import skimage.transform
import torch

from napari_brainseg.core.dataset.phantom import write_phantoms
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.segmentation.bundle import NetworkSpec, load_bundle, save_bundle
from napari_brainseg.core.segmentation.networks import UNet
from napari_brainseg.core.segmentation.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.formats import StudyFolder

ROUNDS = 3
STAGES = ("load", "preprocess", "infer", "postprocess")


@pytest.fixture(scope="module")
def patient(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> StudyFolder:
    try:
        root: Path = request.getfixturevalue("data_root")
    except pytest.skip.Exception:
        root = tmp_path_factory.mktemp("phantoms")
        write_phantoms(root, patients=1, seed=3)
    return discover(root).folders[0]


def reference_chain(network: UNet) -> Callable[[StudyFolder], dict[str, float]]:
    def run(folder: StudyFolder) -> dict[str, float]:
        times = [time.perf_counter()]
        volume = np.stack([skimage.io.imread(path) for path in folder.images[1:-1]])
        times.append(time.perf_counter())
        volume = volume.astype(float)
        volume[volume < 0.1 * volume.max()] = 0
        z, y, x = (np.flatnonzero((volume.max(axis=-1) > 0).any(axis=axes))
                   for axes in ((1, 2), (0, 2), (0, 1)))  # fmt: skip
        volume = volume[z[0] : z[-1] + 1, y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        height, width = volume.shape[1:3]
        side = max(height, width)
        pads = [((side - n) // 2, side - n - (side - n) // 2) for n in (height, width)]
        volume = np.pad(volume, ((0, 0), *pads, (0, 0)))
        shape = (len(volume), 256, 256, 3)
        volume = skimage.transform.resize(
            volume, shape, order=2, mode="constant", cval=0, anti_aliasing=False
        )
        low, high = np.percentile(volume, (10, 99))
        volume = np.clip((volume - low) / (high - low), 0, 1)
        volume = (volume - volume.mean(axis=(0, 1, 2))) / volume.std(axis=(0, 1, 2))
        times.append(time.perf_counter())
        slices = torch.from_numpy(volume.transpose(0, 3, 1, 2).astype(np.float32))
        with torch.no_grad():
            out = [torch.sigmoid(network(slices[i : i + 16])) for i in range(0, len(slices), 16)]
        probability = torch.cat(out)[:, 0].numpy()
        times.append(time.perf_counter())
        labels = skimage.measure.label(np.round(probability).astype(np.uint8), connectivity=1)
        sizes = np.bincount(labels.ravel())
        if len(sizes) > 1:
            _ = labels == 1 + sizes[1:].argmax()
        times.append(time.perf_counter())
        return dict(zip(STAGES, np.diff(times), strict=True))

    return run


def our_chain(predictor: Predictor) -> Callable[[StudyFolder], dict[str, float]]:
    def run(folder: StudyFolder) -> dict[str, float]:
        start = time.perf_counter()
        study = load_study(folder)
        loaded = time.perf_counter() - start
        timings = predictor.predict(study).timings
        return {"load": loaded, **{stage: timings[stage] for stage in STAGES[1:]}}

    return run


def test_the_whole_chain(patient: StudyFolder, tmp_path: Path) -> None:
    torch.manual_seed(0)
    wide = UNet(features=32).eval()
    reference = reference_chain(wide)
    with (
        Predictor(load_bundle("default"), "cpu") as small,
        Predictor(same_network(wide, tmp_path), "cpu") as same,
    ):
        chains = {"reference": reference, "default model": our_chain(small),
                  "same network": our_chain(same)}  # fmt: skip
        for chain in chains.values():
            chain(patient)  # warm
        seconds: dict[str, list[dict[str, float]]] = {name: [] for name in chains}
        for _ in range(ROUNDS):  # interleaved, so that a busy machine slows all alike
            for name, chain in chains.items():
                seconds[name].append(chain(patient))
    middle = {
        name: {stage: statistics.median(r[stage] for r in rounds) for stage in STAGES}
        for name, rounds in seconds.items()
    }
    total = {name: sum(stages.values()) for name, stages in middle.items()}
    lines = [f"\n{patient.patient}, {len(patient.images)} slices, median of {ROUNDS}, seconds"]
    lines += [
        f"{name:14s} " + "  ".join(f"{stage} {middle[name][stage]:.3f}" for stage in STAGES)
        + f"  total {total[name]:.3f}  ratio {total['reference'] / total[name]:.1f}"
        for name in chains
    ]  # fmt: skip
    print("\n".join(lines))
    assert total["reference"] / total["default model"] >= 10


def same_network(network: UNet, folder: Path):  # type: ignore[no-untyped-def]
    from napari_brainseg.core.segmentation.engines.ir import write_ir

    return save_bundle(
        folder / "same",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="same",
        write_ir=lambda path: write_ir(network, path),
        network=NetworkSpec(features=32),
    )
