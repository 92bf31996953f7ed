"""Reports of fabricated runs on phantoms; damage spoils only its own run."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.phantom import phantom_study
from napari_brainseg.core.protocol import (
    EpochFinished,
    Message,
    RunFinished,
    RunStarted,
    StepFinished,
    parse_config,
)
from napari_brainseg.core.segmentation.calibration import CalibrationCounts
from napari_brainseg.core.segmentation.evaluation_results import PatientResult, Seconds, summarise
from napari_brainseg.core.segmentation.mask_archive import save_masks
from napari_brainseg.core.segmentation.metrics import (
    dsc,
    hd95_vox,
    largest_component,
    precision,
    relative_volume_error,
    sensitivity,
    volume,
)
from training.__main__ import main
from training.report.command import write_report
from training.report.images import PatientImages
from training.report.measured import measured_runs
from training.report.pictures import Pictures, draw_patients
from training.report.runs_on_disk import load_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.imaging import Study

WHEN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PATIENTS = 6
GONE = Seconds(load=0, preprocess=0, infer=0, postprocess=0, total=0)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Study]]:
    """Six phantoms of eight slices on disk, one without a lesion."""
    root = tmp_path_factory.mktemp("phantoms")
    made = [
        phantom_study(77, n, slices=8, size=64, lesions=0 if n == 5 else 1) for n in range(PATIENTS)
    ]
    for s in made:
        write_patient(root, s.patient, s.image, s.truth, s.slice_numbers, durable=False)
    return root, made


@pytest.fixture(scope="module")
def fabricate(studies) -> Callable[..., Path]:
    """Write a run folder as the trainer leaves it, with masks off by some pixels."""
    root, made = studies

    def write(
        folder: Path,
        *,
        shift: int = 1,
        epochs: int = 6,
        reason: str = "completed",
        part: str | None = "validation",
        message: str = "",
        **settings: Any,
    ) -> Path:
        name = folder.name
        (folder / "evaluation").mkdir(parents=True)
        settings = {"data": [str(root)], "epochs": 6, "loss": "dice", **settings}
        config = parse_config(settings)
        (folder / "config.json").write_text(config.model_dump_json())
        events: list[Any] = [
            Message(time=1.0, level="warning", text="Left out: a folder without slices."),
            RunStarted(
                time=2.0, run_id=name, run_dir=name, device="cpu", precision="32-true",
                epochs=config.epochs, steps_per_epoch=3,
                train_patients=tuple(f"P{n}" for n in range(12)),
                validation_patients=tuple(s.patient for s in made),
            ),
        ]  # fmt: skip
        for epoch in range(1, epochs + 1):
            events += [
                StepFinished(
                    time=10.0 * epoch, epoch=epoch, step=3, steps_per_epoch=3, loss=0.5,
                    samples_per_second=21.5, remaining_s=1,
                ),
                EpochFinished(
                    time=10.0 * epoch + 1, epoch=epoch, epochs=config.epochs,
                    train_loss=1 / (epoch + 1), train_dsc=1 - 1 / (epoch + 1),
                    validation_loss=1 / (epoch + 1) + 0.02 * shift,
                    validation_dsc=0.9 - 0.5 / epoch - 0.01 * shift, learning_rate=1e-4,
                    seconds=10, remaining_s=0, best_epoch=epoch,
                    best_validation_dsc=0.9 - 0.5 / epoch - 0.01 * shift,
                ),
            ]  # fmt: skip
        if reason:
            events.append(RunFinished(time=99.0, reason=reason, message=message, hint=""))
        lines = "".join(event.model_dump_json() + "\n" for event in events)
        (folder / "events.jsonl").write_text(lines)
        (folder / "summary.json").write_text(json.dumps({"parameters": 7_763_041}))
        (folder / "resources.jsonl").write_text(
            "".join(
                json.dumps({"time": 2.0 * n, "cpu_percent": 150 + n, "rss_mb": 900 + n}) + "\n"
                for n in range(20)
            )
        )
        if part is not None:
            masks = {s.patient: np.roll(s.truth.data, shift, axis=2) for s in made}
            save_masks(folder / "evaluation" / f"{part}_masks.npz", masks)
            bundle = SimpleNamespace(version=f"{name}-1", train_patients=())
            evaluation = summarise(
                [result(s, masks[s.patient]) for s in made],
                bundle=bundle,
                engine="fabricated",
                calibration=sum(
                    (counts(s, masks[s.patient]) for s in made), CalibrationCounts()
                ).summary(),
            )
            (folder / "evaluation" / f"{part}.json").write_text(evaluation.to_json())
        return folder

    return write


def result(study: Study, mask: np.ndarray) -> PatientResult:
    truth = study.truth.data
    distance = hd95_vox(mask, truth)
    return PatientResult(
        patient=study.patient, slices=truth.shape[0], dsc_reference=dsc(mask, truth) * 0.99,
        dsc_native=dsc(mask, truth), dsc_native_lcc=dsc(largest_component(mask), truth),
        hd95_vox=None if np.isnan(distance) else distance,
        sensitivity=sensitivity(mask, truth), precision=precision(mask, truth),
        relative_volume_error=relative_volume_error(mask, truth),
        volume_truth_vox=volume(truth), volume_prediction_vox=volume(mask), seconds=GONE,
    )  # fmt: skip


def counts(study: Study, mask: np.ndarray) -> CalibrationCounts:
    probability = np.clip(mask * 0.8 + 0.1, 0, 1).astype(np.float32)
    return CalibrationCounts.of(probability, 1 - probability, mask, study.truth.data)


@pytest.fixture(scope="module")
def out(fabricate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report on seven runs: two good, one tested, three that did not end well, one damaged."""
    runs = tmp_path_factory.mktemp("many") / "runs"
    fabricate(
        runs / "good", what="U-Net 32, Dice", why="The published program.", optimizer="adam",
        weight_decay=0.0, schedule="constant",
    )  # fmt: skip
    fabricate(runs / "worse", shift=4, loss="bce")
    fabricate(runs / "tested", shift=3, part="test", validation_patients=["someone"])
    fabricate(runs / "broke", epochs=2, reason="failed", part=None, message="The loss became nan.")
    fabricate(runs / "stopped", epochs=3, reason="cancelled", part=None)
    fabricate(runs / "killed", epochs=1, reason="", part=None)
    damage(fabricate(runs / "bad"))
    write_report([runs], runs.parent / "report", date=WHEN, archive=True)
    return runs.parent / "report"


