"""Cross-validation: a run for each fold, and one figure of all patients that were held out."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from napari_brainseg.core.imaging import DataError
from napari_brainseg.core.segmentation.evaluation_results import (
    Evaluation,
    EvaluationSummary,
    PatientResult,
    Seconds,
    figure_of,
)
from training.experiments import cross_validate
from training.experiments.cross_validate import CrossValidation, pool

if TYPE_CHECKING:
    from pathlib import Path

    from training.experiments.campaign import Campaign

Run = Callable[..., int]
NO_TIME = Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0)


def evaluation(scores: dict[str, float], *, trained_on: tuple[str, ...] = ()) -> Evaluation:
    results = tuple(
        PatientResult(
            patient=name, slices=3, dsc_reference=None, dsc_native=dsc, dsc_native_lcc=dsc,
            hd95_vox=None, volume_truth_vox=5, volume_prediction_vox=int(dsc > 0),
            lesion_free_slices=2, lesion_free_slices_marked=int(dsc < 0.7),
            seconds=NO_TIME,
        )
        for name, dsc in scores.items()
    )  # fmt: skip
    dsc = figure_of(list(scores.values()))
    none = figure_of([])
    return Evaluation(
        patients=results,
        summary=EvaluationSummary(
            patients=len(results), model="v", engine="torch", reason="", dsc_reference=none,
            dsc_native=dsc, dsc_native_lcc=dsc, hd95_vox=none, seconds={}, trained_on=trained_on,
            missed_lesions=sum(not score for score in scores.values()),
        ),
    )  # fmt: skip


FIRST = {"TCGA_CS_0001_20000101": 0.8, "TCGA_DU_0002_20000101": 0.6}
SECOND = {"TCGA_CS_0003_20000101": 0.0, "OTHERS_4": 1.0}


def test_patients_of_all_folds_are_pooled_and_parted_by_institution() -> None:
    found = pool([evaluation(FIRST), evaluation(SECOND)], ("a note",))

    assert [(r.patient, r.fold, r.institution) for r in found.patients] == [
        ("OTHERS_4", 2, ""),
        ("TCGA_CS_0001_20000101", 1, "CS"),
        ("TCGA_CS_0003_20000101", 2, "CS"),
        ("TCGA_DU_0002_20000101", 1, "DU"),
    ]
    dsc = found.figures["dsc_native"]
    assert (dsc.patients, dsc.mean, dsc.median) == (4, pytest.approx(0.6), pytest.approx(0.7))
    assert dsc.mean_interval is not None
    assert 0 <= dsc.mean_interval[0] < 0.6 < dsc.mean_interval[1] <= 1
    assert found.by_institution["CS"]["dsc_native"].mean == pytest.approx(0.4)
    assert set(found.by_institution) == {"CS", "DU", "other"}
    assert found.dsc_by_fold == (pytest.approx(0.7), pytest.approx(0.5))
    assert found.missed_lesions == 1
    assert found.figures["hd95_vox"].patients == 0
    assert found.tally is not None
    assert (found.tally.patients, found.tally.under_half) == (4, 1)
    assert (found.tally.lesion_free_slices, found.tally.lesion_free_slices_marked) == (8, 2)
    assert found.tally_by_institution["CS"].under_half_share == 0.5
    assert set(found.tally_by_institution) == {"CS", "DU", "other"}
    assert CrossValidation.model_validate_json(found.to_json()) == found


def test_a_file_of_an_older_version_still_loads() -> None:
    now = json.loads(pool([evaluation(FIRST)]).to_json())
    for gone in ("tally", "tally_by_institution"):
        del now[gone]
    for patient in now["patients"]:
        del patient["lesion_free_slices"], patient["lesion_free_slices_marked"]
    old = CrossValidation.model_validate(now)
    assert old.tally is None
    assert old.patients[0].lesion_free_slices is None


def test_the_table_has_a_row_for_each_patient() -> None:
    rows = list(csv.DictReader(pool([evaluation(FIRST)]).to_csv().splitlines()))

    assert [row["patient"] for row in rows] == sorted(FIRST)
    assert rows[0]["dsc_native"] == "0.8"
    assert rows[0]["dsc_reference"] == ""


def test_a_person_measured_twice_is_refused() -> None:
    with pytest.raises(DataError, match="TCGA_CS_0001_20010101 was measured in the folds 1 and 2"):
        pool([evaluation(FIRST), evaluation({"TCGA_CS_0001_20010101": 0.5})])


def test_a_model_that_has_seen_its_patients_is_refused() -> None:
    leak = evaluation(FIRST, trained_on=("TCGA_CS_0001_20000101",))
    with pytest.raises(DataError, match=r"fold 1 was trained on .*TCGA_CS_0001_20000101"):
        pool([leak])


@pytest.fixture
def run() -> Run:
    def command(*arguments: str | Path) -> int:
        parser = argparse.ArgumentParser()
        cross_validate.add_arguments(parser)
        return cross_validate.main(parser.parse_args([str(a) for a in arguments]))

    return command


@pytest.fixture
def campaigns(monkeypatch: pytest.MonkeyPatch) -> list[Campaign]:
    """What would be carried out; each fold then has the figures of one patient."""
    seen: list[Campaign] = []

    def pretend(campaign: Campaign) -> int:
        seen.append(campaign)
        for attempt in campaign.attempts:
            path = campaign.folder / attempt.name / "evaluation" / "validation.json"
            path.parent.mkdir(parents=True)
            name = f"SITE_A_{attempt.config.fold:04d}"
            path.write_text(evaluation({name: 0.5}).to_json())
        return 0

    monkeypatch.setattr(cross_validate, "carry_out", pretend)
    return seen


def test_every_fold_is_a_run_with_the_same_settings(
    run: Run, campaigns: list[Campaign], cohort_root: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "folds"
    assert run("--data", cohort_root, "--run-dir", out, "--folds", "3", "--epochs", "7",
               "--workers", "2") == 0  # fmt: skip

    (campaign,) = campaigns
    assert [a.name for a in campaign.attempts] == ["fold-1", "fold-2", "fold-3"]
    assert campaign.workers == 2
    for fold, attempt in enumerate(campaign.attempts, 1):
        config = attempt.config
        assert (config.protocol, config.fold, config.folds) == ("k-fold", fold, 3)
        assert (config.epochs, config.keep) == (7, "last")
        assert config.data == (cohort_root.resolve(),)
    told = json.loads((out / "cross_validation.json").read_text())
    assert told["folds"] == 3
    assert len(told["patients"]) == 3
    assert len((out / "cross_validation.csv").read_text().splitlines()) == 4
    printed = capsys.readouterr().out
    assert "patients under 0.5 DSC: 0 of 3 (0.0 %)" in printed
    assert "lesion-free slices marked: 3 of 6 (50.0 %)" in printed
    assert "median 0.5000" in printed


def finished_fold(folder: Path, fold: int, **settings: Any) -> None:
    """A run's folder as `fit` leaves it, as far as pooling looks at it."""
    run_dir = folder / f"part-{fold}"
    (run_dir / "bundle").mkdir(parents=True)
    config = {"protocol": "k-fold", "folds": 2, "fold": fold, "keep": "last", **settings}
    (run_dir / "config.json").write_text(json.dumps(config))
    (run_dir / "evaluation").mkdir()
    found = evaluation({f"SITE_A_{fold:04d}": fold / 4})
    (run_dir / "evaluation" / "validation.json").write_text(found.to_json())


