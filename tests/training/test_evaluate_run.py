"""``python -m training evaluate``: finished and unfinished runs, their own patients or others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_brainseg.core.protocol import RunConfig, RunStarted, parse_config
from napari_brainseg.core.segmentation.networks import build_network
from training.evaluate import add_arguments, main, run_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def evaluate(*arguments: object) -> int:
    parser = ArgumentParser()
    add_arguments(parser)
    return main(parser.parse_args([*map(str, arguments), "--device", "cpu"]))


@pytest.fixture
def unfinished(small_config: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """Make the folder of a run that was stopped, with random weights in its checkpoints."""

    def make(**changes: Any) -> Path:
        config = parse_config({**small_config, **changes})
        folder = tmp_path / "run"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "config.json").write_text(config.model_dump_json())
        for seed, name in enumerate(("best", "last")):
            torch.manual_seed(seed)
            weights = build_network(
                config.network,
                in_channels=3 * config.context_slices,
                features=config.features,
                **config.network_options,
            ).state_dict()
            state = weights if name == "best" else {"ema": weights, "epoch": 2}
            torch.save(state, folder / "checkpoints" / f"{name}.pt")
        started = RunStarted(
            run_id="run", run_dir=str(folder), device="cpu", precision="32-true", epochs=3,
            steps_per_epoch=4, first_epoch=1, train_patients=("SITE_A_0000", "SITE_A_0001"),
            validation_patients=("SITE_A_0003",),
        )  # fmt: skip
        (folder / "events.jsonl").write_text(started.model_dump_json() + "\n")
        return folder

    return make


def _config(run: Path) -> RunConfig:
    return parse_config(json.loads((run / "config.json").read_text()))


@pytest.mark.slow
def test_a_run_is_measured_finished_or_not(
    start: Callable[..., subprocess.Popen[str]],
    write_config: Callable[[dict[str, Any]], Path],
    small_config: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    process = start("fit", "--config", write_config({**small_config, "epochs": 1}),
                    "--run-dir", run)  # fmt: skip
    process.communicate("", timeout=240)
    # communicate closes stdin: the run may have been stopped, or have come to its end
    assert (run / "checkpoints").is_dir()

    assert evaluate(run, "--json", tmp_path / "a.json") == 0
    first = json.loads((tmp_path / "a.json").read_text())
    assert [p["patient"] for p in first["patients"]] == ["SITE_A_0003"]
    assert "SITE_A_0003" in capsys.readouterr().out

    shutil.rmtree(run / "bundle", ignore_errors=True)
    assert evaluate(run, "--json", tmp_path / "b.json") == 0
    second = json.loads((tmp_path / "b.json").read_text())
    assert second["patients"][0]["dsc_native"] == pytest.approx(
        first["patients"][0]["dsc_native"], abs=0.05
    )


def test_a_stopped_run_is_measured_as_it_was_set_up(
    unfinished: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = unfinished(
        network="unet++", network_options={"norm": "instance"}, context_slices=3, threshold=0.4,
        fill_holes=True,
    )  # fmt: skip
    with run_bundle(run, _config(run)) as bundle:
        manifest = bundle.manifest
    assert manifest.network.model_dump() == {
        "name": "unet++", "in_channels": 9, "features": 2, "options": {"norm": "instance"},
        "members": 1,
    }  # fmt: skip
    assert (manifest.preprocessing.recipe, manifest.preprocessing.context) == ("native", 3)
    assert manifest.preprocessing.parameters["multiple"] == 16
    assert manifest.threshold == 0.4
    assert manifest.postprocessing.fill_holes
    assert manifest.training["train_patients"] == ["SITE_A_0000", "SITE_A_0001"]

    assert evaluate(run) == 0
    written = json.loads((run / "evaluation" / "validation.json").read_text())
    assert [p["patient"] for p in written["patients"]] == ["SITE_A_0003"]
    assert (run / "evaluation" / "validation_masks.npz").is_file()
    assert "sensitivity: mean" in capsys.readouterr().out


@pytest.mark.parametrize(("keep", "stem"), [("best", "best"), ("last", "last")])
def test_the_checkpoint_is_the_one_that_the_run_would_keep(
    unfinished: Callable[..., Path], keep: str, stem: str
) -> None:
    from safetensors.torch import load_file

    run = unfinished(keep=keep)
    state = torch.load(run / "checkpoints" / f"{stem}.pt", weights_only=True)
    expected = state.get("ema", state)
    with run_bundle(run, _config(run)) as bundle:
        found = load_file(bundle.weights_path)
    assert all(torch.equal(found[k], v.half()) for k, v in expected.items() if v.ndim == 4)


def test_test_patients_have_files_of_their_own_and_others_leave_none(
    unfinished: Callable[..., Path], tmp_path: Path
) -> None:
    run = unfinished(test_patients=["SITE_A_0002"])
    assert evaluate(run, "--part", "test") == 0
    assert {p.name for p in (run / "evaluation").iterdir()} == {"test.json", "test_masks.npz"}
    before = (run / "evaluation" / "test.json").read_bytes()

    assert evaluate(run, "--patients", "SITE_A_0001", "--json", tmp_path / "one.json") == 0
    one = json.loads((tmp_path / "one.json").read_text())
    assert [p["patient"] for p in one["patients"]] == ["SITE_A_0001"]
    assert one["summary"]["trained_on"] == ["SITE_A_0001"]
    assert (run / "evaluation" / "test.json").read_bytes() == before
    assert len(list((run / "evaluation").iterdir())) == 2


def test_faults_are_named(
    unfinished: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = unfinished()
    assert evaluate(run, "--part", "test") == 1
    assert "no test patients" in capsys.readouterr().err
    assert evaluate(run, "--patients", "NOBODY") == 1
    assert "NOBODY" in capsys.readouterr().err
    for checkpoint in (run / "checkpoints").iterdir():
        checkpoint.unlink()
    assert evaluate(run) == 1
    assert "neither a model nor a checkpoint" in capsys.readouterr().err


def test_no_run_is_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "training", "evaluate", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "config.json" in done.stderr
    assert "Traceback" not in done.stderr