def damage(run: Path) -> None:
    """Spoil each file of a run; the events keep their epochs."""
    (run / "config.json").write_text("{ torn")
    (run / "summary.json").write_text("[]")
    (run / "resources.jsonl").write_text('{"time": 1}\nnonsense\n')
    (run / "evaluation" / "validation.json").write_text('{"patients": 3}')
    events = (run / "events.jsonl").read_bytes()
    (run / "events.jsonl").write_bytes(events.replace(b'"kind":"step"', b'"kind":"?"') + b'{"ti')


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8"))))


def text_of(out: Path) -> str:
    """The page without its pictures."""
    page = (out / "report.html").read_text(encoding="utf-8")
    return re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,", page)


def test_every_attempt_has_its_section_whatever_became_of_it(out) -> None:
    page = text_of(out)

    for name in ("good", "worse", "broke", "stopped", "killed", "bad"):
        assert f'<h3 id="run-{name}">' in page
        assert f'href="#run-{name}"' in page
    assert "What: U-Net 32, Dice" in page
    assert "Why: The published program." in page
    assert "It failed after 2 of 6 epochs. The loss became nan." in page
    assert "It was stopped after 3 of 6 epochs." in page
    assert "No end is recorded after 1 of 6 epochs" in page
    assert "04 May 2026" in page
    assert "10.1016/j.compbiomed.2019.05.002" in page
    assert "brain-segmentation-pytorch" in page


def test_the_page_is_self_contained(out) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")

    sources = re.findall(r'\bsrc="([^"]{0,22})', page)
    kinds = {s.partition(";")[0] for s in sources}
    assert kinds == {"data:image/png", "data:image/jpeg", "data:image/gif"}
    assert not re.search(r"<link|@import|<script src|url\(|<iframe", page)
    targets = re.findall(r'href="([^"]+)"', page)
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert {t[1:] for t in targets if t.startswith("#")} <= ids
    assert [t for t in targets if not t.startswith("#") and not (out / t).exists()] == []


def test_pictures_of_each_patient_lie_beside_the_page(out, studies) -> None:
    made = studies[1]
    folder = out / "figures" / "good"

    names = {s.patient for s in made}
    assert {p.stem for p in (folder / "triptychs").glob("*.png")} == names
    assert {p.stem for p in (folder / "gifs").glob("*.gif")} == names
    overlays = {p.name for p in (folder / "overlays").glob("*.png")}
    assert overlays == {f"{s.patient}-{n:02d}.png" for s in made for n in s.slice_numbers}
    charts = {p.name for p in folder.glob("*.png")}
    assert charts == {"dsc.png", "curves.png", "calibration.png", "resources.png"}
    study = made[0]
    z = int(study.truth.data.sum(axis=(1, 2)).argmax())
    path = folder / "overlays" / f"{study.patient}-{study.slice_numbers[z]:02d}.png"
    with Image.open(path) as shown:
        assert shown.size == (64, 64)
        colours = {c for _, c in shown.getcolors(64 * 64)}
    assert {(255, 0, 0), (0, 255, 0)} <= colours


