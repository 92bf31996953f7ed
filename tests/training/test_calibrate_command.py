"""Calibration of a cross-validation of six small patients, predicted by a stand-in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import expit

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.segmentation.bundle import load_bundle, save_bundle
from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from training.__main__ import main
from training.calibrate import held_out
from training.calibrate.folds import read_folds
from training.calibrate.held_out import predict_folds
from training.calibrate.results import CalibrationReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from training.calibrate.results import StepEvidence

PATIENTS = [f"SITE_A_{number:04d}" for number in range(6)]
TEN = "TCGA_CS_4944_20010208"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven patients, a lesion of 8 x 8 x 3 voxels each; one of them is a reference patient."""
    root = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    for name in (*PATIENTS, TEN):
        image = rng.integers(60, 110, (3, 5, 48, 48), dtype=np.uint8)
        mask = np.zeros((5, 48, 48), dtype=np.uint8)
        mask[1:4, 20:28, 20:28] = 1
        write_patient(root, name, image, mask, range(1, 6), durable=False)
    return root


@pytest.fixture
def make_fold(tmp_path: Path, cohort: Path) -> Callable[..., Path]:
    """A finished fold with a bundle that nothing runs."""

    def make(
        number: int, patients: list[str], trained: tuple[str, ...] = (), **fields: Any
    ) -> Path:
        run = tmp_path / "cv" / f"fold-{number}"
        run.mkdir(parents=True)
        config = {"data": [str(cohort)], "protocol": "k-fold", "folds": 3, "fold": number}
        (run / "config.json").write_text(json.dumps({**config, **fields.pop("config", {})}))
        save_bundle(
            run / "bundle",
            {"weight": np.full(3, number, dtype=np.float32)},
            name=f"model-fold-{number}",
            training={"validation_patients": patients, "train_patients": list(trained)},
            **fields,
        )
        return run

    return make


