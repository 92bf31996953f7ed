"""The gate's evidence: what is measured, what is refused, what is measured only once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.locked import LockedPatient, LockedSet, freeze_locked
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import CancelledError, DataError
from napari_brainseg.core.segmentation import evaluation
from napari_brainseg.core.segmentation.bundle import Bundle, NetworkSpec, save_bundle
from napari_brainseg.core.segmentation.evaluation import evaluate_root
from napari_brainseg.core.segmentation.gate import GateOutcome, judge, load_evidence
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.core.segmentation.predictor import Predictor
from training.__main__ import main
from training.gate import command as gate_command
from training.gate import measure_gate
from training.gate import results as gate_results
from training.gate.patients import Measurable

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.imaging import Study

GOLDEN = Path(__file__).parents[1] / "golden" / "unet_f4_weights.safetensors"
LOCKED = tuple(f"SITE_A_{number:04d}" for number in range(3))
CORRECTED = "SITE_A_0003"


class BrightVoxels:
    """Marks what is brighter in FLAIR than the bundle's threshold: a network that costs nothing."""

    engine = "a test on CPU"
    reason = "it is a test"

    def __init__(self, bundle: Bundle, device: str) -> None:
        self.bundle = bundle

    def __enter__(self) -> BrightVoxels:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def predict(self, study: Study, **_: object) -> Prediction:
        flair = study.image.data[1].astype(np.float32) / 255
        return Prediction(
            patient=study.patient,
            probability=flair,
            mask=(flair > self.bundle.manifest.threshold).astype(np.uint8),
            uncertainty=1 - np.abs(2 * flair - 1),
            model_version=self.bundle.version,
            engine=self.engine,
            reason=self.reason,
        )


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "Predictor", BrightVoxels)


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Bundle]:
    """A version: that of 0.5 finds the lesions of these patients, that of 0.3 noise as well."""

    def make(name: str, **fields: object) -> Bundle:
        return save_bundle(
            tmp_path / "models" / name,
            load_file(GOLDEN),
            name=name,
            network=NetworkSpec(features=4),
            **fields,
        )

    return make


