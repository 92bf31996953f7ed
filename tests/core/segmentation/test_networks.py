"""What every network promises, whatever its name."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.engines.ir import write_ir
from napari_brainseg.core.segmentation.networks import NETWORKS, build_network

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.segmentation.networks import SegmentationNetwork

DEEP = [("unet++", {"deep_supervision": True}, 4), ("unet3+", {"deep_supervision": True}, 5)]
VARIANTS = [(name, {}) for name in NETWORKS] + [(name, options) for name, options, _ in DEEP]
QUICK = ("unet", "segnet")
SAMPLED = [
    v if v[0] in QUICK or v[1] else pytest.param(*v, marks=pytest.mark.slow) for v in VARIANTS
]
"""All of them with the slow tests; without, a plain one, the oddest and those with options."""


def tiny(name: str, **options: bool | int | float | str) -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(name, features=4, **options)


def heads(out: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return out if isinstance(out, tuple) else (out,)


@pytest.mark.parametrize("name", NETWORKS)
def test_any_size_keeps_its_shape_and_gives_logits(name: str) -> None:
    network = tiny(name).eval()
    biases = [
        p for key, p in network.named_parameters() if key.endswith("bias") and "gates" not in key
    ]
    head = [bias for bias in biases if bias.numel() == 1][-1]
    with torch.no_grad():
        head += 3.0  # behind a sigmoid nothing exceeds 1
        for shape in ((2, 3, 50, 37), (1, 3, 32, 64)):
            out = network(torch.randn(shape))
            assert out.shape == (shape[0], 1, *shape[2:])
            assert out.max() > 1.5


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_does_not_reach_what_fits(name: str) -> None:
    network = tiny(name).eval()
    x = torch.randn(1, 3, 40, 33)
    padded = nn.functional.pad(x, (0, -33 % network.multiple, 0, -40 % network.multiple))
    with torch.no_grad():
        torch.testing.assert_close(network(x), network.logits(padded)[..., :40, :33])
        assert torch.equal(network(padded), network.logits(padded))


@pytest.mark.parametrize("name", NETWORKS)
def test_more_channels_than_three(name: str) -> None:
    network = build_network(name, in_channels=9, features=2).eval()
    assert network(torch.randn(1, 9, 32, 32)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize(("name", "options", "count"), DEEP)
def test_deep_supervision_gives_all_heads_in_training_and_one_tensor_else(
    name: str, options: dict[str, bool], count: int
) -> None:
    network = tiny(name, **options)
    x = torch.randn(2, 3, 50, 37)
    training = network(x)
    assert isinstance(training, tuple)
    assert [tuple(head.shape) for head in training] == [(2, 1, 50, 37)] * count
    assert network.eval()(x).shape == (2, 1, 50, 37)


@pytest.mark.parametrize(("name", "options"), SAMPLED)
def test_a_few_steps_learn_a_blob(name: str, options: dict[str, bool]) -> None:
    network = tiny(name, **options)
    y, x = np.ogrid[:32, :32]
    blob = torch.from_numpy((y - 14) ** 2 + (x - 18) ** 2 < 50).float().expand(2, 1, -1, -1)
    images = blob + 0.3 * torch.randn(2, 3, 32, 32)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        logits = torch.stack(heads(network(images)))
        loss = nn.functional.binary_cross_entropy_with_logits(
            logits, blob.expand(len(logits), -1, -1, -1, -1)
        )
        optimizer.zero_grad()
        loss.backward()
        # a parameter without a gradient would stop training on several GPUs
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_checkpointing_gives_the_same_gradients_and_statistics(
    name: str, options: dict[str, bool]
) -> None:
    plain = tiny(name, **options)
    checkpointed = copy.deepcopy(plain)
    checkpointed.gradient_checkpointing = True
    x = torch.randn(6, 3, 32, 32)
    for network in (plain, checkpointed):
        torch.stack(heads(network(x))).square().mean().backward()
    for (key, p), q in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-6, msg=key)
    for key, value in plain.state_dict().items():
        assert torch.equal(value, checkpointed.state_dict()[key]), key
    norm = next(m for m in checkpointed.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.num_batches_tracked == 1
    assert norm.momentum == 0.1


def test_checkpointing_keeps_less() -> None:
    kept = {}
    for checkpointing in (False, True):
        network = tiny("unet")
        network.gradient_checkpointing = checkpointing
        sizes: list[int] = []

        def pack(tensor: Tensor, sizes: list[int] = sizes) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(torch.randn(1, 3, 64, 64))
        kept[checkpointing] = sum(sizes)
    assert kept[True] < kept[False] / 3


@pytest.mark.parametrize(("name", "options"), SAMPLED[:-1])
def test_openvino_agrees_at_any_size(name: str, options: dict[str, bool], tmp_path: Path) -> None:
    from napari_brainseg.core.segmentation.engines.quiet import quiet_openvino

    network = tiny(name, **options)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 32, 32))
    network.eval()
    # the same numbers on both sides: the representation holds 16 bits
    network.load_state_dict(
        {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    )
    write_ir(network, tmp_path / "model.xml", side=32)
    model = (
        quiet_openvino()
        .Core()
        .compile_model(tmp_path / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    for shape in ((2, 3, 32, 64), (1, 3, 50, 37)):
        x = torch.randn(shape)
        with torch.no_grad():
            expected = network(x).numpy()
        difference = np.abs(model(x.numpy())[0] - expected)
        assert difference.mean() < 1e-4
        assert difference.max() < 1e-2  # SegNet's maxima change places by rounding


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_last_and_bf16_give_the_same_but_for_rounding(name: str) -> None:
    network = tiny(name).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = network(x)
        network.to(memory_format=torch.channels_last)
        last = x.to(memory_format=torch.channels_last)
        torch.testing.assert_close(network(last), expected, rtol=1e-3, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(network(last).float(), expected, rtol=0.2, atol=0.05)


@pytest.mark.slow
def test_the_plain_network_compiles_in_one_graph_with_and_without_checkpointing() -> None:
    network = tiny("unet")
    x = torch.randn(1, 3, 32, 32)
    expected = network(x)
    for checkpointing in (False, True):
        network.gradient_checkpointing = checkpointing
        compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), expected)


def test_only_the_networks_that_monai_has_import_it() -> None:
    code = (
        "import sys; from napari_brainseg.core.segmentation.networks import build_network\n"
        "for name in ('unet', 'unet-double-conv', 'attention-unet-single', 'unet++', 'unet3+',"
        " 'segnet'): build_network(name, features=4)\n"
        "assert 'monai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_monai_its_networks_are_refused_with_the_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "monai.networks.nets.unet", None)
    with pytest.raises(ConfigError, match=r"residual-unet.* needs the package .*pip install"):
        build_network("residual-unet")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("vnet", {}, "unet3"),
        ("unet", {"depth": 3}, "no option 'depth'.*norm, activation"),
        ("segnet", {"norm": "group"}, "It has none"),
        ("unet", {"norm": "layer"}, "batch, instance, group"),
        ("unet++", {"deep_supervision": True, "prune": 5}, "0, 1, 2, 3, 4"),
        ("unet++", {"deep_supervision": True, "prune": True}, "prune=True"),
        ("unet++", {"prune": 2}, "deep_supervision=true"),
        ("unet", {"features": 0}, "features=0"),
    ],
)
def test_what_cannot_be_built_is_refused_and_the_known_listed(
    name: str, arguments: dict[str, int], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        build_network(name, **arguments)
