"""What fp16 weights and the engines of a CPU cost, measured against fp32 Torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.segmentation.bundle import save_bundle
from napari_brainseg.core.segmentation.engines.ir import write_ir
from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine, load_network
from napari_brainseg.core.segmentation.inference import predict_with
from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.core.segmentation.networks import build_network
from training import fidelity
from training.__main__ import main
from training.ensemble import build_ensemble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle

    Run = Callable[..., Bundle]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run's bundle, and its best_model.pth beside it; the middle of the image is marked."""

    def make(name: str, seed: int = 0, *, ir: bool = False) -> Bundle:
        torch.manual_seed(seed)
        network = build_network("unet", features=2).eval()
        (tmp_path / name).mkdir()
        torch.save(network.state_dict(), tmp_path / name / "best_model.pth")
        return save_bundle(
            tmp_path / name / "bundle",
            {key: value.numpy() for key, value in network.state_dict().items()},
            name=name,
            write_ir=(lambda path: write_ir(network, path)) if ir else None,
            network={"features": 2},
        )

    return make


def test_both_engines_are_compared_with_fp32_on_the_same_patients(
    run: Run, cohort_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = run("first", ir=True)
    (tmp_path / "names.txt").write_text("# two of them\nSITE_A_0001\nSITE_A_0002\n")

    code = main(["fidelity", str(tmp_path / "first"), "--data", str(cohort_root),
                 "--patients", str(tmp_path / "names.txt"), "--most", "1",
                 "--json", str(tmp_path / "found.json")])  # fmt: skip

    assert code == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["model"] == bundle.version
    assert found["weights"] == [str(tmp_path / "first" / "best_model.pth")]
    assert [p["patient"] for p in found["patients"]] == ["SITE_A_0001", "SITE_A_0002"]
    rounded = fidelity.ROUNDED
    assert [e["engine"] for e in found["engines"]] == [rounded, "OpenVINO on CPU", "Torch on CPU"]
    half = TorchEngine(load_network(bundle), "cpu", half=False)
    network = build_network("unet", features=2)
    network.load_state_dict(torch.load(tmp_path / "first" / "best_model.pth"))
    study = load_study(discover(cohort_root).find("SITE_A_0002"))
    told = found["patients"][1]["dsc_delivered"][rounded]
    assert told == dsc(predict_with(half, study, bundle).mask, study.truth.data)
    mask = predict_with(TorchEngine(network, "cpu", half=False), study, bundle).mask
    assert found["patients"][1]["dsc_full"] == dsc(mask, study.truth.data)
    assert found["patients"][1]["voxels_full"] == int(mask.sum())
    out = capsys.readouterr().out
    assert "2 patients" in out
    for row in ("Torch in fp32", rounded, "OpenVINO on CPU", "Torch on CPU"):
        assert f"\n{row}" in out


class Numb:
    """An engine that marks what lies left of a column."""

    device = "cpu"

    def __init__(self, column: int) -> None:
        self.description = f"left of {column}"
        self._column = column

    def logits(self, slices: np.ndarray) -> np.ndarray:
        out = np.full((len(slices), *slices.shape[2:]), -9, dtype=np.float32)
        out[..., : self._column] = 9
        return out

    def preferred_batch(self, slice_shape: tuple[int, int, int]) -> int:
        return 4

    def close(self) -> None:
        pass


def test_losses_are_those_of_the_masks(
    run: Run,
    cohort_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = run("first")
    folders = discover(cohort_root).folders[:2]
    network = load_network(bundle)
    torch.save(network.state_dict(), bundle.path.parent / "best_model.pth")
    monkeypatch.setattr(fidelity, "_delivered", lambda bundle: {"numb": Numb(0), "all": Numb(999)})

    found = fidelity.measure_fidelity(bundle, [bundle.path.parent / "best_model.pth"], folders)

    numb, everything = found.engines
    full = [patient.dsc_full for patient in found.patients]
    assert numb.mean_lost == pytest.approx(np.mean(full))
    assert numb.worst_lost == max(full)
    assert numb.worst_patient == found.patients[int(np.argmax(full))].patient
    assert numb.voxels_differing == sum(patient.voxels_full for patient in found.patients)
    for patient, folder in zip(found.patients, folders, strict=True):
        study = load_study(folder)
        head = predict_with(Numb(999), study, bundle).mask
        assert patient.dsc_delivered == {"numb": 0, "all": dsc(head, study.truth.data)}
        assert patient.voxels_differing["all"] == int(head.sum()) - patient.voxels_full
    gains = [p.dsc_delivered["all"] - p.dsc_full for p in found.patients]
    assert everything.mean_lost == pytest.approx(-np.mean(gains))
    assert everything.mean_absolute == pytest.approx(np.mean(np.abs(gains)))

    monkeypatch.setattr(fidelity, "measure_fidelity", lambda *args, **more: found)
    most = str((numb.mean_lost + everything.mean_lost) / 2)
    assert main(["fidelity", str(bundle.path), "--data", str(cohort_root), "--most", most]) == 1
    lossy = "numb" if numb.mean_lost > everything.mean_lost else "all"
    assert f"is lost by {lossy}." in capsys.readouterr().err


def test_weights_that_are_not_the_models_are_refused(
    run: Run, cohort_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = run("first"), run("other", 1)
    own, strange = (b.path.parent / "best_model.pth" for b in (first, other))
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"epoch": 3}, tmp_path / "epoch.pth")
    command = ["fidelity", str(first.path), "--data", str(cohort_root)]

    for weights, told in (
        (strange, "are not the same weights"),
        (tmp_path / "text.pth", "cannot be read"),
        (tmp_path / "epoch.pth", "is no plain state dict"),
        (tmp_path / "none.pth", "cannot be read"),
    ):
        assert main([*command, "--weights", str(weights)]) == 1
        assert told in capsys.readouterr().err

    own.unlink()
    assert main(command) == 1
    assert "Give its fp32 weights with --weights" in capsys.readouterr().err


def test_an_ensemble_takes_the_weights_of_each_member_in_order(
    run: Run, cohort_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = [run("first"), run("second", 1)]
    made = build_ensemble(members, tmp_path / "both", name="both", ir=False)
    weights = [str(member.path.parent / "best_model.pth") for member in members]
    command: list[Any] = ["fidelity", str(made.path), "--data", str(cohort_root), "--most", "1"]

    assert main([*command, "--weights", *weights]) == 0
    assert "5 patients" in capsys.readouterr().out
    assert main([*command, "--weights", *reversed(weights)]) == 1
    assert "in the order of members" in capsys.readouterr().err


def test_patients_without_masks_are_named(
    run: Run, cohort_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    root = tmp_path / "patients"
    shutil.copytree(cohort_root / "SITE_A_0000", root / "SITE_A_0000")
    for mask in (root / "SITE_A_0000").glob("*_mask.tif"):
        mask.unlink()
    (tmp_path / "names.txt").write_text("SITE_A_0000\n")
    command = ["fidelity", str(run("first").path), "--data", str(root)]

    assert main([*command, "--patients", str(tmp_path / "names.txt")]) == 1
    assert "Patients without masks: SITE_A_0000." in capsys.readouterr().err
    assert main(command) == 1
    assert "There is no patient." in capsys.readouterr().err
