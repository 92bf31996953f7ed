from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.core.segmentation.bundle import NetworkSpec, PreprocessingSpec, save_bundle
from napari_brainseg.core.segmentation.engines import ir
from napari_brainseg.core.segmentation.engines.torch_engine import load_network
from napari_brainseg.core.segmentation.networks import build_network
from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from napari_brainseg.core.segmentation.preprocessing import get_recipe
from training.card import model_card
from training.publish import delivery, publish

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle


def published(
    folder: Path, config: RunConfig, network: torch.nn.Module, base: Bundle | None = None
) -> Bundle:
    return publish(
        folder / "bundle",
        network,
        config,
        get_recipe("native"),
        base=base,
        train_patients=("SITE_A_0001", "PHANTOM_1_0000"),
        validation_patients=("SITE_A_0002",),
        data_sha256="0",
        epoch=2,
        metrics={"validation_dsc": 0.5},
    )


def test_a_bundle_carries_what_the_config_asked_for(tmp_path: Path) -> None:
    config = RunConfig(
        network="unet", features=2, network_options={"norm": "instance"}, context_slices=3,
        temperature=1.7, threshold=0.4, fill_holes=True, closing_vox=2, minimum_size_vox=9,
        spared_share=0.5,
    )  # fmt: skip
    network = build_network("unet", in_channels=9, features=2, norm="instance").eval()

    bundle = published(tmp_path, config, network)

    manifest = bundle.manifest
    assert manifest.network.options == {"norm": "instance"}
    assert manifest.preprocessing.context == 3
    assert manifest.threshold == 0.4
    assert manifest.temperature == 1.7
    assert manifest.postprocessing == Postprocessing(
        fill_holes=True, closing_vox=2, minimum_size_vox=9, spared_share=0.5
    )
    assert bundle.ir_path is not None
    images = torch.rand(1, 9, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(load_network(bundle)(images), network(images), atol=0.05)
    card = (bundle.path / "MODEL_CARD.md").read_text()
    assert "norm=instance" in card
    assert "3 neighbouring slices" in card
    assert "closing 2, fill holes" in card
    assert "1 of them synthetic" in card


def test_the_plain_state_dict_loads_safely_and_exactly(tmp_path: Path) -> None:
    network = build_network("unet", features=2)

    bundle = published(tmp_path, RunConfig(features=2), network)

    assert load_file(bundle.weights_path)["conv.weight"].dtype == np.float16
    state = torch.load(tmp_path / "best_model.pth", weights_only=True)
    assert state["encoder1.enc1conv1.weight"].dtype == torch.float32
    other = build_network("unet", features=2)
    other.load_state_dict(state)
    for key, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[key], value)


def test_a_child_is_delivered_as_its_parent(tmp_path: Path) -> None:
    network = build_network("unet", in_channels=9, features=2)
    base = save_bundle(
        tmp_path / "base",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="base",
        network=NetworkSpec(in_channels=9, features=2),
        preprocessing=PreprocessingSpec(context=3),
        temperature=1.2,
        threshold=0.35,
        postprocessing=Postprocessing(minimum_size_vox=50, dense_crf=1),
        training={"train_patients": ["SITE_A_0009"]},
    )
    config = RunConfig(
        base=base.path, network="segnet", features=64, threshold=0.9, temperature=3.0
    )

    child = published(tmp_path, config, network, base)

    assert child.manifest.parent == base.version
    assert child.manifest.network == base.manifest.network
    assert child.manifest.preprocessing.context == 3
    assert child.manifest.threshold == 0.35
    assert child.manifest.temperature == 1.2
    # all but the dense CRF, which training cannot validate with
    assert child.manifest.postprocessing == Postprocessing(minimum_size_vox=50)
    assert delivery(config, base).postprocessing == child.manifest.postprocessing
    assert child.train_patients == ("PHANTOM_1_0000", "SITE_A_0001", "SITE_A_0009")


def _refuse(*_: Any, **__: Any) -> None:
    raise RuntimeError("no rule for aten::odd\nmore")