@pytest.fixture
def data(cohort_root: Path, tmp_path: Path) -> Path:
    """A copy of the small cohort, to be spoilt."""
    shutil.copytree(cohort_root, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def locked(data: Path, tmp_path: Path) -> Path:
    """Three patients of the cohort, locked in a workspace."""
    (tmp_path / "workspace" / "cache").mkdir(parents=True)
    path = tmp_path / "workspace" / "training_set" / "locked.json"
    found = [Measurable.read(f) for f in discover(data).folders if f.patient in LOCKED]
    freeze_locked(
        path,
        LockedSet(
            patients=tuple(
                LockedPatient(
                    patient=each.patient,
                    image_sha256=each.image_sha256,
                    mask_sha256=each.mask_sha256,
                    mask_source="ground truth",
                    path=str(each.folder.path),
                    lesion_vox=each.lesion_vox,
                )
                for each in found
            ),
            seed=0,
        ),
    )
    return path


def write_folds(path: Path, root: Path, base: Bundle, candidate: Bundle, *names: str) -> Path:
    """What RUN/folds/evidence.json holds after inner folds of the named patients."""
    before, after = (
        evaluate_root(root, b, patients=names, device="cpu") for b in (base, candidate)
    )
    patients = [
        {
            "patient": first.patient,
            "fold": number,
            "base": first.model_dump(mode="json"),
            "candidate": second.model_dump(mode="json"),
            "dsc": {"0": first.dsc_native},
        }
        for number, (first, second) in enumerate(
            zip(before.patients, after.patients, strict=True), 1
        )
    ]
    content = {
        "schema_version": 1, "interpolation": {"0": 0.1, "1": 0.2}, "chosen": 1.0,
        "patients": patients, "witnesses": [],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_both_are_measured_on_the_same_patients(make_model, locked, data, tmp_path):
    old, new = make_model("old"), make_model("new", threshold=0.3)
    seen = []
    folds = write_folds(tmp_path / "run" / "folds" / "evidence.json", data, old, new, CORRECTED)
    new = make_model("newer", threshold=0.3, parent=old.version)
    evidence = measure_gate(
        new.path, old.path, locked, [data], tmp_path / "run",
        folds_evidence=folds, device="cpu", progress=seen.append,
    )  # fmt: skip
    assert load_evidence(tmp_path / "run") == evidence
    assert (evidence.candidate, evidence.current) == (new.version, old.version)
    assert tuple(pair.patient for pair in evidence.locked) == LOCKED
    direct = evaluate_root(data, new, patients=LOCKED, device="cpu")
    assert [p.candidate.dsc_native for p in evidence.locked] == [
        r.dsc_native for r in direct.patients
    ]
    assert any(p.candidate.dsc_native != p.current.dsc_native for p in evidence.locked)
    assert evidence.calibration_candidate == direct.calibration
    assert evidence.calibration_current is not None
    (corrected,) = evidence.corrections
    assert corrected.patient == CORRECTED
    assert corrected.compared_with == "current", "the version in use is the base of the run"
    assert evidence.corrections_how == "leave-one-out"
    assert "chosen among 2" in evidence.notes[0]
    assert [p.done for p in seen] == [*range(6), 6]
    assert {p.total for p in seen} == {6}
    verdict = judge(evidence)
    assert verdict.outcome is GateOutcome.NOT_ENOUGH
    assert verdict.locked_patients == 3


def test_the_version_in_use_is_measured_once(make_model, locked, data, tmp_path, monkeypatch):
    old = make_model("old")
    measured = []
    real = gate_results.evaluate_folders

    def counted(folders, bundle, **options):
        measured.append(bundle.version)
        return real(folders, bundle, **options)

    monkeypatch.setattr(gate_results, "evaluate_folders", counted)

    def gate(name: str):
        bundle = make_model(name, threshold=0.3)
        return measure_gate(
            bundle.path, old.path, locked, [data], tmp_path / f"{name}.json", device="cpu"
        )

    first, second = gate("a"), gate("b")
    assert measured == [old.version, first.candidate, second.candidate]
    assert [p.current for p in first.locked] == [p.current for p in second.locked]
    assert first.calibration_current == second.calibration_current

    (kept,) = (tmp_path / "workspace" / "cache" / "gate").iterdir()
    content = json.loads(kept.read_text())
    content["evaluation"]["patients"][0]["dsc_native"] = 0.99
    kept.write_text(json.dumps(content))
    gate("c")
    assert measured[-2:] == [old.version, measured[-1]], "a file that was touched does not count"


def test_changed_patients_are_refused_by_name(make_model, locked, data, tmp_path):
    old, new = make_model("old"), make_model("new", threshold=0.3)
    study = load_study(data / LOCKED[0])
    mask = study.truth.data.copy()
    mask[2, 24, 24] ^= 1
    shutil.rmtree(data / LOCKED[0])
    write_patient(data, LOCKED[0], study.image, mask, study.slice_numbers, durable=False)
    other = load_study(data / LOCKED[1])
    image = other.image.data.copy()
    image[0, 0, 24, 24] += 1
    shutil.rmtree(data / LOCKED[1])
    write_patient(data, LOCKED[1], image, other.truth.data, other.slice_numbers, durable=False)
    shutil.rmtree(data / LOCKED[2])
    with pytest.raises(DataError) as fault:
        measure_gate(new.path, old.path, locked, [data], tmp_path / "gate.json", device="cpu")
    assert "3 of 3 locked patients" in fault.value.message
    assert f"{LOCKED[0]}: the mask has changed" in fault.value.message
    assert f"{LOCKED[1]}: the image has changed" in fault.value.message
    assert f"{LOCKED[2]}: it is not in" in fault.value.message
    assert not (tmp_path / "gate.json").exists()


def test_data_that_was_moved_is_found_by_name(make_model, locked, data, tmp_path):
    old, new = make_model("old"), make_model("new", threshold=0.3)
    moved = data.rename(tmp_path / "elsewhere")
    evidence = measure_gate(
        new.path, old.path, locked, [moved], tmp_path / "gate.json", device="cpu"
    )
    assert len(evidence.locked) == 3


def test_patients_that_a_model_knows_are_left_out(make_model, locked, data, tmp_path):
    image = Measurable.read(discover(data / LOCKED[1]).folders[0]).image_sha256
    old = make_model("old", training={"train_patients": [LOCKED[0]]})
    new = make_model(
        "new", threshold=0.3,
        training={"train_patients": ["OTHER_NAME"], "image_sha256": {"OTHER_NAME": image}},
    )  # fmt: skip
    evidence = measure_gate(
        new.path, old.path, locked, [data], tmp_path / "gate.json", device="cpu"
    )
    assert [pair.patient for pair in evidence.locked] == [LOCKED[2]]
    reasons = {each.patient: each.reason for each in evidence.left_out}
    assert reasons[LOCKED[0]] == "the version in use was trained on this patient."
    assert reasons[LOCKED[1]] == "the candidate was trained on this image under another name."


def test_a_locked_patient_among_the_corrections_is_refused(make_model, locked, data, tmp_path):
    old, new = make_model("old"), make_model("new", threshold=0.3)
    folds = write_folds(tmp_path / "folds.json", data, old, new, LOCKED[0])
    with pytest.raises(DataError, match=f"trained on as corrections: {LOCKED[0]}"):
        measure_gate(
            new.path, old.path, locked, [data], tmp_path / "gate.json",
            folds_evidence=folds, device="cpu",
        )  # fmt: skip


def test_another_version_in_use_is_measured_on_corrections_it_does_not_know(
    make_model, locked, data, tmp_path
):
    base = make_model("base")
    candidate = make_model("candidate", threshold=0.3, parent=base.version)
    fold = write_folds(tmp_path / "folds.json", data, base, candidate, CORRECTED, "SITE_A_0004")
    used = make_model("used", threshold=0.3, training={"train_patients": ["SITE_A_0004"]})

    def gate(**options):
        return measure_gate(
            candidate.path, used.path, locked, [data], tmp_path / "gate.json",
            folds_evidence=fold, device="cpu", **options,
        )  # fmt: skip

    evidence = gate(corrections=data)
    stranger, known = evidence.corrections
    assert (stranger.patient, stranger.compared_with) == (CORRECTED, "current")
    own = evaluate_root(data, used, patients=[CORRECTED], device="cpu").patients[0]
    assert stranger.current.dsc_native == own.dsc_native
    assert (known.patient, known.compared_with) == ("SITE_A_0004", "base")
    texts = [reason.text for reason in judge(evidence).reasons]
    assert any("1 of 2 corrected patients are compared with the base" in t for t in texts)

    without = gate()
    assert {pair.compared_with for pair in without.corrections} == {"base"}
    assert any("not at hand" in note for note in without.notes)


def test_a_patient_that_was_corrected_again_is_compared_with_the_base(
    make_model, locked, data, tmp_path
):
    base = make_model("base")
    candidate = make_model("candidate", threshold=0.3, parent=base.version)
    fold = write_folds(tmp_path / "folds.json", data, base, candidate, CORRECTED)
    study = load_study(data / CORRECTED)
    mask = study.truth.data.copy()
    mask[2] = 0
    shutil.rmtree(data / CORRECTED)
    write_patient(data, CORRECTED, study.image, mask, study.slice_numbers, durable=False)
    used = make_model("used", threshold=0.3)
    evidence = measure_gate(
        candidate.path, used.path, locked, [data], tmp_path / "gate.json",
        folds_evidence=fold, corrections=data, device="cpu",
    )  # fmt: skip
    assert evidence.corrections[0].compared_with == "base"
    assert any("Corrected again since the run" in note for note in evidence.notes)


def test_a_version_from_elsewhere_is_measured_on_corrections_that_nobody_knows(
    make_model, locked, data, tmp_path
):
    old = make_model("old", training={"train_patients": ["SITE_A_0004"]}, threshold=0.3)
    new = make_model("imported", training={"train_patients": ["SOMEBODY_ELSE"]})

    def gate(bundle: Bundle):
        return measure_gate(
            bundle.path, old.path, locked, [data], tmp_path / "gate.json",
            corrections=data, device="cpu",
        )  # fmt: skip

    evidence = gate(new)
    assert evidence.corrections_how == "unseen"
    (pair,) = evidence.corrections
    assert pair.patient == CORRECTED, "others are locked, or the version in use knows them"
    assert pair.candidate.dsc_native == 1
    assert pair.current.dsc_native < 1
    assert not evidence.warnings

    silent = gate(make_model("silent"))
    assert silent.corrections == ()
    assert "The candidate does not say whom it was trained on" in silent.warnings[0]


@pytest.mark.parametrize("patients", [0, 1, 4, 5])
def test_a_stop_writes_nothing(make_model, locked, data, tmp_path, patients):
    old, new = make_model("old"), make_model("new", threshold=0.3)
    seen = []
    with pytest.raises(CancelledError):
        measure_gate(
            new.path, old.path, locked, [data], tmp_path / "gate.json", device="cpu",
            progress=seen.append, cancelled=lambda: len(seen) >= patients,
        )  # fmt: skip
    assert len(seen) == patients
    assert not (tmp_path / "gate.json").exists()
    kept = list((tmp_path / "workspace" / "cache").rglob("*.json"))
    assert len(kept) == (patients > 3), "what is measured of the version in use stays"


def test_without_a_locked_set_there_is_evidence_of_corrections_alone(make_model, data, tmp_path):
    old, new = make_model("old"), make_model("new", threshold=0.3)
    folds = write_folds(tmp_path / "folds.json", data, old, new, CORRECTED)
    evidence = measure_gate(
        new.path, old.path, None, [data], tmp_path / "gate.json", folds_evidence=folds, device="cpu"
    )
    assert evidence.locked_digest is None
    assert judge(evidence).outcome is GateOutcome.NOT_ENOUGH


def test_figures_of_folds_that_do_not_pair_are_refused(make_model, data, tmp_path):
    old, new = make_model("old"), make_model("new", threshold=0.3)
    folds = write_folds(tmp_path / "folds.json", data, old, new, CORRECTED)
    content = json.loads(folds.read_text())
    content["patients"][0]["base"]["volume_truth_vox"] += 1
    folds.write_text(json.dumps(content))
    with pytest.raises(DataError, match="not measured against the same mask"):
        measure_gate(
            new.path, old.path, None, [data], tmp_path / "gate.json",
            folds_evidence=folds, device="cpu",
        )  # fmt: skip


def test_the_command_measures_networks_and_says_the_verdict(
    make_model, locked, data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(evaluation, "Predictor", Predictor)
    old, new = make_model("old"), make_model("new", threshold=0.3)
    out = tmp_path / "gate.json"
    command = [
        "gate", "--candidate", str(new.path), "--current", str(old.path), "--data", str(data),
        "--out", str(out), "--device", "cpu",
    ]  # fmt: skip
    assert main([*command, "--locked", str(locked)]) == 0
    evidence = load_evidence(out)
    assert evidence.candidate == new.version
    assert all(pair.candidate.volume_prediction_vox > 0 for pair in evidence.locked)
    assert {pair.current.volume_prediction_vox for pair in evidence.locked} == {0}
    assert capsys.readouterr().out.startswith("Not enough evidence: 3 locked patients measured")
    assert main([*command, "--locked", str(tmp_path / "no.json")]) == 1
    assert "no locked set at" in capsys.readouterr().err


def test_the_command_ends_with_130_where_it_is_stopped(
    make_model, locked, tmp_path, capsys, monkeypatch
):
    def stopped(*_: object, **__: object) -> None:
        raise CancelledError("The gate was stopped.")

    monkeypatch.setattr(gate_command, "measure_gate", stopped)
    bundle = make_model("old").path
    command = ["--candidate", bundle, "--current", bundle, "--locked", locked, "--out", tmp_path]
    assert main(["gate", *map(str, command)]) == 130
    assert capsys.readouterr().err == "The gate was stopped.\n"
