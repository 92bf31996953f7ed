from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.segmentation.bundle import load_bundle, save_bundle
from napari_brainseg.core.segmentation.engines.ir import write_ir
from napari_brainseg.core.segmentation.inference import predict
from napari_brainseg.core.segmentation.metrics import dsc
from napari_brainseg.core.segmentation.networks import build_network
from napari_brainseg.core.segmentation.postprocessing import Postprocessing, postprocess
from training.__main__ import main
from training.postprocess import command
from training.postprocess.search import PLAIN, Option, choose, grid, left_out, score

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPTIONS = grid()
LARGEST = Option(0.5, Postprocessing(largest_component=True))
MINIMUM = Option(0.5, Postprocessing(minimum_size_vox=50))
PATIENTS = [f"SITE_A_{number:04d}" for number in range(6)]


# ---- the search ----


@given(
    st.data(),
    arrays.arrays(
        np.float32,
        (2, 9, 9),
        elements=st.sampled_from([np.float32(v) for v in (0.1, 0.32, 0.47, 0.5, 0.58, 0.9)]),
    ),
    arrays.arrays(np.uint8, (2, 9, 9), elements=st.integers(0, 1)),
)
def test_scores_are_those_of_the_masks_as_delivered(
    data: st.DataObject, probability: np.ndarray, truth: np.ndarray
) -> None:
    small = [
        Option(o.threshold, o.steps.model_copy(update={"minimum_size_vox": size}))
        for o in data.draw(st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=4))
        for size in (0, 5)
    ]

    scores = score(probability, truth, small)

    for option, found in zip(small, scores, strict=True):
        mask = postprocess(probability, threshold=option.threshold, steps=option.steps)
        assert found == pytest.approx(dsc(mask, truth), abs=1e-12)


def test_scores_of_a_dense_crf_are_those_of_its_masks() -> None:
    pytest.importorskip("pydensecrf", reason="needs pydensecrf2, the extra crf")
    rng = np.random.default_rng(0)
    truth = np.zeros((3, 24, 24), dtype=np.uint8)
    truth[:, 8:16, 8:16] = 1
    flair = (80 + 100 * truth + rng.integers(0, 20, truth.shape)).astype(np.uint8)
    probability = np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.2, truth.shape), 0, 1)
    probability = probability.astype(np.float32)
    some = [o for o in grid(dense_crf=True) if o.steps.dense_crf][::97]

    scores = score(probability, truth, some, flair=flair)

    for option, found in zip(some, scores, strict=True):
        mask = postprocess(probability, threshold=option.threshold, steps=option.steps, flair=flair)
        assert found == pytest.approx(dsc(mask, truth), abs=1e-12)


