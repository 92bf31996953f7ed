"""Ensembles of a suite: read and checked with its runs, built of their models afterwards."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import pytest

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.core.segmentation.bundle import load_bundle, save_bundle
from napari_brainseg.core.segmentation.networks import build_network
from training.experiments import command as experiments
from training.experiments.ensembles import Planned, build_planned, judge_ensemble
from training.experiments.standing import State
from training.experiments.suite import read_suite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from training.experiments.campaign import Campaign
    from training.experiments.suite import Suite

    Read = Callable[..., Suite]

RUNS = """
[defaults]
features = 2
validation_share = 0.3
[[run]]
name = "plain"
[[run]]
name = "long"
epochs = 9
"""
BOTH = RUNS + '[[ensemble]]\nname = "both"\nof = ["plain", "long"]\nir = false\n'


@pytest.fixture
def read(tmp_path: Path, cohort_root: Path) -> Read:
    def suite(text: str, **more: Any) -> Suite:
        path = tmp_path / "suite.toml"
        path.write_text(text)
        return read_suite(path, tmp_path / "out", data=[cohort_root], **more)

    return suite


def finish(folder: Path, name: str, seed: int = 0) -> None:
    """Leave what a run leaves at its end."""
    import torch

    torch.manual_seed(seed)
    weights = build_network("unet", features=2).state_dict()
    save_bundle(
        folder / name / "bundle",
        {key: value.numpy() for key, value in weights.items()},
        name=name,
        network={"features": 2},
    )


# ---- reading ----


def test_runs_are_named_by_entry_by_pattern_or_as_the_grid_calls_them(read: Read) -> None:
    text = """
    [[ensemble]]
    name = "plain-all"
    of = ["plain"]
    [[ensemble]]
    name = "firsts"
    of = ["*-seed-1"]
    ir = false
    [[ensemble]]
    name = "two"
    of = ["long-seed-2", "plain-seed-1", "plain-seed-1"]
    [grid]
    seed = [1, 2]
    """
    assert read(RUNS + text).ensembles == (
        Planned("plain-all", ("plain-seed-1", "plain-seed-2")),
        Planned("firsts", ("plain-seed-1", "long-seed-1"), ir=False),
        Planned("two", ("plain-seed-1", "long-seed-2")),
    )
    assert read(RUNS).ensembles == ()


def test_only_takes_an_ensemble_with_its_runs_and_no_half_one(read: Read) -> None:
    text = BOTH + '[[run]]\nname = "alone"\n'

    suite = read(text, only=["both"])
    assert [attempt.name for attempt in suite.attempts] == ["plain", "long"]
    assert [one.name for one in suite.ensembles] == ["both"]
    assert read(text, only=["plain", "alone"]).ensembles == ()
    with pytest.raises(ConfigError, match="fits no run of plain, long, alone, both"):
        read(text, only=["nobody"])


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ('name = "e"\nof = ["plain", "lang"]', "e: Its of names lang, which fits no run"),
        ('name = "e"\nof = ["plain"]', "e: It has one run, plain; name two at least"),
        ('name = "e"\nof = []', "e: Its of needs a list of names"),
        ('name = "e"\nof = "plain"', "e: Its of needs a list of names"),
        ('name = "e"', "e: Its of needs a list of names"),
        ('name = "Plain"\nof = ["plain", "long"]', "Plain: The name of the ensemble is taken"),
        ('name = "report"\nof = ["plain", "long"]', "report: The name of the ensemble is taken"),
        ('name = "../e"\nof = ["plain", "long"]', r"Ensemble 1 has the name '\.\./e'"),
        ('of = ["plain", "long"]', "Ensemble 1 has the name None"),
        ('name = "e"\nof = ["plain", "long"]\nir = "no"', "e: Its ir is neither true nor false"),
        ('name = "e"\nof = ["plain", "long"]\nseed = 1', "e: Unknown key seed: an ensemble has"),
    ],
)
def test_a_faulty_ensemble_is_refused_when_the_suite_is_read(
    read: Read, entry: str, fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        read(f"{RUNS}[[ensemble]]\n{entry}\n")


def test_ensemble_must_be_a_list_of_tables(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"write \[\[ensemble\]\] above each"):
        read(f'{RUNS}[ensemble]\nname = "e"\n')


def test_runs_that_will_make_masks_in_other_ways_are_refused_before_they_are_trained(
    read: Read,
) -> None:
    others = '[[run]]\nname = "lower"\nthreshold = 0.4\n[[run]]\nname = "wide"\nfeatures = 3\n'
    child = '[[run]]\nname = "child"\nbase = "run:wide"\n'
    text = f'{RUNS}{others}{child}[[ensemble]]\nname = "e"\nof = ["plain", "lower", "child"]\n'

    with pytest.raises(ConfigError) as caught:
        read(text)

    told = caught.value.message
    assert "e: Its runs cannot be averaged: threshold is 0.4 in lower, 0.5 in plain" in told
    assert "network features is 3 in child, 2 in plain" in told


# ---- building ----


def test_an_ensemble_is_built_once_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = Planned("both", ("plain", "long"), ir=False)
    assert judge_ensemble(planned, tmp_path)[0] is State.BLOCKED
    for seed, name in enumerate(planned.of):
        finish(tmp_path, name, seed)

    assert build_planned([planned], tmp_path) == 0
    made = load_bundle(tmp_path / "both" / "bundle")
    assert capsys.readouterr().out == f"both: completed, {made.version}\n"
    assert made.manifest.network.members == 2
    assert made.ir_path is None

    written = (made.path / "model.json").stat().st_mtime_ns
    assert build_planned([planned], tmp_path) == 0
    assert capsys.readouterr().out == "both: completed\n"

    (tmp_path / "long" / "bundle").rename(tmp_path / "before")
    finish(tmp_path, "long", 7)
    assert build_planned([planned], tmp_path) == 1
    assert "Nothing is overwritten" in capsys.readouterr().err
    assert (made.path / "model.json").stat().st_mtime_ns == written


def test_one_that_cannot_be_built_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate("ab"):
        finish(tmp_path, name, seed)
    finish(tmp_path, "twin", 0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    planned = [
        Planned("waits", ("a", "c"), ir=False),
        Planned("mine", ("a", "b"), ir=False),
        Planned("good", ("a", "b"), ir=False),
    ]

    assert build_planned(planned, tmp_path) == 1

    told = capsys.readouterr()
    assert told.err.startswith("waits: blocked, No model yet of c.\nmine: refused, ")
    assert told.out.startswith("good: completed, good-")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_the_command_builds_them_when_the_runs_are_done(
    tmp_path: Path,
    cohort_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "suite.toml").write_text(BOTH)
    out = tmp_path / "out"

    def command(*more: str) -> int:
        parser = argparse.ArgumentParser()
        experiments.add_arguments(parser)
        arguments = [tmp_path / "suite.toml", "--out", out, "--data", cohort_root, *more]
        return experiments.main(parser.parse_args([str(a) for a in arguments]))

    def carry_out(campaign: Campaign) -> int:
        for seed, attempt in enumerate(campaign.attempts):
            finish(campaign.folder, attempt.name, seed)
        return 0

    assert command("--dry-run") == 0
    assert capsys.readouterr().out.endswith("both   new  (ensemble of plain, long)\n")
    assert not out.exists()

    monkeypatch.setattr(experiments, "carry_out", lambda campaign: 130)
    assert command() == 130
    assert not out.exists()

    monkeypatch.setattr(experiments, "carry_out", carry_out)
    assert command() == 0
    assert load_bundle(out / "both" / "bundle").manifest.network.members == 2

    monkeypatch.setattr(experiments, "carry_out", lambda campaign: 1)
    assert command() == 1
    assert "both: completed" in capsys.readouterr().out
