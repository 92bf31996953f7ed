from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.protocol import parse_config
from training.measure_step import measure_step

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle


@pytest.fixture
def config(
    small: dict[str, Any], cohort_root: Path, base: Bundle, tmp_path: Path
) -> dict[str, Any]:
    return {
        **small, "data": [str(cohort_root)], "base": str(base.path), "epochs": 5,
        "steps_per_epoch": 7, "keep": "last", "inner_folds": 2, "interpolation": "choose",
        "train_patients": [f"SITE_A_000{n}" for n in (0, 1, 2, 4)],
        "replay_patients": ["SITE_A_0000"], "replay_share": 0.5,
        "validation_patients": ["SITE_A_0003"], "cache": str(tmp_path / "cache"),
    }  # fmt: skip


def test_the_time_of_all_stages_is_reckoned_up_from_a_few_steps(config: dict[str, Any]) -> None:
    threads = torch.get_num_threads()
    try:
        found = measure_step(parse_config(config))
        alone = measure_step(parse_config({**config, "inner_folds": 0}))
    finally:
        torch.set_num_threads(threads)

    assert found["steps"] == 3 * 5 * 7  # two folds and the training itself
    assert alone["steps"] == 5 * 7
    assert found["expected_s"] > found["steps"] * found["step_s"] > 0
    assert found["predict_s"] > 0
    assert found["prepare_s"] > 0
    assert found["memory_mb"] > 50
    json.dumps(found)


def test_what_the_run_would_refuse_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="NOBODY"):
        measure_step(parse_config({**config, "train_patients": ["NOBODY"]}))