def test_a_dense_crf_that_is_not_installed_is_said_before_anything_is_predicted(
    make_run: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", None)
    monkeypatch.setattr(command, "Predictor", None)

    assert main(["postprocess", str(make_run()), "--dense-crf"]) == 1

    assert "pydensecrf2" in capsys.readouterr().err


@pytest.mark.parametrize(("lesion", "expected"), [(0, 1.0), (1, 0.0)])
def test_a_patient_whom_no_option_gives_a_mask(lesion: int, expected: float) -> None:
    probability = np.full((2, 8, 8), 0.01, dtype=np.float32)
    truth = np.zeros((2, 8, 8), dtype=np.uint8)
    truth[0, 3, 3] = lesion

    assert (score(probability, truth, OPTIONS) == expected).all()


def test_the_grid_holds_what_was_asked_for_and_plain() -> None:
    assert PLAIN in OPTIONS
    assert {o.threshold for o in OPTIONS} >= {0.3, 0.5, 0.7}
    assert {o.steps.minimum_size_vox for o in OPTIONS} >= {0, 400}
    assert len(set(OPTIONS)) == len(OPTIONS)
    assert LARGEST in OPTIONS


def test_a_gain_within_noise_is_not_worth_a_step() -> None:
    plain = np.array([0.8, 0.7, 0.9, 0.85])
    scores = np.stack([plain, plain + np.array([0.05, -0.03, 0.01, -0.02])], axis=1)

    best, taken = choose(scores, [PLAIN, LARGEST])

    assert (best, taken) == (1, 0)


def test_a_gain_for_everybody_is_taken_however_hard_the_patients_differ() -> None:
    plain = np.array([0.2, 0.95, 0.6, 0.8])
    scores = np.stack([plain, plain + np.array([0.021, 0.02, 0.019, 0.02])], axis=1)

    assert choose(scores, [PLAIN, LARGEST]) == (1, 1)


def test_of_options_within_noise_the_one_with_fewer_steps_is_taken() -> None:
    both = Option(0.45, Postprocessing(minimum_size_vox=50, fill_holes=True))
    plain = np.array([0.5, 0.6, 0.7])
    scores = np.stack([plain + 0.1001, plain + np.array([0.1, 0.1, 0.1002]), plain], axis=1)

    best, taken = choose(scores, [both, MINIMUM, PLAIN])

    assert (best, taken) == (0, 1)


def test_a_step_that_fails_badly_for_one_is_not_taken_for_noise() -> None:
    plain = np.array([0.95, 0.94, 0.93, 0.92, 0.91, 0.3])
    largest = np.array([0.99, 0.99, 0.99, 0.99, 0.99, 0.0])
    minimum = np.array([0.99, 0.99, 0.99, 0.99, 0.99, 0.35])

    best, taken = choose(np.stack([plain, largest, minimum], axis=1), [PLAIN, LARGEST, MINIMUM])

    assert (best, taken) == (2, 2)


def test_noise_looks_good_in_sample_and_not_when_patients_are_left_out() -> None:
    rng = np.random.default_rng(0)
    options = OPTIONS[:200]
    in_sample, out_of_sample = [], []
    for _ in range(20):
        scores = 0.8 + 0.05 * rng.standard_normal((8, len(options)))
        best, _ = choose(scores, options)
        in_sample.append(scores[:, best].mean())
        out_of_sample.append(left_out(scores, options)[0].mean())

    assert np.mean(in_sample) > 0.83
    assert np.mean(out_of_sample) == pytest.approx(0.8, abs=0.01)


# ---- the command ----


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Six patients, a lesion of 8 x 8 x 3 voxels each."""
    root = tmp_path / "cohort"
    rng = np.random.default_rng(0)
    for name in PATIENTS:
        image = rng.integers(60, 110, (3, 5, 48, 48), dtype=np.uint8)
        mask = np.zeros((5, 48, 48), dtype=np.uint8)
        mask[1:4, 20:28, 20:28] = 1
        write_patient(root, name, image, mask, range(1, 6), durable=False)
    return root


@pytest.fixture
def make_run(tmp_path: Path, cohort: Path) -> Callable[..., Path]:
    """A finished run with a bundle of random weights."""

    def make(
        validation: list[str] = PATIENTS, trained: tuple[str, ...] = (), **config: Any
    ) -> Path:
        run = tmp_path / "run"
        run.mkdir()
        (run / "config.json").write_text(json.dumps({"data": [str(cohort)], **config}))
        network = build_network("unet", features=4)
        save_bundle(
            run / "bundle",
            {key: value.numpy() for key, value in network.state_dict().items()},
            name="model",
            card="# Card of {version}",
            write_ir=lambda path: write_ir(network, path),
            network={"features": 4},
            training={"validation_patients": validation, "train_patients": list(trained)},
        )
        return run

    return make


class FakePredictor:
    """Lesions found but for one patient, where a bigger island lies elsewhere."""

    def __init__(self, *_: Any) -> None:
        self.predicted: list[str] = []

    def __enter__(self) -> FakePredictor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def predict(self, study: Any) -> Any:
        probability = np.zeros(study.truth.data.shape, dtype=np.float32)
        probability[study.truth.data != 0] = 0.9
        number = int(study.patient[-4:])
        probability[2, 2:4, 2 : 4 + number] = 0.6  # an island of a few voxels, one for each
        if number == 5:
            probability[0:5, 30:44, 4:18] = 0.8  # bigger than the lesion
        return type("Prediction", (), {"probability": probability})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Predictor", FakePredictor)


@pytest.mark.usefixtures("fake")
def test_small_islands_go_and_the_cases_that_a_step_harms_are_told(
    make_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()

    assert main(["postprocess", str(run), "--json", str(tmp_path / "found.json")]) == 0

    found = json.loads((tmp_path / "found.json").read_text())
    assert found["patients"] == PATIENTS
    assert found["taken"]["steps"] or found["taken"]["threshold"] != 0.5
    assert found["taken"]["mean"] > found["plain"]["mean"]
    assert found["taken"]["left_out_mean"] == pytest.approx(np.mean(found["taken"]["left_out"]))
    largest = next(
        o for o in found["options"]
        if o["threshold"] == 0.5 and o["steps"] == {"largest_component": True}
    )  # fmt: skip
    assert [w["patient"] for w in largest["worsened"]] == ["SITE_A_0005"]
    assert largest["worsened"][0]["after"] == 0
    assert largest["worsened"][0]["before"] > 0.2
    low, high = found["taken_against_plain"]["interval"]
    assert 0 < low <= found["taken_against_plain"]["mean_difference"] <= high

    out = capsys.readouterr().out
    assert "each patient left out" in out
    assert "worse for 1: SITE_A_0005 0.2" in out
    assert "to 0.000" in out
    assert not (run / "evaluation").exists()


@pytest.mark.usefixtures("fake")
def test_the_choice_becomes_a_new_model_with_the_same_weights(
    make_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    parent = load_bundle(run / "bundle")
    before = {p.name: p.read_bytes() for p in parent.path.iterdir()}

    assert main(["postprocess", str(run), "--apply", str(tmp_path / "cleaned")]) == 0

    made = load_bundle(tmp_path / "cleaned")
    assert made.version in capsys.readouterr().out
    assert made.version != parent.version
    assert made.manifest.parent == parent.version
    for name in ("weights.safetensors", "model.xml", "model.bin"):
        assert (made.path / name).read_bytes() == before[name]
    assert made.manifest.network == parent.manifest.network
    assert made.manifest.preprocessing == parent.manifest.preprocessing
    delivered = Option(made.manifest.threshold, made.manifest.postprocessing)
    assert delivered != PLAIN
    assert made.manifest.metrics["validation_dsc_left_out"] <= 1
    assert made.manifest.training["validation_patients"] == PATIENTS
    assert made.manifest.training["postprocessing"]["chosen_on"] == PATIENTS
    card = (made.path / "MODEL_CARD.md").read_text()
    assert f"Version `{made.version}`" in card
    assert f"Card of {parent.version}" in card
    assert {p.name: p.read_bytes() for p in parent.path.iterdir()} == before

    assert main(["postprocess", str(run), "--apply", str(tmp_path / "cleaned")]) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert main(["postprocess", str(run), "--apply", str(tmp_path / "model")]) == 1
    assert "Choose another name" in capsys.readouterr().err


def test_the_engine_is_asked_once_for_each_patient(
    make_run: Callable[..., Path], cohort: Path, tmp_path: Path
) -> None:
    run = make_run(PATIENTS[:3])

    assert main(["postprocess", str(run), "--device", "cpu",
                 "--json", str(tmp_path / "found.json")]) == 0  # fmt: skip

    from napari_brainseg.core.formats import discover, load_study

    found = json.loads((tmp_path / "found.json").read_text())
    study = load_study(discover(cohort).find(PATIENTS[1]))
    mask = predict(study, load_bundle(run / "bundle"), device="cpu").mask
    assert found["plain"]["dsc"][1] == pytest.approx(dsc(mask, study.truth.data))
    assert found["current"]["dsc"] == found["plain"]["dsc"]


@pytest.mark.parametrize(
    ("config", "arguments", "told"),
    [
        ({"test_patients": [PATIENTS[2]]}, [], PATIENTS[2]),
        ({}, ["--patients", PATIENTS[0], "SITE_B_0001"], "SITE_B_0001"),
        ({}, ["--patients", *PATIENTS[:2]], "too few"),
        ({}, ["--data", "."], "not in the data"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_other_patients_are_refused_by_name(
    config: dict[str, Any],
    arguments: list[str],
    told: str,
    make_run: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    write_patient(
        empty, "SITE_C_0001", np.ones((3, 3, 32, 32), np.uint8), np.zeros((3, 32, 32), np.uint8),
        range(3), durable=False,
    )  # fmt: skip
    monkeypatch.chdir(empty)

    assert main(["postprocess", str(make_run(**config)), *arguments]) == 1

    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_the_ten_reference_patients_are_for_the_reference_protocol_alone(
    make_run: Callable[..., Path], cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ten = "TCGA_CS_4944_20010208"
    for path in (cohort / PATIENTS[5]).iterdir():
        path.rename(path.with_name(path.name.replace(PATIENTS[5], ten)))
    (cohort / PATIENTS[5]).rename(cohort / ten)
    run = make_run([*PATIENTS[:5], ten])

    assert main(["postprocess", str(run)]) == 1
    assert ten in capsys.readouterr().err

    assert main(["postprocess", str(run), "--patients", *PATIENTS[:5]]) == 0
    capsys.readouterr()

    stored = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**stored, "protocol": "reference"}))
    assert main(["postprocess", str(run)]) == 0
    assert "flatters" in capsys.readouterr().out


@pytest.mark.usefixtures("fake")
def test_patients_that_an_ancestor_learned_from_are_named(
    make_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["postprocess", str(make_run(trained=(PATIENTS[1],)))]) == 0

    assert f"trained on {PATIENTS[1]}" in capsys.readouterr().out


def test_an_unfinished_run_has_no_model_to_make_another_of(
    make_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    run = make_run(features=4)
    (run / "bundle").rename(tmp_path / "elsewhere")
    (run / "checkpoints").mkdir()
    torch.save(build_network("unet", features=4).state_dict(), run / "checkpoints" / "best.pt")

    assert main(["postprocess", str(run), "--apply", str(tmp_path / "cleaned")]) == 1

    assert "Let it end first" in capsys.readouterr().err
