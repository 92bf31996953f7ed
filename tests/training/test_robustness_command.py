"""``python -m training robustness``: whom it measures, what it writes, how it is stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_brainseg.core.segmentation.bundle import Bundle, NetworkSpec, save_bundle
from training.__main__ import main
from training.robustness import measure
from training.robustness.results import Robustness

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.imaging import Study

BRIGHT = 180
"""Grey level of the pretended network; lesions of the cohort have 230 in FLAIR."""
MakeBundle = Callable[..., Bundle]


class FakePredictor:
    """Marks what is bright in FLAIR, by absolute grey levels: no scaling is forgiven."""

    engine = "pretended"
    seen: list[str] = []  # noqa: RUF012 (the tests' record)
    stop_after: int | None = None

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        self.bundle = bundle

    def __enter__(self) -> FakePredictor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def predict(self, study: Study) -> SimpleNamespace:
        if self.stop_after is not None and len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen.append(study.patient)
        return SimpleNamespace(mask=(study.image.data[1] > BRIGHT).astype(np.uint8))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakePredictor]:
    monkeypatch.setattr(measure, "Predictor", FakePredictor)
    monkeypatch.setattr(FakePredictor, "seen", [])
    monkeypatch.setattr(FakePredictor, "stop_after", None)
    return FakePredictor


@pytest.fixture
def make_bundle() -> MakeBundle:
    import torch

    from napari_brainseg.core.segmentation.networks import build_network

    def make(folder: Path, seed: int = 0, **training: Any) -> Bundle:
        torch.manual_seed(seed)
        weights = build_network("unet", features=2).state_dict()
        return save_bundle(
            folder, {key: value.numpy() for key, value in weights.items()}, name="random",
            network=NetworkSpec(features=2), training=training,
        )  # fmt: skip

    return make


def robustness(*arguments: object) -> int:
    return main(["robustness", *map(str, arguments)])


def read(path: Path) -> Robustness:
    return Robustness.model_validate_json(path.read_bytes())


@pytest.mark.usefixtures("fake")
def test_every_condition_is_measured_against_the_unchanged_study(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_bundle(tmp_path / "model", train_patients=["SITE_A_0000"])
    out = tmp_path / "new" / "robustness.json"
    assert robustness(
        bundle.path, "--data", cohort_root, "--json", out, "--phantoms", 0,
        "--conditions", "flair-x0.5", "pre-x0.5", "mirrored", "pixels-0.4-mm",
    ) == 0  # fmt: skip

    found = read(out)
    assert found.model == bundle.version
    assert [p.patient for p in found.patients] == [f"SITE_A_{n:04d}" for n in range(1, 5)]
    assert found.unchanged.mean == 1.0
    dark, other, mirrored, fine = found.conditions
    assert dark.patients_lost == ("SITE_A_0001", "SITE_A_0002", "SITE_A_0003")
    assert dark.dsc_mean == 0.25  # the patient without lesion keeps an empty mask
    assert (other.change_mean, mirrored.change_mean) == (0, 0)
    assert -0.2 < fine.change_mean < 0
    assert found.lesion_free is None
    assert not found.notes
    assert "lost: SITE_A_0001" in capsys.readouterr().out
    assert [p.name for p in out.parent.iterdir()] == ["robustness.json"]


@pytest.mark.usefixtures("fake")
def test_patients_are_the_models_validation_patients_or_those_named(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path
) -> None:
    training = {
        "train_patients": ["SITE_A_0000", "SITE_A_0001"], "validation_patients": ["SITE_A_0003"],
    }  # fmt: skip
    bundle = make_bundle(tmp_path / "model", **training)
    out = tmp_path / "out.json"
    line = (bundle.path, "--data", cohort_root, "--json", out, "--phantoms", 0,
            "--conditions", "mirrored")  # fmt: skip
    assert robustness(*line) == 0
    assert [p.patient for p in read(out).patients] == ["SITE_A_0003"]

    (tmp_path / "names.txt").write_text("# two\nSITE_A_0002\nSITE_A_0001\n")
    assert robustness(*line, "--patients", tmp_path / "names.txt") == 0
    found = read(out)
    assert [p.patient for p in found.patients] == ["SITE_A_0002", "SITE_A_0001"]
    assert found.notes == ("The model was trained on SITE_A_0001: no test.",)


@pytest.mark.usefixtures("fake")
def test_a_patient_that_cannot_be_read_does_not_stop_the_others(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(cohort_root, root)
    (root / "SITE_A_0001" / "SITE_A_0001_2.tif").write_bytes(b"not a TIFF")
    (root / "SITE_A_0003" / "SITE_A_0003_2.tif").unlink()
    out = tmp_path / "out.json"
    bundle = make_bundle(tmp_path / "model")
    assert robustness(bundle.path, "--data", root, "--json", out, "--phantoms", 0,
                      "--conditions", "mirrored") == 0  # fmt: skip
    found = read(out)
    assert [p.patient for p in found.patients] == [f"SITE_A_{n:04d}" for n in (0, 2, 4)]
    assert sorted(note.split()[0] for note in found.notes) == ["SITE_A_0001", "SITE_A_0003"]


@pytest.mark.usefixtures("fake")
def test_phantoms_without_lesion_should_not_be_marked(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int | None]] = []
    phantom_study = measure.phantom_study

    def small(seed: int, index: int, *, lesions: int | None = None) -> Study:
        made.append((index, lesions))
        return phantom_study(seed, index, lesions=lesions, slices=2, size=32)

    monkeypatch.setattr(measure, "phantom_study", small)
    monkeypatch.setattr(
        FakePredictor, "predict",
        lambda _self, study: SimpleNamespace(
            mask=np.full(study.image.grid_shape, study.patient.endswith("1"), np.uint8)
        ),
    )  # fmt: skip
    out = tmp_path / "out.json"
    assert robustness(
        make_bundle(tmp_path / "model").path, "--data", cohort_root, "--json", out,
        "--conditions", "mirrored", "--phantoms", 3,
    ) == 0  # fmt: skip
    free = read(out).lesion_free
    assert free is not None
    assert made == [(0, 0), (1, 0), (2, 0)]
    assert (free.phantoms, free.phantoms_marked, free.voxels) == (3, 1, 2 * 32 * 32)


def test_a_stopped_measurement_goes_on_where_it_was(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path, fake: type[FakePredictor],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bundle = make_bundle(tmp_path / "model")
    out = tmp_path / "out" / "robustness.json"
    line = (bundle.path, "--data", cohort_root, "--json", out, "--phantoms", 0)
    few = (*line, "--conditions", "noise", "mirrored")

    fake.stop_after = 7  # in the midst of the third patient
    assert robustness(*few) == 130
    assert "Stopped" in capsys.readouterr().err
    assert [p.name for p in out.parent.iterdir()] == ["robustness.json.partial"]

    fake.stop_after, fake.seen = None, []
    assert robustness(*few) == 0
    assert fake.seen == [f"SITE_A_{n:04d}" for n in (2, 3, 4) for _ in range(3)]
    assert [p.name for p in out.parent.iterdir()] == ["robustness.json"]
    gone_on = out.read_bytes()
    assert robustness(*few) == 0
    assert out.read_bytes() == gone_on


def test_scores_of_other_conditions_or_another_model_are_not_taken_up(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path, fake: type[FakePredictor]
) -> None:
    first = make_bundle(tmp_path / "model")
    line = ("--data", cohort_root, "--json", tmp_path / "out.json", "--phantoms", 0)
    fake.stop_after = 4
    assert robustness(first.path, *line, "--conditions", "mirrored") == 130

    fake.stop_after, fake.seen = 0, []
    assert robustness(first.path, *line, "--conditions", "noise") == 130
    other = make_bundle(tmp_path / "other", seed=1)
    assert robustness(other.path, *line, "--conditions", "mirrored") == 130

    fake.stop_after = None
    assert robustness(first.path, *line, "--conditions", "mirrored") == 0
    assert fake.seen == [f"SITE_A_{n:04d}" for n in (2, 3, 4) for _ in range(2)]


@pytest.mark.usefixtures("fake")
def test_folds_are_pooled_each_with_the_patients_that_it_held_out(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path, small_config: dict[str, Any]
) -> None:
    names = [f"SITE_A_{n:04d}" for n in range(5)]
    held_out = {1: names[:2], 2: names[2:]}
    for fold, own in held_out.items():
        run = tmp_path / "folds" / f"fold-{fold}"
        make_bundle(
            run / "bundle", seed=fold, validation_patients=own,
            train_patients=[n for n in names if n not in own],
        )  # fmt: skip
        config = {**small_config, "protocol": "k-fold", "folds": 2, "fold": fold}
        del config["validation_patients"]
        (run / "config.json").write_text(json.dumps(config))
    out = tmp_path / "out.json"
    line = ("--cross-validation", tmp_path / "folds", "--data", cohort_root, "--json", out)
    assert robustness(*line, "--conditions", "mirrored", "--phantoms", 0) == 0

    found = read(out)
    assert [p.patient for p in found.patients] == names
    versions = [p.model for p in found.patients]
    assert versions[0] == versions[1] != versions[2] == versions[4]
    assert found.model == f"{versions[0]}, {versions[2]}"
    assert found.conditions[0].patients == 5


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "one of the two"),
        (["{model}", "--cross-validation", "."], "one of the two"),
        (["{model}", "--conditions", "fog"], "no condition fog"),
        (["{model}", "--phantoms", "-1"], "-1 phantoms"),
        (["{model}", "--patients", "gone.txt"], "gone.txt cannot be read"),
        (["--cross-validation", ".", "--patients", "x"], "Leave --patients out"),
        (["nowhere"], "nowhere"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_faults_are_named_before_anything_is_predicted(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], arguments: list[str], fault: str,
) -> None:  # fmt: skip
    model = make_bundle(tmp_path / "model").path
    filled = [a.format(model=model) for a in arguments]
    assert robustness(*filled, "--data", cohort_root, "--json", tmp_path / "out.json") == 1
    assert fault in capsys.readouterr().err
    assert FakePredictor.seen == []
    assert not (tmp_path / "out.json").exists()


@pytest.mark.usefixtures("fake")
def test_a_model_that_knows_all_patients_needs_others(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_bundle(tmp_path / "model", train_patients=[f"SITE_A_{n:04d}" for n in range(5)])
    assert robustness(bundle.path, "--data", cohort_root, "--json", tmp_path / "out.json") == 1
    assert "not trained on" in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_a_foreign_file_in_the_place_of_a_stopped_measurement_is_kept(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / "out.json.partial"
    foreign.write_text("mine")
    bundle = make_bundle(tmp_path / "model")
    assert robustness(bundle.path, "--data", cohort_root, "--json", tmp_path / "out.json") == 1
    assert "is no measurement that was stopped" in capsys.readouterr().err
    assert foreign.read_text() == "mine"


def test_a_real_network_is_measured_on_every_grid(
    make_bundle: MakeBundle, cohort_root: Path, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "model", validation_patients=["SITE_A_0001"])
    out = tmp_path / "out.json"
    assert robustness(
        bundle.path, "--data", cohort_root, "--json", out, "--device", "cpu", "--phantoms", 0,
        "--conditions", "pixels-0.4-mm", "rotation-plus-10", "all-x2",
    ) == 0  # fmt: skip
    (patient,) = read(out).patients
    assert set(patient.changed) == {"pixels-0.4-mm", "rotation-plus-10", "all-x2"}
    assert "Torch" in patient.engine
    # the native recipe takes out the gain
    assert patient.changed["all-x2"] == pytest.approx(patient.unchanged, abs=1e-6)
