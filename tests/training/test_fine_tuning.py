"""Fine-tuning in stages, in this process: folds, share of the new weights, what is published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from napari_brainseg.core.dataset.hashing import image_sha256, mask_sha256
from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import CancelledError
from napari_brainseg.core.protocol import (
    BundleSaved,
    EpochFinished,
    Event,
    ExampleSaved,
    FinishReason,
    GateMeasured,
    Message,
    RunFinished,
    RunStarted,
    StageStarted,
    StepFinished,
    parse_config,
)
from napari_brainseg.core.segmentation.bundle import Bundle, load_bundle
from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds
from training import epochs, examples
from training.fine_tuning.evidence import FoldResult, mean_scores, unchanged
from training.fine_tuning.interpolation import choose_share, interpolated
from training.fine_tuning.plan import deal_folds, witnesses_of
from training.loop import run
from training.stream import EventStream, StopFlag

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tune(small: dict[str, Any], cohort_root: Path, base: Bundle, tmp_path: Path) -> Any:
    def start(
        name: str = "run",
        *,
        resume: bool = False,
        stop_after: int | None = None,
        kill_at: int | None = None,
        **changes: Any,
    ) -> tuple[RunFinished, list[Event]]:
        stop, events = StopFlag(), []

        def hear(event: Event) -> None:
            events.append(event)
            steps = sum(isinstance(e, StepFinished) for e in events)
            if stop_after is not None and steps >= stop_after:
                stop.set()
            if len(events) == kill_at:
                raise Killed

        config = parse_config(
            {
                **small, "data": [str(cohort_root)], "base": str(base.path), "epochs": 2,
                "steps_per_epoch": 2, "keep": "last", "freeze_norm": True,
                "train_patients": [f"SITE_A_000{n}" for n in (0, 1, 2, 4)],
                "replay_patients": ["SITE_A_0000"], "replay_share": 0.5,
                "validation_patients": ["SITE_A_0003"], "inner_folds": 4,
                "interpolation": "choose", "cache": str(tmp_path / "cache"), **changes,
            }
        )  # fmt: skip
        threads = torch.get_num_threads()
        try:
            finished = run(config, tmp_path / name, EventStream(None, show=hear), stop,
                           resume=resume)  # fmt: skip
        finally:
            torch.set_num_threads(threads)
        return finished, events

    return start


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing is written any more."""


def of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def weights(run_dir: Path) -> dict[str, Any]:
    return load_file(run_dir / "bundle" / "weights.safetensors")


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_stages_come_in_order_and_what_they_found_is_kept(
    tune: Any, base: Bundle, cohort_root: Path, tmp_path: Path
) -> None:
    finished, events = tune()

    assert finished.reason is FinishReason.COMPLETED
    stages = of(events, StageStarted)
    # three corrected patients: leave-one-out, though four folds are asked for
    assert [s.stage for s in stages] == ["inner fold"] * 3 + ["training", "interpolation", "gate"]
    assert [s.number for s in stages] == [1, 2, 3, 4, 5, 6]
    assert {s.stages for s in stages} == {6}
    assert len(of(events, RunStarted)) == 1
    assert [e.epoch for e in of(events, EpochFinished)] == [1, 2]
    progress = [e.progress for e in of(events, StepFinished)]
    assert progress == sorted(progress)
    assert 0 < progress[0] < progress[-1] <= 1
    # How long it still takes is measured: on a busy machine it may grow.
    assert all(step.remaining_s >= 0 for step in of(events, StepFinished))

    evidence = json.loads((tmp_path / "run" / "folds" / "evidence.json").read_text())
    assert {p["patient"] for p in evidence["patients"]} == {f"SITE_A_000{n}" for n in (1, 2, 4)}
    assert [p["fold"] for p in evidence["patients"]] == [1, 2, 3]
    assert evidence["base"] == base.version
    assert set(evidence["interpolation"]) == {"0", "0.25", "0.5", "0.75", "1"}
    for patient in evidence["patients"]:
        assert patient["base"]["patient"] == patient["candidate"]["patient"] == patient["patient"]
        assert patient["base"]["dsc_native"] == patient["dsc"]["0"]
        assert patient["candidate"]["dsc_native"] == patient["dsc"][f"{evidence['chosen']:g}"]

    training = load_bundle(tmp_path / "run" / "bundle").manifest.training
    assert training["interpolation"] == evidence["chosen"]
    assert training["inner_folds"]["dsc"] == evidence["interpolation"]
    assert training["replay_patients"] == ["SITE_A_0000"]
    study = load_study(cohort_root / "SITE_A_0002")
    assert training["image_sha256"]["SITE_A_0002"] == image_sha256(study)
    assert training["mask_sha256"]["SITE_A_0002"] == mask_sha256(study.truth)
    assert set(training["image_sha256"]) == {f"SITE_A_000{n}" for n in (0, 1, 2, 4)}