def _write_another(network: torch.nn.Module, path: Path, **options: Any) -> None:
    other = build_network("unet", features=2)
    torch.nn.init.constant_(other.conv.bias, 5.0)
    IR_WRITER(other, path, **options)


IR_WRITER = ir.write_ir


@pytest.mark.parametrize(
    ("writer", "told"), [(_refuse, "no rule for aten::odd"), (_write_another, "differs")]
)
def test_a_network_openvino_gets_wrong_is_published_without_it(
    writer: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ir, "write_ir", writer)

    bundle = published(tmp_path, RunConfig(features=2), build_network("unet", features=2))

    assert bundle.ir_path is None
    card = (bundle.path / "MODEL_CARD.md").read_text()
    assert "Without OpenVINO representation" in card
    assert told in card
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best_model.pth", "bundle"]


@pytest.mark.parametrize(
    ("settings", "wanted", "unwanted"),
    [
        ({}, "so the figure flatters", "published definition"),
        ({"protocol": "reference"}, "by the published definition", "AdamW"),
        (
            {"protocol": "clean"},
            "no choice was made on the test patients",
            "so the figure flatters",
        ),
        ({"protocol": "k-fold", "fold": 2}, "Fold 2 of 5", "Fixed schedule"),
        ({"protocol": "hold-out"}, "20% of them held out", "Fold"),
        ({"optimizer": "sgd", "nesterov": True}, "SGD with Nesterov momentum 0.9", "Adam"),
        ({"schedule": "constant", "ema": 0.0}, "learning rate 0.002", "EMA"),
    ],
)
def test_the_card_says_what_its_figures_are_worth(
    settings: dict[str, Any], wanted: str, unwanted: str
) -> None:
    config = RunConfig(**settings)

    card = model_card(
        config,
        delivery(config, None),
        parent=None,
        train_patients=("a",),
        validation_patients=("b",),
        epoch=1,
        metrics={"validation_dsc": 0.8123},
    )

    assert wanted in " ".join(card.split())
    assert unwanted not in " ".join(card.split())
    assert "0.8123" in card


def test_a_network_that_sixteen_bits_mislead_keeps_openvino_in_full(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network("segnet", features=4)
    with torch.no_grad():
        for _ in range(8):
            network.train()(torch.randn(4, 3, 32, 32))

    bundle = published(tmp_path, RunConfig(network="segnet", features=4), network.eval())

    assert bundle.ir_path is not None
    full = bundle.ir_path.with_suffix(".bin").stat().st_size
    assert full > 1.5 * bundle.weights_path.stat().st_size


def test_a_fine_tuned_bundle_says_of_whom_and_hands_hashes_down(tmp_path: Path) -> None:
    network = build_network("unet", features=2)
    base = save_bundle(
        tmp_path / "base",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="base",
        network=NetworkSpec(features=2),
        training={
            "train_patients": ["A", "B"],
            "image_sha256": {"A": "a", "B": "b"},
            "mask_sha256": {"A": "before"},
        },
    )
    config = RunConfig(base=base.path, freeze_norm=True, replay_patients=("A",), replay_share=0.5)

    child = publish(
        tmp_path / "child",
        network,
        config,
        get_recipe("native"),
        base=base,
        train_patients=("A", "C"),
        validation_patients=(),
        data_sha256="0",
        epoch=1,
        metrics={},
        image_sha256={"A": "a", "C": "c"},
        mask_sha256={"A": "after", "C": "new"},
        interpolation=0.5,
        inner_folds={"patients": 3, "chosen": 0.5, "dsc": {"0": 0.8, "0.5": 0.85}},
    )

    training = child.manifest.training
    # what the base has seen, its child has; by the mask it saw last
    assert training["image_sha256"] == {"A": "a", "B": "b", "C": "c"}
    assert training["mask_sha256"] == {"A": "after", "C": "new"}
    assert training["interpolation"] == 0.5
    card = (child.path / "MODEL_CARD.md").read_text()
    assert "corrected patients 1, replayed 1, 50% of each batch" in card
    assert "statistics frozen" in card
    assert "50% fine-tuned, the rest the parent's" in card
    assert "0.800 with the parent, 0.850" in card
