"""What is particular to a network: published sizes, options, pruning, pretrained encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from napari_brainseg.core.imaging import ConfigError, ModelError
from napari_brainseg.core.segmentation.bundle import NetworkSpec, load_bundle, save_bundle
from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine, load_network
from napari_brainseg.core.segmentation.networks import build_network, load_encoder_weights

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "features", "count"),
    [
        ("unet", 32, 7_763_041),  # Buda et al. 2019
        ("unet-double-conv", 64, 31_043_521),
        ("resnet34-unet", 64, 24_436_369),  # segmentation_models.pytorch, Unet("resnet34")
    ],
)
def test_published_parameter_counts(name: str, features: int, count: int) -> None:
    with torch.device("meta"):
        network = build_network(name, features=features)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("name", ["unet++", "unet3+"])
def test_full_filters_are_those_of_the_papers(name: str) -> None:
    for features in (32, 64):
        with torch.device("meta"):
            network = build_network(name, features=features)
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        encoder = dict.fromkeys(m.out_channels for m in convolutions)
        assert {features * 2**level for level in range(5)} <= encoder.keys()


def test_the_additive_gate_opens_and_closes_the_skip_connection() -> None:
    network = build_network("attention-unet", features=4).eval()
    decoded, skip = torch.randn(2, 1, 4, 32, 32)
    with torch.no_grad():
        between = network.gate(1, decoded, skip) / skip
        assert between.min() > 0
        assert between.max() < 1
        assert (network.gate(1, -decoded, skip) / skip - between).abs().max() > 1e-3
        for shift, share in ((50.0, 1.0), (-50.0, 0.0)):
            network.gates[0].psi[1].bias.fill_(shift)  # norm of psi
            torch.testing.assert_close(network.gate(1, decoded, skip), share * skip)


def test_the_single_gate_can_silence_the_decoder() -> None:
    network = build_network("attention-unet-single", features=4).eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert network(x).std() > 0
        network.gates[0].bias.fill_(-50.0)
        torch.testing.assert_close(network(x), network.conv.bias.expand(1, 1, 32, 32))


@pytest.mark.parametrize("norm", ["batch", "instance", "group"])
@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "gelu", "silu"])
def test_norm_and_activation_are_what_was_asked_for(norm: str, activation: str) -> None:
    network = build_network("unet", features=4, norm=norm, activation=activation)
    kinds = {type(m) for m in network.modules()}
    norms = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "group": nn.GroupNorm}
    activations = {
        "relu": nn.ReLU, "leaky-relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU
    }  # fmt: skip
    assert kinds & set(norms.values()) == {norms[norm]}
    assert kinds & set(activations.values()) == {activations[activation]}
    network(torch.randn(2, 3, 32, 32)).mean().backward()
    # whatever the norm, the keys stay those of the published program
    assert "encoder1.enc1norm1.weight" in network.state_dict()


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_norms_other_than_batch_do_not_mix_slices(norm: str) -> None:
    network = build_network("unet", features=4, norm=norm)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network(x)[:1], network(x[:1]))


def test_a_nested_network_gives_the_mean_of_its_heads_or_of_one_when_pruned() -> None:
    whole = build_network("unet++", features=4, deep_supervision=True)
    x = torch.randn(2, 3, 32, 32)
    whole(x)
    state = whole.eval().state_dict()
    sizes, outputs = [], []
    for depth in (1, 2, 3, 4):
        pruned = build_network("unet++", features=4, deep_supervision=True, prune=depth).eval()
        pruned.load_state_dict(state)
        sizes.append(sum(p.numel() for p in pruned.parameters()))
        outputs.append(pruned(x))
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == sum(p.numel() for p in whole.parameters())
    torch.testing.assert_close(whole(x), torch.stack(outputs).mean(dim=0))
    assert not torch.allclose(outputs[0], outputs[3])


def test_a_pruned_network_still_refuses_foreign_weights() -> None:
    pruned = build_network("unet++", features=4, deep_supervision=True, prune=2)
    state = build_network("unet++", features=4, deep_supervision=True).state_dict()
    state["stranger"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match="stranger"):
        pruned.load_state_dict(state)


def test_a_bundle_keeps_the_options(tmp_path: Path) -> None:
    options = {"norm": "group", "deep_supervision": True}
    network = build_network("unet++", features=4, **options).eval()
    weights = {k: v.numpy() for k, v in network.state_dict().items()}
    bundle = save_bundle(
        tmp_path / "nested", weights, name="nested",
        network=NetworkSpec(name="unet++", features=4, options=options),
    )  # fmt: skip
    loaded = load_network(load_bundle(bundle.path))
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(loaded(x), network(x), rtol=1e-2, atol=1e-3)
    assert TorchEngine(loaded, "cpu", half=False).logits(x.numpy()).shape == (1, 32, 32)


def test_a_bundle_of_an_unknown_network_is_a_damaged_model(tmp_path: Path) -> None:
    bundle = save_bundle(tmp_path / "new", {}, name="new", network=NetworkSpec(name="tomorrow"))
    with pytest.raises(ModelError, match=r"no network 'tomorrow'.*Known: unet"):
        load_network(bundle)


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Random weights in a file with torchvision's keys."""
    encoder = build_network("resnet34-unet", features=8).encoder
    torch.manual_seed(5)
    state = {k: torch.rand_like(v) if v.is_floating_point() else v
             for k, v in encoder.state_dict().items()}  # fmt: skip
    torch.save({**state, "fc.weight": torch.zeros(10, 64), "fc.bias": torch.zeros(10)},
               tmp_path / "resnet34-0.pth")  # fmt: skip
    return tmp_path / "resnet34-0.pth"