def test_folds_that_another_command_trained_are_pooled(
    run: Run, campaigns: list[Campaign], tmp_path: Path
) -> None:
    for fold in (2, 1):
        finished_fold(tmp_path, fold, name=f"model-{fold}", threads=fold)
    (tmp_path / "default" / "bundle").mkdir(parents=True)
    (tmp_path / "default" / "config.json").write_text("{}")  # a run that is no fold

    assert run("--run-dir", tmp_path, "--pool") == 0

    told = json.loads((tmp_path / "cross_validation.json").read_text())
    assert [(p["fold"], p["dsc_native"]) for p in told["patients"]] == [(1, 0.25), (2, 0.5)]
    assert not campaigns


def test_folds_that_do_not_belong_together_are_not_pooled(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_fold(tmp_path, 1)
    assert run("--run-dir", tmp_path, "--pool") == 1
    assert "found the folds 1" in capsys.readouterr().err

    finished_fold(tmp_path, 2, epochs=3)
    assert run("--run-dir", tmp_path, "--pool") == 1
    assert "other values of epochs" in capsys.readouterr().err
    assert not (tmp_path / "cross_validation.json").exists()


def test_a_choice_made_on_the_held_out_patients_is_told(
    run: Run, campaigns: list[Campaign], cohort_root: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "run.toml").write_text('keep = "best"\nfolds = 2\n')
    assert run("--config", tmp_path / "run.toml", "--data", cohort_root,
               "--run-dir", tmp_path / "folds") == 0  # fmt: skip

    assert campaigns[0].attempts[0].config.keep == "best"
    assert "the figures flatter" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--fold", "2"], "takes no --fold"),
        (["--protocol", "clean"], "has the k-fold protocol, not clean"),
        (["--network", "vnet"], "There is no network 'vnet'"),
        (["--folds", "9"], "5 persons cannot be dealt to 9 folds"),
        (["--data", "nowhere"], "There is no folder"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    run: Run, campaigns: list[Campaign], cohort_root: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], arguments: list[str], fault: str,
) -> None:  # fmt: skip
    assert run("--data", cohort_root, "--run-dir", tmp_path / "folds", *arguments) == 1

    assert fault in capsys.readouterr().err
    assert campaigns == []


