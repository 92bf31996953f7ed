from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.segmentation.bundle import (
    NetworkSpec,
    PreprocessingSpec,
    load_bundle,
    save_bundle,
)
from napari_brainseg.core.segmentation.engines import ir
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.networks import NETWORKS, build_network
from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from training.__main__ import main
from training.agreement import onnx_logits, openvino_logits
from training.export import command as export
from training.export.command import export_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle

QUICK = ("unet", "segnet")
"""Those that every run of the tests tries: plain, resampling, with indices of pooling."""


@pytest.fixture
def bundle_of(tmp_path: Path) -> Callable[..., Bundle]:
    """Make a bundle whose logits differ from pixel to pixel, as after training."""

    def make(
        name: str = "unet", context: int = 1, recipe: str = "native", **options: Any
    ) -> Bundle:
        torch.manual_seed(0)
        network = build_network(name, in_channels=3 * context, features=4, **options)
        with torch.no_grad():  # running statistics of batch norm
            for _ in range(8):
                network.train()(torch.randn(4, 3 * context, 32, 32))
        return save_bundle(
            tmp_path / "bundle",
            {key: value.numpy() for key, value in network.state_dict().items()},
            name="made",
            card="# {version}",
            network=NetworkSpec(name=name, in_channels=3 * context, features=4, options=options),
            preprocessing=PreprocessingSpec(recipe=recipe, context=context),
            temperature=1.5,
            threshold=0.4,
            postprocessing=Postprocessing(closing_vox=2, largest_component=True),
        )

    return make


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS],
)
def test_every_network_says_the_same_in_every_format(
    name: str, bundle_of: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = bundle_of(name)

    found = export_bundle(bundle, tmp_path / "out", list(export.FORMATS))

    assert list(found) == ["state-dict", "onnx", "openvino"]
    assert found["state-dict"].difference == 0
    assert all(a.holds and a.largest_logit > 0.01 for a in found.values())
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "best_model.pth", "model.onnx", "model.xml", "model.bin", "preprocessing.json",
        "README.md", "MODEL_CARD.md",
    }  # fmt: skip
    # once more from the files as delivered, at a size that nothing was checked with
    images = np.random.default_rng(1).standard_normal((3, 3, 70, 33), dtype=np.float32)
    network = build_network(name, features=4).eval()
    network.load_state_dict(torch.load(tmp_path / "out" / "best_model.pth", weights_only=True))
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    assert expected.std() > 0.001
    onnx = onnx_logits(tmp_path / "out" / "model.onnx")(images)
    openvino = openvino_logits(tmp_path / "out" / "model.xml")(images)
    assert np.abs(onnx - expected).max() < 1e-4 * scale
    assert np.abs(openvino - expected).max() < 5e-3 * scale


def test_the_state_dict_has_the_published_keys(
    bundle_of: Callable[..., Bundle], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundle = bundle_of("unet")

    export_bundle(bundle, tmp_path / "out", ["state-dict"])

    state = torch.load(tmp_path / "out" / "best_model.pth", weights_only=True)
    golden = load_file(request.config.rootpath / "tests" / "golden" / "unet_f4_weights.safetensors")
    assert set(state) == set(golden)
    assert all(type(value) is torch.Tensor for value in state.values())
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}
    assert not (tmp_path / "out" / "model.onnx").exists()


def test_the_description_is_enough_to_predict_elsewhere(
    bundle_of: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = phantom_study(3, 0, size=96, slices=5)
    write_patient(tmp_path, "patient", study.image.data, study.truth.data, range(5), durable=False)
    bundle = bundle_of("unet", context=3)

    assert main(["export", str(bundle.path), "--out", str(tmp_path / "out"), "--format", "onnx",
                 "--samples", str(tmp_path / "patient")]) == 0  # fmt: skip

    told = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    assert [c["slice_offset"] for c in told["input"]["channels"]] == [-1] * 3 + [0] * 3 + [1] * 3
    assert told["input"]["channels"][4]["modality"] == "FLAIR"
    assert told["output"]["temperature"] == 1.5
    assert told["postprocessing"]["threshold"] == 0.4
    steps = told["postprocessing"]["steps_in_this_order"]
    assert [(s["step"], s["value"]) for s in steps] == [
        ("closing_vox", 2),
        ("largest_component", True),
    ]
    onnx = importlib.import_module("onnx")
    stored = onnx.load(tmp_path / "out" / "model.onnx").metadata_props[0]
    assert json.loads(stored.value) == told

    page = (tmp_path / "out" / "README.md").read_text()
    (tmp_path / "out" / "patient").symlink_to(tmp_path / "patient")
    monkeypatch.chdir(tmp_path / "out")
    scope: dict[str, Any] = {}
    exec(re.search(r"```python\n(.+?)```", page, re.DOTALL)[1], scope)
    here = predict(load_study(discover(tmp_path / "patient").folders[0]), bundle, device="cpu")
    assert np.abs(scope["probability"] - here.probability).max() < 0.01


@pytest.mark.parametrize("recipe", ["native", "reference"])
def test_the_page_tells_every_step_of_the_recipe(
    recipe: str, bundle_of: Callable[..., Bundle], tmp_path: Path
) -> None:
    export_bundle(bundle_of("unet", recipe=recipe), tmp_path / "out", ["state-dict"])

    page = (tmp_path / "out" / "README.md").read_text()
    assert f"`{recipe}`, per volume" in page
    assert "1. " in page
    assert "4. " in page
    assert "model.onnx" not in page
    assert "----" not in page.replace("|---", "")


def test_a_file_that_says_something_else_is_refused_and_nothing_is_left(
    bundle_of: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bundle = bundle_of("unet")
    right = ir.write_ir

    def write_another(network: torch.nn.Module, path: Path, **options: Any) -> None:
        right(build_network("unet", features=4), path, **options)

    monkeypatch.setattr(ir, "write_ir", write_another)
    before = sorted(p.name for p in tmp_path.iterdir())

    assert main(["export", str(bundle.path), "--out", str(tmp_path / "out")]) == 1

    error = capsys.readouterr().err
    assert "network 'unet'" in error
    assert "something else as openvino" in error
    assert "--format state-dict,onnx" in error
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_network_that_cannot_be_written_is_named(
    bundle_of: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bundle = bundle_of("segnet")

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no rule for aten::max_unpool2d")

    monkeypatch.setattr(torch.onnx, "export", refuse)

    assert main(["export", str(bundle.path), "--out", str(tmp_path / "out")]) == 1

    error = capsys.readouterr().err
    assert "network 'segnet'" in error
    assert "cannot be written as onnx" in error
    assert "aten::max_unpool2d" in error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "onnx,tflite"], "state-dict, onnx, openvino"),
        (["--format", ","], "Known"),
        (["--samples", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    assert main(["export", "default", "--out", str(out), *arguments]) == 1

    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "default", "--out", str(tmp_path)]) == 1

    assert "never overwrites" in capsys.readouterr().err


def test_a_missing_package_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)

    assert main(["export", "default", "--out", str(tmp_path / "out")]) == 1

    error = capsys.readouterr().err
    assert "onnxruntime" in error
    assert 'pip install "napari-brainseg[export]"' in error


@pytest.mark.real_data
@pytest.mark.slow
def test_the_default_model_on_real_slices(data_root: Path, tmp_path: Path) -> None:
    found = export_bundle(
        load_bundle("default"), tmp_path / "out", list(export.FORMATS), samples=data_root
    )

    assert found["onnx"].difference < 1e-3
    assert found["openvino"].difference < 0.05