def test_table_has_the_columns_asked_for_first(out) -> None:
    rows = {row["run"]: row for row in table(out)}
    good, tested = rows["good"], rows["tested"]

    first = "loss,optimiser,weight decay,schedule,epoch,val loss,val DSC,run,"
    assert (out / "results.csv").read_text().startswith(first)
    assert (good["loss"], good["optimiser"], good["weight decay"], good["schedule"]) == (
        "dice", "adam", "0.0", "constant",
    )  # fmt: skip
    assert (good["epoch"], good["outcome"], rows["broke"]["outcome"]) == (
        "6", "completed", "failed",
    )  # fmt: skip
    assert float(good["val DSC"]) == pytest.approx(0.9 - 0.5 / 6 - 0.01, abs=1e-5)
    assert good["parameters"] == "7763041"
    assert good["test DSC"] == ""
    assert tested["measured on"] == "test"
    assert float(tested["test DSC"]) == pytest.approx(float(tested["mean DSC"]))
    assert float(tested["test DSC"]) < float(good["mean DSC"])


def test_the_reading_names_best_noise_and_choices(out) -> None:
    page = text_of(out)

    assert "Of 3 runs measured on the same 6 patients, good has the highest mean DSC" in page
    assert "Wilcoxon" in page
    assert "The best epoch was chosen on the very patients that are reported (good, worse)" in page
    assert "12 patients trained" in page


def test_one_damaged_run_does_not_spoil_the_page(out) -> None:
    page = text_of(out)

    for told in ("config.json is not valid JSON", "summary.json cannot be read",
                 "resources.jsonl: 1 line could not be read", "validation.json cannot be read",
                 "events.jsonl: 6 lines could not be read"):  # fmt: skip
        assert told in page
    assert "bad" in {row["run"] for row in table(out)}
    assert (out / "figures" / "bad" / "curves.png").is_file()


def test_archive_holds_all_pictures(out) -> None:
    with zipfile.ZipFile(out / "pictures.zip") as archive:
        names = set(archive.namelist())

    drawn = {p.relative_to(out).as_posix() for p in (out / "figures").rglob("*") if p.is_file()}
    assert names == drawn
    assert "figures/good/dsc.png" in names


def draw(run: Path, folder: Path, data: tuple[Path, ...] = ()) -> Pictures:
    loaded = load_run("run", run)
    pictures = Pictures()
    measured = measured_runs([loaded])["run"]
    assert len(list(draw_patients(measured, PatientImages(data), folder, pictures))) == PATIENTS
    return pictures


def test_without_images_there_are_no_pictures_and_it_is_told(fabricate, tmp_path, studies) -> None:
    run = fabricate(tmp_path / "run", data=[str(tmp_path / "elsewhere")])

    without = draw(run, tmp_path / "without")
    found = draw(run, tmp_path / "found", (studies[0],))

    assert len(without.missing) == PATIENTS
    assert "not at hand" in without.missing[0]
    assert not (tmp_path / "without").exists()
    assert found.missing == []
    assert len(list((tmp_path / "found" / "gifs").glob("*.gif"))) == PATIENTS


def test_masks_that_do_not_fit_the_images_are_not_shown(fabricate, tmp_path, studies) -> None:
    for study in studies[1]:
        truth = np.zeros_like(study.truth.data)
        write_patient(
            tmp_path / "other", study.patient, study.image, truth, study.slice_numbers,
            durable=False,
        )  # fmt: skip
    run = fabricate(tmp_path / "run", data=[str(tmp_path / "other")])

    pictures = draw(run, tmp_path / "drawn")

    # the phantom without a lesion has the same truth in both places
    assert list(pictures.triptychs) == [studies[1][5].patient]
    assert "the ground truth at hand has 0 voxels" in pictures.missing[0]


def test_without_masks_there_are_no_pictures(fabricate, tmp_path) -> None:
    run = fabricate(tmp_path / "run")
    (run / "evaluation" / "validation_masks.npz").write_bytes(b"PK torn")

    assert "cannot be read" in draw(run, tmp_path / "drawn").missing[0]


def test_the_same_runs_give_the_same_bytes_and_a_small_page_links_to_its_pictures(
    fabricate, tmp_path, monkeypatch
) -> None:
    fabricate(tmp_path / "runs" / "good")
    monkeypatch.setattr("training.report.page.PAGE_BYTES", 150_000)
    for name in ("one", "two"):
        write_report([tmp_path / "runs"], tmp_path / name, date=WHEN, archive=True)

    for name in ("report.html", "results.csv", "pictures.zip"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "report.html").stat().st_size < 200_000
    assert "pictures are not on this page" in text_of(tmp_path / "one")


def test_command_says_what_is_wrong(tmp_path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "out")

    assert main(["report", str(tmp_path / "nowhere"), "--out", out]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "empty"), "--out", out]) == 1
    assert "There is no run in" in capsys.readouterr().err


def test_command_is_silent_in_a_pipe_but_for_where_the_page_lies(fabricate, tmp_path) -> None:
    fabricate(tmp_path / "runs" / "good")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "training", "report", str(tmp_path / "runs")]
    run = subprocess.run(
        [*command, "--out", str(out), "--no-pictures"], capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"1 run: {out / 'report.html'}\n"
    assert not (out / "figures" / "good" / "gifs").exists()
