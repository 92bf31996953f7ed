"""How long a run would take: a few of its steps and predictions, timed.

One JSON line on stdout. What is prepared meanwhile stays in the cache, for the run.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.imaging import BrainSegError
from napari_brainseg.core.protocol import load_config
from napari_brainseg.core.protocol.stdio import claim_stdout
from training.allocator import keep_freed_memory

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.protocol import RunConfig
    from training.data import Cohort
    from training.protocols import Partition
    from training.setting import Setting

__all__ = ["add_arguments", "main", "measure_step"]

WARM_STEPS, TIMED_STEPS = 1, 4
"""The first step finds out how to compute a convolution of these sizes."""
START_S = 12.0
"""Importing Torch, opening the model, writing the bundle with OpenVINO's representation."""
GATE_FACTOR = 2.0
"""A patient of the gate is read, predicted and measured more thoroughly than one on the way."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--config", type=Path, required=True, help="TOML or JSON, of the run")


def main(options: argparse.Namespace) -> int:
    """Print the figures as one JSON line; returns the exit code."""
    stream = claim_stdout()
    keep_freed_memory()
    try:
        found = measure_step(load_config(options.config))
    except BrainSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    stream.write(json.dumps(found) + "\n")
    stream.flush()
    return 0


def measure_step(config: RunConfig) -> dict[str, Any]:
    """Prepare one patient of each kind, time steps and a prediction, and reckon up the run.

    Parameters
    ----------
    config : RunConfig
        Of the run; its inner folds, validation and gate are counted.

    Returns
    -------
    dict
        ``prepare_s``: to prepare all patients; ``step_s``; ``steps`` of the run and its inner
        folds; ``predict_s``: a patient; ``expected_s``: of all; ``memory_mb`` of the process when
        all patients are loaded.

    Raises
    ------
    BrainSegError
        As the run itself would.
    """
    import psutil

    from training.data import find_patients, load_cohort
    from training.protocols import split_patients
    from training.setting import set_up

    setting = set_up(config)
    config = setting.config
    folders, _ = find_patients(config)
    split = split_patients(config, folders)
    few = _few(config, split)
    begun = time.perf_counter()
    cohort = load_cohort(few, setting.recipe, setting.fabric.device)
    patients = len(split.train) + len(split.validation) + config.phantoms
    loaded = len(cohort.train_patients) + len(cohort.validation)
    prepare_s = (time.perf_counter() - begun) * patients / loaded
    step_s = _step_s(setting, cohort)
    predict_s = _predict_s(setting, cohort, folders)
    steps, predictions = _work(config, split, folders)
    memory = psutil.Process().memory_info().rss + _bytes_of_others(cohort, split, folders)
    training_s = steps * step_s
    return {
        "prepare_s": round(prepare_s, 2),
        "step_s": round(step_s, 4),
        "steps": steps,
        "predict_s": round(predict_s, 3),
        "expected_s": round(START_S + prepare_s + training_s + predictions * predict_s, 1),
        "memory_mb": round(memory / 2**20, 1),
    }


def _few(config: RunConfig, split: Partition) -> RunConfig:
    """One corrected patient, one replayed, one to validate with."""
    replayed = [name for name in split.train if name in config.replay_patients]
    others = [name for name in split.train if name not in config.replay_patients]
    return config.model_copy(
        update={
            "protocol": "free",
            "train_patients": (*others[:1], *replayed[:1]),
            "validation_patients": split.validation[:1],
            "test_patients": (),
            "phantoms": 0 if others or replayed else 1,
            "drop_empty_slices": False,
            "drop_lesion_free_patients": False,
        }
    )


def _step_s(setting: Setting, cohort: Cohort) -> float:
    """Seconds a step, by the loop itself."""
    from dataclasses import replace

    from training.course import Course, Part
    from training.epochs import Work, train
    from training.monitor import ResourceMonitor
    from training.stream import EventStream, StopFlag

    seconds = 0.0
    for steps in (WARM_STEPS, TIMED_STEPS):
        one = setting.config.model_copy(
            update={"epochs": 1, "steps_per_epoch": steps, "early_stopping": None, "keep": "last"}
        )
        with tempfile.TemporaryDirectory(prefix="brainseg-step-") as scratch:
            work = Work(Path(scratch), cohort.pool, cohort.sha256, 0, is_inner=True)
            made = train(
                replace(setting, config=one), work, Course([Part("training", steps)]),
                ResourceMonitor(Path(scratch), enabled=False), EventStream(None), StopFlag(),
                resume=False,
            )  # fmt: skip
        seconds = made.seconds / made.steps
    return seconds


def _predict_s(setting: Setting, cohort: Cohort, folders: Mapping[str, StudyFolder]) -> float:
    """Seconds to predict and measure a whole patient."""
    from training.fine_tuning.inner import measure_patients

    names = [case.patient for case in cohort.validation] or list(cohort.train_folders)
    if setting.base is None or not names:
        return 0.0
    begun = time.perf_counter()
    measure_patients(setting, setting.network(), [folders[names[0]]])
    return time.perf_counter() - begun


def _work(
    config: RunConfig, split: Partition, folders: Mapping[str, StudyFolder]
) -> tuple[int, float]:
    """Count steps of the whole run, and patients predicted in it; those of the gate weigh more."""
    from training.epochs import VALIDATION_SHARE
    from training.fine_tuning.plan import deal_folds, shares_of, witnesses_of

    def steps(names: Sequence[str]) -> int:
        slices = sum(folders[name].slices for name in names)
        return config.epochs * (
            config.steps_per_epoch or max(1, math.ceil(slices / config.batch_size))
        )

    total, predictions = steps(split.train), 0.0
    validated = len(split.validation) * (config.epochs + 1)
    if config.base is None:
        return total, 0.0
    replayed = [name for name in split.train if name in config.replay_patients]
    corrected = [name for name in split.train if name not in config.replay_patients]
    folds = deal_folds(corrected, config.inner_folds, config.seed)
    witnesses = witnesses_of(replayed, config.seed) if folds else ()
    for held_out in folds:
        own = {*held_out, *witnesses}
        total += steps([name for name in split.train if name not in own])
        predictions += len(shares_of(config)) * len(own)
    predictions += min(validated, VALIDATION_SHARE * total + 2 * len(split.validation))
    predictions += GATE_FACTOR * 2 * len(split.validation)
    return total, predictions


def _bytes_of_others(cohort: Cohort, split: Partition, folders: Mapping[str, StudyFolder]) -> float:
    """Memory that the slices of patients not loaded here will take, judged by those that were."""
    slices = len(cohort.pool)
    height, width = (int(n) for n in cohort.pool.extents.max(dim=0).values)
    others = sum(folders[name].slices for name in split.train) - slices
    return max(others, 0) * height * width * (2 * 3 + 1)