@pytest.fixture
def cv(make_fold: Callable[..., Path], tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        make_fold(number, PATIENTS[2 * number - 2 : 2 * number])
    return tmp_path / "cv"


class FakePredictor:
    """Too sure by far; small false islands, one for each, and one bigger than the lesion."""

    asked: list[tuple[str, str, bool]]

    def __init__(self, bundle: Any, device: str) -> None:
        assert device == "auto"
        self.bundle = bundle

    def __enter__(self) -> FakePredictor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def predict(self, study: Any, *, tta: bool) -> Any:
        self.asked.append((self.bundle.name, study.patient, tta))
        rng = np.random.default_rng(len(study.patient))
        truth = study.truth.data != 0
        logits = np.where(truth, 6.0, -12.0)
        logits[0:1, 18:34, 18:34] = rng.normal(0, 6, (1, 16, 16)) - 6
        logits[1:4, 18:34, 18:34] += rng.normal(0, 6, (3, 16, 16)) * (1 - tta / 2)
        number = int(study.patient[-4:])
        logits[2, 2:4, 2 : 4 + number] = 2.5
        if number == 5:
            logits[0:5, 30:44, 4:18] = 3.0
        temperature = self.bundle.manifest.temperature
        probability = expit(logits / temperature).astype(np.float32)
        return type("Prediction", (), {"probability": probability})


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    FakePredictor.asked = []
    monkeypatch.setattr(held_out, "Predictor", FakePredictor)


def run(*arguments: object) -> int:
    return main(["calibrate", *map(str, arguments)])


def report_of(path: Path) -> CalibrationReport:
    return CalibrationReport.model_validate_json(path.read_bytes())


def step(report: CalibrationReport, **settings: Any) -> StepEvidence:
    wanted = Postprocessing(**settings)
    return next(
        s for s in report.masks.steps
        if s.way.postprocessing == wanted and s.way.threshold == 0.5
    )  # fmt: skip


def test_temperature_and_masks_of_a_cross_validation(
    cv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cv, "--json", tmp_path / "report.json") == 0

    found = report_of(tmp_path / "report.json")
    assert len(FakePredictor.asked) == 12
    assert ("model-fold-2", PATIENTS[3], True) in FakePredictor.asked
    assert found.patients == 6
    assert len(found.models) == len(found.fold_temperatures) == 3
    # sure of what is wrong: probabilities become less sure, and the honest figures better
    assert found.temperature > 1.5
    assert all(1.5 < t < 5 for t in found.fold_temperatures)
    assert found.ece_after < found.ece_before
    assert found.nll_after < found.nll_before
    assert found.auroc is not None
    assert found.auroc > 0.5
    assert sum(b.voxels for b in found.reliability_after) == found.voxels
    masks = found.masks
    assert masks.taken.figures.dsc_mean > masks.plain.dsc_mean
    assert masks.best.figures.dsc_mean >= masks.taken.figures.dsc_mean
    assert masks.taken_cross_fitted.patients == 6
    assert masks.plain.lesion_free_slices == 12
    assert masks.plain.lesion_free_slices_marked >= 2
    assert len(masks.taken_by_fold) == 3
    assert masks.tta is not None
    assert masks.tta.plain.dsc_mean > masks.plain.dsc_mean
    assert masks.now.figures == masks.plain

    out = capsys.readouterr().out
    assert f"temperature = {found.temperature:g}\n" in out
    assert f"threshold = {masks.taken.way.threshold:g}\n" in out
    assert "cross-fitted" in out
    assert not list(cv.glob("*/evaluation"))


def test_a_lesion_thrown_away_for_a_larger_false_island_is_told_by_name(
    cv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(cv, "--no-tta", "--json", tmp_path / "report.json") == 0

    found = report_of(tmp_path / "report.json")
    largest = step(found, largest_component=True)
    assert [change.patient for change in largest.lost] == [PATIENTS[5]]
    change = largest.lost[0]
    assert change.dsc_before > 0.1 > change.dsc_after == 0
    assert change.overlap_before_vox > 0 == change.overlap_after_vox
    assert (change.true_islands_after, change.false_islands_after) == (0, 1)
    spared = step(found, minimum_size_vox=100, spared_share=0.1)
    assert spared.lost == ()
    emptied = step(found, minimum_size_vox=400)
    assert {change.patient for change in emptied.lost} == set(PATIENTS)
    assert found.masks.tta is None
    out = capsys.readouterr().out
    assert f"    lost   {PATIENTS[5]}: DSC 0." in out
    assert "to 0.000" in out
    assert {asked[2] for asked in FakePredictor.asked} == {False}


def test_what_is_in_the_cache_is_not_predicted_again_until_its_files_change(
    cv: Path, cohort: Path, tmp_path: Path
) -> None:
    folds = read_folds([cv]).folds
    first = [k.load() for k in predict_folds(folds, tmp_path / "kept", tta=False)]
    assert len(FakePredictor.asked) == 6

    again = [k.load() for k in predict_folds(folds, tmp_path / "kept", tta=False)]
    assert len(FakePredictor.asked) == 6
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.logits, other.logits)

    next((tmp_path / "kept").glob(f"*/{PATIENTS[1]}.npz")).write_bytes(b"half a fi")
    image = next((cohort / PATIENTS[2]).glob("*_1.tif"))
    image.write_bytes(image.read_bytes())
    predict_folds(folds, tmp_path / "kept", tta=False)
    assert [asked[1] for asked in FakePredictor.asked[6:]] == PATIENTS[1:3]

    predict_folds(folds, tmp_path / "kept", tta=True)
    assert len(FakePredictor.asked) == 8 + 12


def test_what_is_kept_is_what_masks_are_made_of(
    make_fold: Callable[..., Path], tmp_path: Path
) -> None:
    make_fold(1, PATIENTS[:3], temperature=2.0)
    (kept, *_) = predict_folds(read_folds([tmp_path / "cv"]).folds, tmp_path / "kept", tta=True)
    patient = kept.load()

    assert patient.truth.sum() == 8 * 8 * 3
    assert patient.logits.shape == patient.truth.shape
    assert patient.logits.shape[0] == 5
    assert patient.mirrored is not None
    assert not np.array_equal(patient.mirrored, patient.logits)
    # before the temperature: the small island
    assert (np.abs(patient.logits - 2.5) < 0.01).sum() >= 4


def test_a_threshold_at_another_temperature_gives_the_same_masks(
    make_fold: Callable[..., Path], tmp_path: Path
) -> None:
    steps = Postprocessing(minimum_size_vox=10)
    for number in (1, 2):
        make_fold(number, PATIENTS[3 * number - 3 : 3 * number], temperature=2.0, threshold=0.3,
                  postprocessing=steps)  # fmt: skip

    assert run(tmp_path / "cv", "--no-tta", "--json", tmp_path / "report.json") == 0

    found = report_of(tmp_path / "report.json")
    assert found.temperature_now == 2.0
    now = found.masks.now.way
    assert now.postprocessing == steps
    before, after = (np.log(t / (1 - t)) for t in (0.3, now.threshold))
    assert before * 2.0 == pytest.approx(after * found.temperature, rel=1e-3)
    assert "2 of 3 folds" in " ".join(found.notes)


def test_the_choice_goes_into_a_model_of_the_same_kind(
    cv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = save_bundle(
        tmp_path / "final", {"weight": np.ones(3, dtype=np.float32)}, name="final", card="# Mine",
        training={"train_patients": PATIENTS},
    )  # fmt: skip

    assert run(cv, "--no-tta", "--json", tmp_path / "r.json",
               "--apply", parent.path, tmp_path / "calibrated") == 0  # fmt: skip

    found, made = report_of(tmp_path / "r.json"), load_bundle(tmp_path / "calibrated")
    assert made.weights_path.read_bytes() == parent.weights_path.read_bytes()
    assert made.manifest.temperature == found.temperature
    assert made.manifest.threshold == found.masks.taken.way.threshold
    assert made.manifest.postprocessing == found.masks.taken.way.postprocessing
    assert made.manifest.parent == parent.version
    assert made.train_patients == tuple(PATIENTS)
    assert made.manifest.metrics["cross_validated_dsc"] == found.masks.taken_cross_fitted.dsc_mean
    card = (made.path / "MODEL_CARD.md").read_text()
    assert f"Temperature {found.temperature:g}" in card
    assert "# Mine" in card
    assert made.version in capsys.readouterr().out


def test_a_model_of_another_kind_is_refused_before_anything_is_predicted(
    cv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = save_bundle(
        tmp_path / "other", {"weight": np.ones(3, dtype=np.float32)}, name="other",
        network={"features": 32},
    )  # fmt: skip

    assert run(cv, "--apply", other.path, tmp_path / "made") == 1

    assert "differ in network" in capsys.readouterr().err
    assert FakePredictor.asked == []
    assert not (tmp_path / "made").exists()


def test_single_folds_can_be_named_and_one_alone_leaves_out_each_patient(
    make_fold: Callable[..., Path], tmp_path: Path
) -> None:
    fold = make_fold(2, PATIENTS[:4], config={"keep": "best"})

    assert run(fold, "--no-tta", "--json", tmp_path / "report.json") == 0

    found = report_of(tmp_path / "report.json")
    assert len(found.fold_temperatures) == 4
    notes = " ".join(found.notes)
    assert "each patient is left out" in notes
    assert "flatter" in notes


def test_reference_patients_and_test_patients_are_never_predicted(
    make_fold: Callable[..., Path], tmp_path: Path
) -> None:
    make_fold(1, [*PATIENTS[:2], TEN], config={"lock_reference": False})
    make_fold(2, PATIENTS[2:5], config={"test_patients": [PATIENTS[4]]})

    assert run(tmp_path / "cv", "--no-tta", "--json", tmp_path / "report.json") == 0

    assert {asked[1] for asked in FakePredictor.asked} == set(PATIENTS[:4])
    notes = " ".join(report_of(tmp_path / "report.json").notes)
    assert TEN in notes
    assert PATIENTS[4] in notes


@pytest.mark.parametrize(
    ("folds", "told"),
    [
        ([], "neither a run nor the folds"),
        ([{"patients": PATIENTS[:2]}], "too few"),
        ([{"patients": PATIENTS[:5]}, {"patients": PATIENTS[5:]}], "Without the largest fold"),
        ([{"patients": PATIENTS[:3]}, {"patients": PATIENTS[2:]}], f"{PATIENTS[2]} was held out"),
        ([{"patients": PATIENTS[:3], "trained": (PATIENTS[1],)}], "was trained on"),
        (
            [{"patients": PATIENTS[:3]}, {"patients": PATIENTS[3:], "threshold": 0.4}],
            "differ in threshold: 0.4 and 0.5",
        ),
        ([{"patients": [*PATIENTS[:3], "SITE_B_0001"]}], "SITE_B_0001"),
    ],
)
def test_what_would_make_the_figures_dishonest_is_refused(
    folds: list[dict[str, Any]],
    told: str,
    make_fold: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number, fold in enumerate(folds, 1):
        make_fold(number, **fold)

    assert run(tmp_path / "cv") == 1

    assert told in capsys.readouterr().err
    assert FakePredictor.asked == []


def test_a_fold_that_has_not_ended_is_named(
    cv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cv / "fold-3" / "bundle").rename(tmp_path / "elsewhere")

    assert run(cv) == 1
    assert "fold-3 has no model yet" in capsys.readouterr().err

    assert run(cv / "fold-1", cv / "fold-2", "--no-tta") == 0
    assert "2 of 3 folds" in capsys.readouterr().out
