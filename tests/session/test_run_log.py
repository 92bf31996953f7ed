from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.protocol import FinishReason, RunFinished, process_mark
from napari_brainseg.session.run_log import add_run, end_run, note_process, runs
from napari_brainseg.session.trainer_process import RunOutcome, RunReason

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.session.catalogue import Catalogue


@pytest.fixture
def run_dir(tmp_path: Path, catalogue: Catalogue) -> Path:
    folder = tmp_path / "r1"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "checkpoints" / "last.pt").write_text("x")
    add_run(catalogue, "r1", folder, "fine-tune", base="v1", split_digest="d")
    return folder


def test_a_run_of_a_living_process_is_running(catalogue: Catalogue, run_dir: Path) -> None:
    note_process(catalogue, "r1", os.getpid())
    (run,) = runs(catalogue)
    assert (run.id, run.state, run.base, run.can_resume) == ("r1", "running", "v1", False)


def test_the_latest_run_comes_first(catalogue: Catalogue, run_dir: Path, tmp_path: Path) -> None:
    add_run(catalogue, "r2", tmp_path / "r2", "fit")
    assert [r.id for r in runs(catalogue, alive="r2")] == ["r2", "r1"]


def test_an_outcome_is_kept(catalogue: Catalogue, run_dir: Path) -> None:
    outcome = RunOutcome(RunReason.FAILED, "The loss became nan.", "Lower the learning rate.")
    end_run(catalogue, "r1", outcome)
    (run,) = runs(catalogue)
    assert (run.state, run.message, run.hint) == ("failed", outcome.message, outcome.hint)
    assert run.can_resume


def test_a_run_whose_process_is_gone_has_crashed(catalogue: Catalogue, run_dir: Path) -> None:
    (run,) = runs(catalogue)
    assert (run.state, run.can_resume) == ("crashed", True)


def test_a_run_that_ended_while_the_viewer_was_away_says_how(
    catalogue: Catalogue, run_dir: Path
) -> None:
    done = RunFinished(reason=FinishReason.CANCELLED, message="Stopped in epoch 2.")
    log = run_dir / "events.jsonl"
    log.write_text(done.model_dump_json() + '\n{"kind": "run-fin')  # a line cut off by a kill
    (run,) = runs(catalogue)
    assert (run.state, run.message, run.can_resume) == ("cancelled", "Stopped in epoch 2.", True)


def test_a_stranger_with_the_same_process_number_is_not_the_run(
    catalogue: Catalogue, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_process(catalogue, "r1", os.getpid())
    monkeypatch.setattr(process_mark, "mark_of", lambda _pid: 12345.0)
    assert runs(catalogue)[0].state == "crashed"
