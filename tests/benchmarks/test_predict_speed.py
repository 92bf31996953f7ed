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
import skimage.measure
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

    from .conftest import ReferencePreprocessing

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
    # the figure asked for is that of 40 slices
    return min(discover(root).folders, key=lambda f: (abs(len(f.images) - 40), f.patient))


def reference_chain(
    network: UNet, reference: ReferencePreprocessing
) -> Callable[[StudyFolder], dict[str, float]]:
    def run(folder: StudyFolder) -> dict[str, float]:
        times = [time.perf_counter()]
        volume = reference.load(folder)
        times.append(time.perf_counter())
        volume = reference.prepare(volume)
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


def test_the_whole_chain(
    patient: StudyFolder, tmp_path: Path, reference_preprocessing: ReferencePreprocessing
) -> None:
    torch.manual_seed(0)
    wide = UNet(features=32).eval()
    reference = reference_chain(wide, reference_preprocessing)
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