def test_stopped_in_any_stage_it_goes_on_to_the_same_weights(tune: Any, tmp_path: Path) -> None:
    tune("whole")
    finished, _ = tune("broken", stop_after=1)
    assert finished.reason is FinishReason.CANCELLED
    assert "Inner fold 1 of 3" in finished.message
    for _ in range(40):
        finished, _ = tune("broken", resume=True, stop_after=2)
        if finished.reason is FinishReason.COMPLETED:
            break
    assert finished.reason is FinishReason.COMPLETED
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    first, second = (
        json.loads((tmp_path / name / "folds" / "evidence.json").read_text())["interpolation"]
        for name in ("whole", "broken")
    )
    assert first == second


def test_killed_at_any_moment_it_goes_on_to_the_same_weights(
    tune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)  # after every step
    monkeypatch.setattr(epochs, "SECONDS_BETWEEN_STEP_EVENTS", 0.0)
    alike = {"train_patients": ["SITE_A_0001", "SITE_A_0002"], "replay_share": 0, "epochs": 1}
    tune("whole", **alike)
    killed = 0
    while killed < 20 and not (tmp_path / "broken" / "candidate").exists():
        with pytest.raises(Killed):  # each time a step further, and at another event
            tune("broken", resume=killed > 0, kill_at=6 + killed % 3, **alike)
        killed += 1
    finished, _ = tune("broken", resume=True, **alike)

    assert killed > 3
    assert finished.reason is FinishReason.COMPLETED
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))


def test_examples_show_truth_and_mask_before_and_after_each_epoch(
    tune: Any, tmp_path: Path
) -> None:
    _, events = tune(inner_folds=0)
    shown = of(events, ExampleSaved)

    assert [(e.epoch, e.patient) for e in shown] == [(n, "SITE_A_0003") for n in (0, 1, 2)]
    picture = np.asarray(Image.open(shown[0].path))
    for colour in (examples.TRUTH, examples.MASK):
        assert (picture == colour).all(axis=2).any()
    started = of(events, RunStarted)[0]
    # one patient: its DSC is the mean
    assert shown[0].dsc == started.parent_validation_dsc > 0.5
    assert shown[1].dsc == of(events, EpochFinished)[0].validation_dsc


@pytest.mark.parametrize(
    ("changes", "stages", "share"),
    [
        # one correction has no folds; what nobody measured is taken half and half
        ({"train_patients": ["SITE_A_0000", "SITE_A_0001"]}, ["training", "interpolation"], 0.5),
        ({"inner_folds": 0, "interpolation": 0.25}, ["training", "interpolation"], 0.25),
        ({"inner_folds": 0, "interpolation": 1.0}, [], 1.0),
    ],
)
def test_without_folds_the_share_is_the_one_given_or_half(
    tune: Any, base: Bundle, tmp_path: Path, changes: dict[str, Any], stages: list[str],
    share: float,
) -> None:  # fmt: skip
    _, events = tune(**changes)

    assert [s.stage for s in of(events, StageStarted)] == stages
    assert not (tmp_path / "run" / "folds").exists()
    bundle = load_bundle(tmp_path / "run" / "bundle")
    assert bundle.manifest.training["interpolation"] == share
    tuned = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)["ema"]
    old, new = load_file(base.weights_path), load_file(bundle.weights_path)
    for key, value in old.items():
        if value.dtype == np.float16:
            expected = (1 - share) * value.astype(np.float32) + share * tuned[key].numpy()
            np.testing.assert_allclose(new[key], expected, atol=2e-3, err_msg=key)


def test_a_gate_that_cannot_be_measured_loses_nothing(tune: Any, tmp_path: Path) -> None:
    (tmp_path / "locked.json").write_text("not JSON")
    finished, events = tune(inner_folds=0, locked=str(tmp_path / "locked.json"))

    assert finished.reason is FinishReason.COMPLETED
    assert load_bundle(finished.bundle).manifest.parent
    assert not of(events, GateMeasured)
    told = [m.text for m in of(events, Message) if m.level == "error"]
    assert len(told) == 1
    assert "locked.json" in told[0]


