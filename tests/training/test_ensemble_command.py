"""Several models as one bundle: what goes in, what is refused, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_brainseg.core.protocol import parse_config
from napari_brainseg.core.segmentation.bundle import Bundle, load_bundle, save_bundle
from napari_brainseg.core.segmentation.engines.torch_engine import load_network
from napari_brainseg.core.segmentation.networks import build_network
from training.__main__ import main
from training.ensemble import build_ensemble
from training.loop import run
from training.stream import EventStream, StopFlag

if TYPE_CHECKING:
    from pathlib import Path

Member = Callable[..., Bundle]


@pytest.fixture
def member(tmp_path: Path) -> Member:
    """A run of the name with a bundle of random weights, alike but for what is said."""

    def make(name: str, features: int = 2, **fields: Any) -> Bundle:
        run = tmp_path / name
        run.mkdir()
        (run / "config.json").write_text("{}")
        torch.manual_seed(len(list(tmp_path.iterdir())))
        weights = build_network("unet", features=features).state_dict()
        weights["conv.weight"] *= 20  # logits that 16 bits can tell apart
        return save_bundle(
            run / "bundle",
            {key: value.numpy() for key, value in weights.items()},
            name=name,
            **{
                "network": {"features": features},
                "temperature": 1.5,
                "threshold": 0.4,
                "postprocessing": {"minimum_size_vox": 3},
                **fields,
            },
        )

    return make


def test_a_run_and_a_bundle_become_one_model(
    member: Member, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = member(
        "fold-1",
        metrics={"validation_dsc": 0.81},
        training={
            "train_patients": ["SITE_A_0001", "SITE_A_0002"],
            "validation_patients": ["SITE_A_0003", "SITE_A_0009"],
        },
    )
    second = member(
        "fold-2",
        training={
            "train_patients": ["SITE_A_0002", "SITE_A_0003"],
            "validation_patients": ["SITE_A_0001"],
        },
    )
    out = tmp_path / "both"

    sources = [str(tmp_path / "fold-1"), str(second.path)]
    assert main(["ensemble", *sources, "--out", str(out), "--name", "average"]) == 0

    made = load_bundle(out)
    assert capsys.readouterr().out == f"{made.version} in {out}\n"
    assert made.name == "average"
    assert made.ir_path is not None
    assert made.train_patients == ("SITE_A_0001", "SITE_A_0002", "SITE_A_0003")
    assert made.manifest.training["validation_patients"] == ["SITE_A_0009"]
    assert made.manifest.training["members"] == [first.version, second.version]
    assert made.manifest.metrics == {}
    for field in ("temperature", "threshold", "postprocessing", "preprocessing"):
        assert getattr(made.manifest, field) == getattr(first.manifest, field)
    x = torch.randn(2, 3, 40, 48)
    with torch.inference_mode():
        mean = (load_network(first)(x) + load_network(second)(x)) / 2
        torch.testing.assert_close(load_network(made)(x), mean)
    card = (out / "MODEL_CARD.md").read_text()
    for part in (f"Version `{made.version}`", first.version, "validation_dsc 0.8100",
                 "2 networks", "CC BY-NC-SA 4.0"):  # fmt: skip
        assert part in card
    assert "Without OpenVINO" not in card


def test_openvinos_representation_can_be_left_out(member: Member, tmp_path: Path) -> None:
    sources = [str(member(name).path) for name in "ab"]

    assert main(["ensemble", *sources, "--out", str(tmp_path / "lean"), "--no-ir"]) == 0

    lean = load_bundle(tmp_path / "lean")
    assert lean.name == "lean"
    assert lean.ir_path is None
    assert "Without OpenVINO representation: it was left out" in (
        lean.path / "MODEL_CARD.md"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"threshold": 0.5}, "threshold is 0.5 in other-"),
        ({"temperature": 1.0}, "temperature is 1.0 in other-"),
        ({"postprocessing": {}}, "postprocessing minimum_size_vox is 0 in other-"),
        ({"features": 3}, "network features is 3 in other-"),
        ({"preprocessing": {"recipe": "reference"}}, "recipe is reference in other-"),
        ({"preprocessing": {"parameters": {"multiple": 32}}}, "recipe's multiple is 32 in other-"),
        ({"preprocessing": {"context": 3}}, "neighbouring slices is 3 in other-"),
    ],
)
def test_models_that_make_masks_in_other_ways_are_refused(
    fields: dict[str, Any],
    told: str,
    member: Member,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sources = [member("one").path, member("two").path, member("other", **fields).path]

    assert main(["ensemble", *map(str, sources), "--out", str(tmp_path / "all")]) == 1

    error = capsys.readouterr().err
    assert told in error
    assert "in two-" not in error
    assert not (tmp_path / "all").exists()


def test_the_same_parameters_left_out_and_written_are_no_difference(
    member: Member, tmp_path: Path
) -> None:
    written = {"recipe": "native", "parameters": {"nominal_mm": 0.94, "multiple": 16}}
    members = [member("one"), member("two", preprocessing=written)]

    assert build_ensemble(members, tmp_path / "both", name="both", ir=False)


def test_what_cannot_be_averaged_is_refused_before_anything_is_written(
    member: Member, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (str(member(name).path) for name in ("one", "two"))
    both = tmp_path / "both"
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_text("{}")
    assert main(["ensemble", one, two, "--out", str(both), "--no-ir"]) == 0

    new = ["--out", str(tmp_path / "new")]
    for sources, told in (
        ([one, *new], "1 model is no ensemble"),
        ([one, two, one, *new], "is given twice"),
        ([one, str(both), *new], "is an ensemble itself"),
        ([one, str(tmp_path / "unfinished"), *new], "has no model yet"),
        ([one, "nobody", *new], "There is no model 'nobody'"),
        ([one, two, "--out", str(both)], "never overwritten"),
    ):
        assert main(["ensemble", *sources]) == 1
        assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_ensemble_is_exported_like_any_model(member: Member, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra export")
    made = build_ensemble([member("one"), member("two")], tmp_path / "b", name="b", ir=False)

    assert main(["export", str(made.path), "--out", str(tmp_path / "exported"),
                 "--format", "state-dict,onnx"]) == 0  # fmt: skip

    state = torch.load(tmp_path / "exported" / "best_model.pth", weights_only=True)
    assert {key.split(".")[1] for key in state} == {"0", "1"}
    told = json.loads((tmp_path / "exported" / "preprocessing.json").read_text())
    assert told["network"]["members"] == 2
    assert "mean of 2" in (tmp_path / "exported" / "README.md").read_text()


def test_a_child_of_an_ensemble_is_one_too(
    member: Member, tmp_path: Path, small_config: dict[str, Any]
) -> None:
    base = build_ensemble([member("one"), member("two")], tmp_path / "base", name="base", ir=False)
    config = parse_config(
        {
            **small_config, "base": str(base.path), "name": "child", "epochs": 1,
            "steps_per_epoch": 2, "schedule": "constant", "learning_rate": 0.01, "ema": 0,
            "cache": str(tmp_path / "cache"), "gradient_checkpointing": True,
        }
    )  # fmt: skip
    run(config, tmp_path / "child", EventStream(None), StopFlag(), resume=False)

    child = load_bundle(tmp_path / "child" / "bundle")
    assert child.manifest.network == base.manifest.network
    assert child.manifest.parent == base.version
    before, after = load_network(base), load_network(child)
    for old, new in zip(before.members, after.members, strict=True):
        changed = np.abs((old.conv.weight - new.conv.weight).detach().numpy()).max()
        assert changed > 0