def test_keys_and_shapes_of_the_encoder_are_torchvisions() -> None:
    with torch.device("meta"):
        state = build_network("resnet34-unet", features=64).encoder.state_dict()
    assert sum(v.numel() for k, v in state.items() if "num_batches" not in k) == 21_301_696
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.2.bn2.running_var"].shape == (512,)
    assert "layer3.5.conv2.weight" in state
    assert not [key for key in state if "downsample.0.bias" in key or key.startswith("layer1.3")]


def test_encoder_weights_load_from_a_file(imagenet: Path, tmp_path: Path) -> None:
    network = build_network("resnet34-unet", features=8)
    load_encoder_weights(network, imagenet)
    state = torch.load(imagenet, weights_only=True)
    assert torch.equal(network.encoder.layer3[5].conv2.weight, state["layer3.5.conv2.weight"])

    save_file({k: v for k, v in state.items() if not k.endswith("tracked")},
              tmp_path / "old.safetensors")  # fmt: skip
    again = build_network("resnet34-unet", features=8)
    load_encoder_weights(again, tmp_path / "old.safetensors")
    assert torch.equal(
        again.encoder.conv1.weight, load_file(tmp_path / "old.safetensors")["conv1.weight"]
    )


def test_three_equal_slices_start_as_one(imagenet: Path) -> None:
    one = build_network("resnet34-unet", features=8)
    three = build_network("resnet34-unet", features=8, in_channels=9)
    load_encoder_weights(one, imagenet)
    load_encoder_weights(three, imagenet)
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(
        one.encoder.conv1(x), three.encoder.conv1(x.repeat(1, 3, 1, 1)), rtol=1e-4, atol=1e-4
    )


def test_encoder_weights_that_do_not_fit_are_refused(imagenet: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="UNet takes no encoder weights"):
        load_encoder_weights(build_network("unet", features=4), imagenet)
    network = build_network("resnet34-unet", features=4)
    before = network.encoder.conv1.weight.clone()
    with pytest.raises(ConfigError, match=r"conv1.weight has the shape.*features=64"):
        load_encoder_weights(network, imagenet)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_encoder_weights(network, tmp_path / "absent.pth")
    torch.save({"conv1.weight": torch.zeros(4, 3, 7, 7)}, tmp_path / "part.pth")
    with pytest.raises(ConfigError, match="lacks bn1"):
        load_encoder_weights(network, tmp_path / "part.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ConfigError, match="no state dict"):
        load_encoder_weights(network, tmp_path / "list.pth")
    assert torch.equal(network.encoder.conv1.weight, before)