def test_what_is_long_to_validate_is_validated_now_and_then_and_at_the_end(
    tune: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(epochs, "VALIDATION_SHARE", 1e-6)
    _, seldom = tune("seldom", epochs=4, inner_folds=0)
    _, best = tune("best", epochs=4, inner_folds=0, keep="best")

    assert [e.validation_dsc is None for e in of(seldom, EpochFinished)] == [
        False, True, True, False
    ]  # fmt: skip
    # where the epoch is chosen by it, none is left out
    assert all(e.validation_dsc is not None for e in of(best, EpochFinished))


def test_the_smallest_share_of_those_equally_good_is_chosen_and_never_the_base() -> None:
    assert choose_share({0.0: 0.9, 0.25: 0.80, 0.5: 0.85, 0.75: 0.8515, 1.0: 0.84}) == 0.5
    assert choose_share({0.0: 0.8, 0.5: 0.85, 1.0: 0.86}) == 1.0
    assert choose_share({0.0: 0.9, 0.25: 0.7, 1.0: 0.7}) == 0.25


def test_shares_at_the_ends_are_the_two_networks_exactly() -> None:
    first, second = torch.nn.Conv2d(1, 1, 3), torch.nn.Conv2d(1, 1, 3)
    for share, network in ((0.0, first), (1.0, second)):
        between = interpolated(first, second, share)
        assert all(
            torch.equal(a, b)
            for a, b in zip(
                between.state_dict().values(), network.state_dict().values(), strict=True
            )
        )


@pytest.mark.parametrize(
    ("patients", "asked", "sizes"),
    [(1, 4, []), (2, 4, [1, 1]), (3, 4, [1, 1, 1]), (8, 3, [3, 3, 2]), (8, 0, []), (5, 1, [])],
)
def test_folds_deal_every_corrected_patient_once(
    patients: int, asked: int, sizes: list[int]
) -> None:
    names = [f"TCGA_HT_{n:04d}_20000101" for n in range(patients)]
    folds = deal_folds(names, asked, seed=1)

    assert sorted((len(fold) for fold in folds), reverse=True) == sizes
    if folds:
        assert sorted(name for fold in folds for name in fold) == names


def test_two_dates_of_a_person_are_held_out_together() -> None:
    names = ["TCGA_HT_0001_20000101", "TCGA_HT_0001_20010101", "TCGA_HT_0002_20000101"]
    assert sorted(deal_folds(names, 3, seed=1)) == [tuple(names[:2]), tuple(names[2:])]


def test_few_replayed_patients_are_all_replayed_in_the_folds() -> None:
    assert witnesses_of(["A", "B", "C"], 1) == ()
    assert len(witnesses_of([f"P{n}" for n in range(40)], 1)) == 4


def test_stopped_at_the_gate_it_goes_on_at_the_gate(
    tune: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import gate

    whole, calls = gate.measure_gate, []

    def stopped(*given: Any, **named: Any) -> None:
        calls.append(given[0])
        raise CancelledError("The evaluation was stopped.")

    monkeypatch.setattr(gate, "measure_gate", stopped)
    finished, events = tune(train_patients=["SITE_A_0001", "SITE_A_0002"], replay_share=0)
    assert finished.reason is FinishReason.CANCELLED
    assert not of(events, BundleSaved)
    assert not (tmp_path / "run" / "bundle").exists()

    monkeypatch.setattr(gate, "measure_gate", whole)
    finished, events = tune(
        train_patients=["SITE_A_0001", "SITE_A_0002"], replay_share=0, resume=True
    )
    assert finished.reason is FinishReason.COMPLETED
    assert not of(events, StepFinished)
    assert len(of(events, GateMeasured)) == len(of(events, BundleSaved)) == 1
    assert finished.bundle == str(tmp_path / "run" / "bundle")
    assert not calls[0].exists()
    load_bundle(finished.bundle).verify()


def test_corrections_that_are_the_base_models_masks_do_not_choose_the_share() -> None:
    def result(patient: str, dsc: float) -> PatientResult:
        return PatientResult(
            patient=patient, slices=5, dsc_reference=None, dsc_native=dsc, dsc_native_lcc=dsc,
            hd95_vox=None, volume_truth_vox=9, volume_prediction_vox=9,
            seconds=Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0),
        )  # fmt: skip

    def fold(*scores: tuple[str, float, float]) -> FoldResult:
        return FoldResult(
            data_sha256="0",
            held_out=tuple(name for name, *_ in scores),
            witnesses=(),
            results={
                0.0: tuple(result(name, old) for name, old, _ in scores),
                1.0: tuple(result(name, new) for name, _, new in scores),
            },
        )

    folds = (fold(("A", 1.0, 0.96), ("B", 0.8, 0.82)), fold(("C", 0.9, 0.91)))
    assert unchanged(folds) == {"A"}
    assert mean_scores(folds) == pytest.approx({0.0: 0.85, 1.0: 0.865})
    # where nothing was mended, that is all there is
    assert mean_scores(folds[:1]) == pytest.approx({0.0: 0.8, 1.0: 0.82})
    assert mean_scores((fold(("A", 1.0, 0.96)),)) == {0.0: 1.0, 1.0: 0.96}
