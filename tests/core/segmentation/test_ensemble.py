"""Several networks in one bundle: the mean of their logits, on every engine."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.bundle import NetworkSpec, load_bundle, save_bundle
from napari_brainseg.core.segmentation.engines import EngineChoice, open_engine
from napari_brainseg.core.segmentation.engines.ir import write_ir
from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine, load_network
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.networks import build_network
from napari_brainseg.core.segmentation.networks.ensemble import Ensemble, network_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.core.segmentation.networks import SegmentationNetwork


def trio(name: str = "unet", **options: bool | int | float | str) -> list[SegmentationNetwork]:
    torch.manual_seed(0)
    return [build_network(name, features=2, **options).eval() for _ in range(3)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    network = Ensemble(trio())
    return save_bundle(
        tmp_path_factory.mktemp("models") / "three",
        {key: value.numpy() for key, value in network.state_dict().items()},
        name="three",
        write_ir=lambda path: write_ir(network, path),
        network=NetworkSpec(features=2, members=3),
    )


@pytest.mark.parametrize("name", ["unet", "unet++", "segnet"])
@pytest.mark.parametrize("shape", [(2, 3, 50, 37), (1, 3, 64, 32)])
def test_logits_are_the_mean_of_the_members(name: str, shape: tuple[int, ...]) -> None:
    members = trio(name)
    x = torch.randn(shape)

    with torch.inference_mode():
        expected = torch.stack([member(x) for member in members]).mean(dim=0)
        torch.testing.assert_close(Ensemble(members).eval()(x), expected)


def test_logits_of_16_bits_are_averaged_in_32() -> None:
    ensemble = Ensemble(trio())
    x = torch.randn(1, 3, 32, 32)

    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        out = ensemble(x)
        expected = sum(member(x).double() for member in ensemble.members) / 3

    assert out.dtype == torch.float32
    torch.testing.assert_close(out, expected.float())


def test_size_and_memory_are_told_as_of_one_member() -> None:
    ensemble = Ensemble(trio("unet++"))

    assert isinstance(ensemble.members[0], type(build_network("unet++", features=2)))
    assert (ensemble.features, ensemble.in_channels) == (2, 3)
    for told in ("multiple", "bytes_a_feature"):
        assert getattr(ensemble, told) == getattr(ensemble.members[0], told)


def test_keys_name_the_member() -> None:
    state = network_of(NetworkSpec(features=2, members=2)).state_dict()
    plain = network_of(NetworkSpec(features=2)).state_dict()

    assert set(state) == {f"members.{i}.{key}" for i in (0, 1) for key in plain}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_all_members_learn(deep: bool, checkpointing: bool) -> None:
    torch.manual_seed(0)
    spec = NetworkSpec(
        name="unet++", features=2, members=2, options={"deep_supervision": True} if deep else {}
    )
    plain = network_of(spec)
    ensemble = copy.deepcopy(plain)
    ensemble.gradient_checkpointing = checkpointing
    x = torch.randn(2, 3, 50, 37)
    for network in (plain, ensemble):
        out = network(x)
        assert isinstance(out, tuple) is deep
        heads = out if isinstance(out, tuple) else (out,)
        assert {tuple(head.shape) for head in heads} == {(2, 1, 50, 37)}
        torch.stack(heads).square().mean().backward()

    for p, q in zip(plain.parameters(), ensemble.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-6)
    for p, q in zip(plain.buffers(), ensemble.buffers(), strict=True):
        assert torch.equal(p, q)


def test_a_bundle_of_several_speaks_alike_on_both_engines(
    bundle: Bundle, small_study: Study
) -> None:
    assert load_bundle(bundle.path).manifest.network.members == 3
    x = np.random.default_rng(0).standard_normal((3, 3, 64, 48)).astype(np.float32)
    with torch.inference_mode():
        members = load_network(bundle).members
        expected = np.mean([m(torch.from_numpy(x))[:, 0].numpy() for m in members], axis=0)

    for kind in ("openvino", "torch"):
        engine = open_engine(bundle, EngineChoice(kind, "cpu", ""))  # type: ignore[arg-type]
        found = engine.logits(x)
        engine.close()
        # either may count in bf16
        assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()

    prediction = predict(small_study, bundle, device="cpu", tta=True)
    assert prediction.engine == "OpenVINO on CPU"
    assert prediction.mask.shape == small_study.image.data.shape[1:]


def test_without_openvinos_file_torch_does_it_and_says_why(
    bundle: Bundle, small_study: Study, tmp_path: Path
) -> None:
    weights = {key: value.numpy() for key, value in load_network(bundle).state_dict().items()}
    lean = save_bundle(tmp_path / "lean", weights, name="lean", network=bundle.manifest.network)

    prediction = predict(small_study, lean, device="cpu")

    assert prediction.engine == "Torch on CPU"
    assert "no OpenVINO representation" in prediction.reason
    whole = predict(small_study, bundle, device="cpu")
    assert np.abs(prediction.probability - whole.probability).max() < 0.02


def test_a_batch_on_a_gpu_is_that_of_one_member(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**28, 2**30))
    batches = []
    for network in (build_network("unet", features=2), Ensemble(trio())):
        engine = TorchEngine(network, "cpu", half=False)
        engine._device = torch.device("cuda")
        batches.append(engine.preferred_batch((3, 256, 256)))

    assert batches[0] == batches[1] > 1


def test_weights_of_fewer_members_do_not_fit(tmp_path: Path) -> None:
    weights = {key: value.numpy() for key, value in Ensemble(trio()[:2]).state_dict().items()}
    wrong = save_bundle(
        tmp_path / "wrong", weights, name="wrong", network=NetworkSpec(features=2, members=3)
    )

    with pytest.raises(ModelError, match=r"members\.2\."):
        load_network(wrong)
    with pytest.raises(ValidationError):
        NetworkSpec(members=0)
