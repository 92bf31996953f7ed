"""The command: a suite from its file to bundles, what is shown of it, and the smoke suite."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from training.experiments import command as experiments
from training.experiments.fleet_view import FleetTable
from training.experiments.standing import RunRecord, State, read_experiments
from training.report import command as report

if TYPE_CHECKING:
    from pathlib import Path

Command = Callable[..., int]

SUITE = """
title = "A suite"
[defaults]
features = 2
validation_share = 0.3
[[run]]
name = "a"
[[run]]
name = "b"
epochs = 3
"""


@pytest.fixture
def command() -> Command:
    def run(*arguments: str | Path) -> int:
        parser = argparse.ArgumentParser()
        experiments.add_arguments(parser)
        return experiments.main(parser.parse_args([str(a) for a in arguments]))

    return run


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "suite.toml").write_text(SUITE)
    return tmp_path / "suite.toml"


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    command: Command, suite: Path, cohort_root: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "runs"
    assert command(suite, "--out", out, "--data", cohort_root, "--dry-run",
                   "--set", "loss=dice") == 0  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "a  new  (unet 2, dice, adamw, 20 epochs)",
        "b  new  (unet 2, dice, adamw, 3 epochs)",
    ]
    assert not out.exists()

    (out / "a" / "checkpoints").mkdir(parents=True)
    (out / "a" / "notes.txt").write_text("mine")
    assert command(suite, "--out", out, "--data", cohort_root, "--dry-run") == 1
    assert "a  refused" in capsys.readouterr().out


def test_faults_of_a_suite_are_one_message(
    command: Command, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(suite, "--out", tmp_path / "runs", "--data", tmp_path / "nowhere") == 1
    assert "a, b: There is no folder" in capsys.readouterr().err

    assert command(suite, "--out", tmp_path / "runs", "--set", "epocs=3") == 1
    assert "--set epocs=3 names no setting" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_report_follows_also_when_a_run_failed(
    command: Command, suite: Path, cohort_root: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    reports: list[argparse.Namespace] = []
    monkeypatch.setattr(experiments, "carry_out", lambda campaign: 1)
    monkeypatch.setattr(report, "main", lambda options: reports.append(options) or 0)

    out = tmp_path / "runs"
    assert command(suite, "--out", out, "--data", cohort_root, "--report") == 1
    assert (reports[0].runs, reports[0].out) == ([out.resolve()], out.resolve() / "report")
    assert reports[0].title == "A suite"

    monkeypatch.setattr(experiments, "carry_out", lambda campaign: 130)
    assert command(suite, "--out", out, "--data", cohort_root, "--report") == 130
    assert len(reports) == 1


def test_the_table_shows_what_goes_on_also_on_a_low_terminal() -> None:
    records = [RunRecord(name=f"done-{n}", state=State.COMPLETED) for n in range(30)]
    records.append(
        RunRecord(
            name="now", state=State.RUNNING, epoch=3, epochs=10, validation_dsc=0.81234,
            best_validation_dsc=0.9, remaining_s=3725,
        )
    )  # fmt: skip
    screen = io.StringIO()
    with FleetTable(Console(file=screen, width=100, height=12, force_terminal=True)) as table:
        table.refresh(records)
        during = screen.getvalue()
        table.say("Stopping")
    for part in ("now", "3/10", "0.8123", "0.9000", "1 h 02 min", "1 running, 30 completed"):
        assert part in screen.getvalue().replace("\n", "")
    assert "done-29" not in during
    assert "done-29" in screen.getvalue()
    assert "Stopping" in screen.getvalue()


def test_a_sample_of_the_smoke_suite(command: Command, cohort_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "smoke"
    wanted = ("smoke-segnet-focal-tversky", "smoke-unetplusplus-dice")
    code = command("smoke", "--out", out, "--data", cohort_root, "--workers", "2",
                   "--only", *wanted, "--set", "features=2", "epochs=1")  # fmt: skip

    records = {record.name: record for record in read_experiments(out).runs}
    assert code == 0, records
    assert set(records) == set(wanted)
    for name, record in records.items():
        assert record.state is State.COMPLETED
        assert record.validation_dsc is not None
        assert (out / name / "bundle" / "weights.safetensors").is_file()


@pytest.mark.slow
def test_the_whole_smoke_suite_on_phantoms(command: Command, tmp_path: Path) -> None:
    from napari_brainseg.core.dataset.phantom import write_phantoms
    from napari_brainseg.core.segmentation.networks import NETWORKS

    write_phantoms(tmp_path / "phantoms", patients=6, seed=0)
    out = tmp_path / "smoke"
    code = command("smoke", "--out", out, "--data", tmp_path / "phantoms", "--workers", "2")

    told: list[dict[str, Any]] = json.loads((out / "experiments.json").read_text())["runs"]
    assert code == 0, [(r["name"], r["message"]) for r in told if r["state"] != "completed"]
    networks = {json.loads((out / r["name"] / "config.json").read_text())["network"] for r in told}
    assert networks == set(NETWORKS)
