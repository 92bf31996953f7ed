from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "training", "evaluate", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_run_is_measured_finished_or_not(
    start: Callable[..., subprocess.Popen[str]],
    write_config: Callable[[dict[str, Any]], Path],
    small_config: dict[str, Any],
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    process = start("fit", "--config", write_config({**small_config, "epochs": 1}),
                    "--run-dir", run)  # fmt: skip
    process.communicate("", timeout=240)
    # communicate closes stdin: the run may have been stopped, or have come to its end
    assert (run / "checkpoints").is_dir()

    done = evaluate(run, "--json", tmp_path / "a.json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    first = json.loads((tmp_path / "a.json").read_text())
    assert [p["patient"] for p in first["patients"]] == ["SITE_A_0003"]
    assert "SITE_A_0003" in done.stdout

    shutil.rmtree(run / "bundle", ignore_errors=True)
    done = evaluate(run, "--json", tmp_path / "b.json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    second = json.loads((tmp_path / "b.json").read_text())
    assert second["patients"][0]["dsc_native"] == pytest.approx(
        first["patients"][0]["dsc_native"], abs=0.05
    )


def test_faults_are_named(tmp_path: Path) -> None:
    done = evaluate(tmp_path)
    assert done.returncode == 1
    assert "config.json" in done.stderr
    assert "Traceback" not in done.stderr
