"""A staged run as a process, killed again and again; and what a stop leaves behind."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from napari_brainseg.core.protocol import FinishReason, RunFinished, parse_event

if TYPE_CHECKING:
    import subprocess

    from napari_brainseg.core.protocol import Event
    from napari_brainseg.core.segmentation.bundle import Bundle

Start = Callable[..., "subprocess.Popen[str]"]
Write = Callable[[dict[str, Any]], Path]
MOST_KILLS = 40


def listen(process: subprocess.Popen[str], kill_after: int | None = None) -> list[Event]:
    """Hear events; after so many of them SIGKILL."""
    assert process.stdout is not None
    events: list[Event] = []
    for line in process.stdout:
        events.append(parse_event(line))
        if len(events) == kill_after:
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.stderr is not None
    said = process.stderr.read()
    process.wait(60)
    assert events, (process.returncode, said)
    for pipe in (process.stdin, process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    return events


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_sigkill_at_random_moments_changes_no_weight(
    start: Start,
    write_config: Write,
    small_config: dict[str, Any],
    base: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BRAINSEG_QUEUE", str(tmp_path / "queue"))
    config = write_config(
        {
            **small_config, "base": str(base.path), "keep": "last", "freeze_norm": True,
            "train_patients": [f"SITE_A_000{n}" for n in (0, 1, 2, 4)],
            "replay_patients": ["SITE_A_0000"], "replay_share": 0.5, "inner_folds": 3,
            "interpolation": "choose", "epochs": 2, "steps_per_epoch": 12,
            "cache": str(tmp_path / "cache"),
        }
    )  # fmt: skip
    whole = listen(start("fine-tune", "--config", config, "--run-dir", tmp_path / "whole"))
    assert isinstance(whole[-1], RunFinished)
    assert whole[-1].reason is FinishReason.COMPLETED, whole[-1]

    rng, killed, begun = random.Random(7), 0, False
    broken = tmp_path / "broken"
    while killed < MOST_KILLS:
        arguments = ["fine-tune", "--run-dir", broken]
        arguments += ["--resume"] if begun else ["--config", config]
        events = listen(start(*arguments), rng.randint(3, 14 + killed))
        if isinstance(events[-1], RunFinished):
            assert events[-1].reason is FinishReason.COMPLETED, events[-1]
            break
        killed += 1
        # before the first checkpoint there is nothing to resume, and nothing is lost
        begun = (broken / "checkpoints" / "last.pt").is_file()
    assert killed >= 3
    first, second = (
        load_file(folder / "bundle" / "weights.safetensors")
        for folder in (tmp_path / "whole", broken)
    )
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)
    evidence = [
        (folder / "folds" / "evidence.json").read_bytes() for folder in (tmp_path / "whole", broken)
    ]
    assert len(evidence[0]) == pytest.approx(len(evidence[1]), rel=0.05)  # but for seconds