def test_a_base_model_that_knows_the_patients_is_refused(
    run: Run, campaigns: list[Campaign], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_brainseg.core.segmentation.bundle import load_bundle

    bundle = load_bundle("default")
    known = next(p for p in bundle.train_patients if p.startswith("TCGA"))
    for name in (known, "TCGA_XX_0001_20000101", "TCGA_XX_0002_20000101"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for part in ("1", "1_mask"):
            (folder / f"{name}_{part}.tif").write_bytes(b"")
    assert run("--data", tmp_path / "data", "--run-dir", tmp_path / "folds", "--folds", "2",
               "--base", "default") == 1  # fmt: skip

    assert f"trained on 1 of the patients: {known}" in capsys.readouterr().err
    assert campaigns == []


@pytest.mark.slow
def test_folds_trained_for_real_and_gone_on_with(
    run: Run, cohort_root: Path, tmp_path: Path, small_config: dict[str, Any]
) -> None:
    del small_config["validation_patients"], small_config["data"]
    (tmp_path / "run.json").write_text(json.dumps({**small_config, "epochs": 1}))
    line = ("--config", tmp_path / "run.json", "--data", cohort_root,
            "--run-dir", tmp_path / "folds", "--folds", "2", "--workers", "2")  # fmt: skip
    assert run(*line) == 0
    first = json.loads((tmp_path / "folds" / "cross_validation.json").read_text())
    assert len(first["patients"]) == 5
    assert {p["fold"] for p in first["patients"]} == {1, 2}
    for patient in first["patients"]:
        fold = tmp_path / "folds" / f"fold-{patient['fold']}"
        model = json.loads((fold / "bundle" / "model.json").read_text())
        assert patient["patient"] not in model["training"]["train_patients"]

    shutil.rmtree(tmp_path / "folds" / "fold-2")
    shutil.rmtree(tmp_path / "folds" / "fold-1" / "evaluation")
    assert run(*line) == 0
    again = json.loads((tmp_path / "folds" / "cross_validation.json").read_text())
    assert [p["dsc_native"] for p in again["patients"]] == [
        p["dsc_native"] for p in first["patients"]
    ]
