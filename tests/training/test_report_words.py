"""Verdicts and findings say what the figures say, and no more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_brainseg.core.protocol import EpochFinished, RunFinished, RunStarted, parse_config
from napari_brainseg.core.segmentation.calibration import CalibrationCounts
from napari_brainseg.core.segmentation.evaluation_results import (
    Evaluation,
    PatientResult,
    Seconds,
    summarise,
)
from training.report.measured import measured_runs
from training.report.reading import Reading, read_together
from training.report.runs_on_disk import Run
from training.report.words import how_it_ended, verdict

GONE = Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0)
NAMES = [f"TCGA_CS_{4000 + n}_20000101" for n in range(10)]


def evaluation(scores: dict[str, float | None], **figures: Any) -> Evaluation:
    learnt = figures.pop("trained_on", ())
    results = [
        PatientResult(
            patient=name, slices=20, dsc_reference=score, dsc_native=0.5, dsc_native_lcc=0.5,
            hd95_vox=3.0, volume_truth_vox=100, volume_prediction_vox=0 if score == 0 else 90,
            seconds=GONE, **figures,
        )
        for name, score in scores.items()
    ]  # fmt: skip
    bundle = SimpleNamespace(version="v", train_patients=tuple(learnt))
    return summarise(results, bundle=bundle, engine="none")


def curve(values: list[float], losses: list[float] | None = None) -> tuple[EpochFinished, ...]:
    best = int(np.argmax(values))
    return tuple(
        EpochFinished(
            epoch=n, epochs=len(values), train_loss=0.1, train_dsc=0.9, validation_dsc=value,
            validation_loss=losses[n - 1] if losses else 1 - value, learning_rate=1e-3, seconds=1,
            remaining_s=0, best_epoch=best + 1, best_validation_dsc=values[best],
        )
        for n, value in enumerate(values, 1)
    )  # fmt: skip


def run(name: str, mean: float = 0.9, *, train: int = 120, **changes: Any) -> Run:
    """A run on ten patients; the same easy and hard ones for all."""
    spread = np.linspace(-0.05, 0.05, 10)
    if "evaluations" not in changes:
        scores = {n: float(mean + d) for n, d in zip(NAMES, spread, strict=True)}
        changes["evaluations"] = {"validation": evaluation(scores)}
    fields: dict[str, Any] = {
        "config": parse_config({"keep": "last", **changes.pop("settings", {})}),
        "started": RunStarted(
            run_id=name, run_dir=name, device="cpu", precision="32-true", epochs=5,
            steps_per_epoch=2, train_patients=tuple(f"P{n}" for n in range(train)),
            validation_patients=(),
        ),
        "finished": RunFinished(reason="completed"),
        "path": Path(name),
    }  # fmt: skip
    return Run(name=name, **(fields | changes))


def read(*runs: Run) -> Reading:
    return read_together(runs, measured_runs(runs))


def words(one: Run) -> str:
    return " ".join(verdict(one, measured_runs([one]).get(one.name)))


def test_a_clear_difference_is_named_and_noise_is_not_crowned() -> None:
    wobble = [0.004, -0.006, 0.003, -0.004, 0.005, -0.002, 0.001, -0.003, 0.002, -0.001]
    close = {n: float(0.9 + d + w) for n, d, w in
             zip(NAMES, np.linspace(-0.05, 0.05, 10), wobble, strict=True)}  # fmt: skip
    reading = read(
        run("good"), run("close", evaluations={"validation": evaluation(close)}), run("bad", 0.8)
    )

    assert reading.findings[0].startswith(
        "Of 3 runs measured on the same 10 patients, good has the highest mean DSC: 0.900"
    )
    assert "Worse than it beyond noise: bad." in reading.findings
    assert any("do not tell it from close: none of these" in text for text in reading.findings)
    assert {row[0]: row[-1] for row in reading.pairs} == {
        "close": "no difference shown", "bad": "worse",
    }  # fmt: skip
    assert "corrected for 2 comparisons" in reading.against_best["bad"]
    assert reading.warnings == []


def test_too_few_patients_to_tell_are_said_to_be_too_few() -> None:
    def on(patients: int, mean: float) -> dict[str, Evaluation]:
        return {"validation": evaluation(dict.fromkeys(NAMES[:patients], mean))}

    three = read(run("a", evaluations=on(3, 0.9)), run("b", evaluations=on(3, 0.5)))
    many = read(*(run(f"r{n}", evaluations=on(7, 0.9 - 0.1 * n)) for n in range(5)))

    assert "With 3 patients, no run can be told from another." in three.findings
    assert any("not even the largest difference" in text for text in many.findings)


def test_runs_on_other_patients_are_not_compared() -> None:
    others = {"validation": evaluation(dict.fromkeys(NAMES[:7], 0.99))}
    reading = read(run("a"), run("b", 0.7), run("c", evaluations=others))

    assert [row[0] for row in reading.pairs] == ["b"]
    assert "c" not in reading.against_best
    assert any("2 different sets of patients" in text for text in reading.findings)


def test_folds_of_a_cross_validation_are_read_as_one() -> None:
    def fold(number: int, network: str, mean: float) -> Run:
        part = NAMES[5 * (number - 1) : 5 * number]
        return run(
            f"{network}/fold-{number}", path=Path(network) / f"fold-{number}",
            settings={"protocol": "k-fold", "folds": 2, "fold": number, "network": network},
            evaluations={"validation": evaluation(dict.fromkeys(part, mean))},
        )  # fmt: skip

    folds = [fold(n, net, m) for net, m in (("unet", 0.9), ("segnet", 0.8)) for n in (1, 2)]
    reading = read(*folds)

    assert "Of 2 runs measured on the same 10 patients, unet (2 of 2 folds)" in reading.findings[0]
    assert [row[0] for row in reading.pairs] == ["segnet (2 of 2 folds)"]
    assert reading.against_best["segnet/fold-1"].startswith("A fold of segnet (2 of 2 folds)")


def test_folds_that_share_a_person_stay_apart() -> None:
    def fold(number: int) -> Run:
        settings = {"protocol": "k-fold", "folds": 2, "fold": number}
        return run(f"cv/fold-{number}", path=Path("cv") / f"fold-{number}", settings=settings)

    assert [row[0] for row in read(fold(1), fold(2)).pairs] == ["cv/fold-2"]


def test_a_run_that_was_trained_on_its_patients_is_not_ranked() -> None:
    leaked = evaluation(dict.fromkeys(NAMES, 0.99), trained_on=NAMES[:2])
    cheat = run("cheat", evaluations={"validation": leaked})
    reading = read(run("a"), run("b", 0.7), cheat)

    assert "a has the highest mean DSC" in reading.findings[0]
    assert any("not ranked: cheat." in text for text in reading.warnings)
    assert "that is no test" in words(cheat)


def test_choosing_on_the_reported_patients_is_told() -> None:
    chose = run("chose", settings={"protocol": "reference", "keep": "best"}, epochs=())
    fair = run("fair", 0.8)
    reading = read(chose, fair)

    assert any("the very patients that are reported (chose)" in t for t in reading.warnings)
    assert any("protocol `clean` does not" in t for t in reading.warnings)
    assert any("chose chose something" in t or "chose something" in t for t in reading.warnings)
    assert "the figure flatters" in words(chose)
    assert "flatters" not in words(fair)


def test_test_patients_are_no_choice_however_the_epoch_was_kept() -> None:
    tested = run("t", settings={"keep": "best"})
    tested.evaluations["test"] = tested.evaluations.pop("validation")

    assert "flatters" not in words(tested)
    assert "over 10 test patients" in words(tested)


def test_few_training_patients_are_told() -> None:
    assert any("100 patients; 30 trained small" in t for t in read(run("small", train=30)).warnings)
    assert read(run("full", train=100)).warnings == []


def test_nothing_measured_is_said() -> None:
    reading = read(run("a", evaluations={}))

    assert reading.findings == ["No run was measured, so none can be called better than another."]
    assert "not measured" in words(run("a", evaluations={}))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.01, 0.02, 0.0, 0.03, 0.02], "did not learn"),
        ([0.5, 0.9, 0.88, 0.87, 0.86], "fell from 0.900 in epoch 2 to 0.860 in epoch 5"),
        ([0.5, 0.6, 0.7, 0.8, 0.9], "still rising"),
    ],
)
def test_curves_are_read(values: list[float], told: str) -> None:
    assert told in words(run("a", epochs=curve(values)))


def test_a_steady_end_gives_rise_to_no_words() -> None:
    steady = words(run("a", epochs=curve([0.5, 0.8, 0.9, 0.902, 0.901])))

    assert "rising" not in steady
    assert "fell" not in steady
    assert "overfits" not in steady
    rising_loss = curve([0.8, 0.9, 0.9, 0.9, 0.9], [0.3, 0.2, 0.22, 0.25, 0.3])
    assert "50% higher at the end: it overfits" in words(run("a", epochs=rising_loss))


@pytest.mark.parametrize(
    ("sensitivity", "precision", "error", "told"),
    [
        (0.7, 0.9, -0.2, ("misses more than it adds", "20% smaller")),
        (0.9, 0.7, 0.25, ("adds more than it misses", "25% larger")),
        (0.9, 0.9, 0.0, ("about as much",)),
        (None, None, None, ()),
    ],
)
def test_errors_are_described(sensitivity, precision, error, told) -> None:
    figures = evaluation(
        dict.fromkeys(NAMES, 0.9), sensitivity=sensitivity, precision=precision,
        relative_volume_error=error,
    )  # fmt: skip
    said = words(run("a", evaluations={"validation": figures}))

    assert all(text in said for text in told)
    assert ("Its lesions" in said) is (len(told) == 2)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (0.6, "probabilities are good"),
        (0.9, "on the whole too high"),
        (0.1, "on the whole too low"),
    ],
)
def test_calibration_is_told_with_its_side(given: float, told: str) -> None:
    truth = np.zeros((2, 30, 30), np.uint8)
    truth[:, :15] = 1  # half of the voxels near the outline
    probability = np.full(truth.shape, given, np.float32)
    counts = CalibrationCounts.of(probability, probability, truth, truth)
    figures = evaluation(dict.fromkeys(NAMES, 0.9)).model_copy(
        update={"calibration": counts.summary()}
    )

    assert told in words(run("a", evaluations={"validation": figures}))


def test_missed_lesions_are_counted() -> None:
    scores = dict.fromkeys(NAMES, 0.9) | {NAMES[0]: 0.0}

    said = words(run("a", evaluations={"validation": evaluation(scores)}))

    assert "In 1 of them a lesion was missed altogether." in said
    assert "from 0.000 (CS_4000) to 0.900" in said


def test_a_false_island_that_is_the_largest_component_is_named() -> None:
    scores = dict.fromkeys(NAMES, 0.9) | {NAMES[3]: 0.1}  # 0.5 on the native grid

    said = words(run("a", evaluations={"validation": evaluation(scores)}))

    assert "not the lesion or a part of it only: CS_4003 (0.100, 0.500 of the whole mask)." in said
    assert "largest component" not in words(run("b"))


def test_one_patient_without_the_reference_grid_puts_all_runs_on_the_native_one() -> None:
    short = run("a", evaluations={"validation": evaluation({NAMES[0]: None, NAMES[1]: 0.9})})
    measured = measured_runs([short, run("b")])

    assert {m.definition for m in measured.values()} == {"dsc_native"}
    assert measured["a"].scores == {NAMES[0]: 0.5, NAMES[1]: 0.5}


def test_worst_median_and_best_are_named_once_each() -> None:
    ten = measured_runs([run("a")])["a"].extremes()
    one = run("b", evaluations={"validation": evaluation({NAMES[0]: 0.5})})

    assert ten == {"worst": NAMES[0], "median": NAMES[5], "best": NAMES[9]}
    assert measured_runs([one])["b"].extremes() == {"worst": NAMES[0]}


def test_ends_are_told() -> None:
    early = run("a", settings={"epochs": 9}, epochs=curve([0.5, 0.6]))
    failed = run(
        "b", epochs=curve([0.5]),
        finished=RunFinished(reason="failed", message="Out of memory.", hint="Halve the batch."),
    )  # fmt: skip

    assert "completed after 2 of 9 epochs: no progress" in how_it_ended(early)
    assert how_it_ended(failed).endswith("Out of memory. Halve the batch.")
