"""Suites: what a file means, and what is refused before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from napari_brainseg.core.imaging import ConfigError
from training.experiments.suite import parse_setting, read_suite

if TYPE_CHECKING:
    from training.experiments.suite import Suite

Read = Callable[..., "Suite"]

SMALL = """
title = "Two networks"
[defaults]
features = 2
epochs = 3
validation_share = 0.3
[[run]]
name = "plain"
what = "the plain one"
why = "to compare with"
[[run]]
name = "long"
epochs = 9
"""


@pytest.fixture
def read(tmp_path: Path, cohort_root: Path) -> Read:
    def suite(text: str, **more: Any) -> Suite:
        path = tmp_path / "suite.toml"
        path.write_text(text)
        more.setdefault("data", [cohort_root])
        return read_suite(path, tmp_path / "out", **more)

    return suite


def names(suite: Suite) -> list[str]:
    return [attempt.name for attempt in suite.attempts]


def test_defaults_hold_for_every_run_and_a_run_wins(read: Read, cohort_root: Path) -> None:
    suite = read(SMALL)
    plain, long = (attempt.config for attempt in suite.attempts)

    assert suite.title == "Two networks"
    assert (plain.name, plain.features, plain.epochs) == ("plain", 2, 3)
    assert (plain.what, plain.why) == ("the plain one", "to compare with")
    assert (long.name, long.features, long.epochs) == ("long", 2, 9)
    assert plain.data == (cohort_root.resolve(),)


def test_a_grid_multiplies_every_run_and_names_say_the_values(read: Read) -> None:
    suite = read(SMALL + '[grid]\nnetwork = ["unet", "unet++"]\nseed = [1, 2]\n')

    assert names(suite)[:4] == [
        "plain-unet-seed-1",
        "plain-unet-seed-2",
        "plain-unetplusplus-seed-1",
        "plain-unetplusplus-seed-2",
    ]
    assert len(suite.attempts) == 8
    assert suite.attempts[3].config.network == "unet++"
    assert suite.attempts[3].config.seed == 2


def test_names_from_losses_are_folder_names(read: Read) -> None:
    suite = read(SMALL + '[grid]\nloss = ["bce:0.5+dice:0.5", "focal(gamma=2)"]\n', only=["plain"])

    assert names(suite) == ["plain-bce-0.5-dice-0.5", "plain-focal-gamma-2"]


def test_a_run_may_start_from_another_cell_by_cell(read: Read, tmp_path: Path) -> None:
    text = """
    [[run]]
    name = "tuned"
    base = "run:first"
    [[run]]
    name = "first"
    [grid]
    seed = [1, 2]
    """
    suite = read(text)

    assert names(suite) == ["first-seed-1", "first-seed-2", "tuned-seed-1", "tuned-seed-2"]
    tuned = suite.attempts[3]
    assert tuned.after == "first-seed-2"
    assert tuned.config.base == tmp_path / "out" / "first-seed-2" / "bundle"


def test_only_takes_names_entries_and_patterns_and_what_they_start_from(read: Read) -> None:
    text = SMALL + '[[run]]\nname = "tuned"\nbase = "run:long"\n[grid]\nseed = [1, 2]\n'

    assert names(read(text, only=["plain"])) == ["plain-seed-1", "plain-seed-2"]
    assert names(read(text, only=["*-seed-2"])) == ["plain-seed-2", "long-seed-2", "tuned-seed-2"]
    assert names(read(text, only=["tuned-seed-1"])) == ["long-seed-1", "tuned-seed-1"]
    with pytest.raises(ConfigError, match=r"--only nobody fits no run of plain-seed-1"):
        read(text, only=["nobody"])


def test_paths_in_a_suite_start_from_its_folder(
    read: Read, tmp_path: Path, cohort_root: Path
) -> None:
    (tmp_path / "patients").symlink_to(cohort_root)
    suite = read('[defaults]\ndata = ["patients"]\n[[run]]\nname = "a"\n', data=())

    assert suite.attempts[0].config.data == (cohort_root.resolve(),)


def test_a_bundled_model_is_a_base_by_name(read: Read) -> None:
    suite = read('[[run]]\nname = "a"\nbase = "default"\n')

    assert suite.attempts[0].after is None
    base = suite.attempts[0].config.base
    assert base is not None
    assert (base / "model.json").is_file()


def test_settings_of_the_command_line_win(read: Read) -> None:
    changes = dict(map(parse_setting, ["epochs=1", "loss=dice", "network-options=norm=instance"]))
    suite = read(SMALL, changes=changes)

    for attempt in suite.attempts:
        assert (attempt.config.epochs, attempt.config.loss) == (1, "dice")
        assert attempt.config.network_options == {"norm": "instance"}


@pytest.mark.parametrize("text", ["epochs", "epocs=3", "name=other"])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="names no setting that may be changed"):
        parse_setting(text)


def test_all_faults_are_told_at_once_each_with_its_runs(read: Read, tmp_path: Path) -> None:
    text = """
    [[run]]
    name = "typing-error"
    epocs = 3
    [[run]]
    name = "impossible"
    protocol = "clean"
    ema = 0
    [[run]]
    name = "no-such-network"
    network = "vnet"
    [[run]]
    name = "no-such-option"
    network_options = { norm = "layer" }
    [[run]]
    name = "no-such-loss"
    loss = "dise"
    [[run]]
    name = "no-such-patient"
    train_patients = ["NOBODY"]
    [[run]]
    name = "no-such-base"
    base = "nothing-here"
    [[run]]
    name = "no-such-folder"
    corrections = "nowhere"
    [[run]]
    name = "no-such-weights"
    network = "resnet34-unet"
    encoder_weights = "none.pth"
    """
    with pytest.raises(ConfigError) as caught:
        read(text)

    told = caught.value.message
    for part in (
        "typing-error: epocs: Extra inputs are not permitted",
        "impossible: the clean protocol averages weights",
        "no-such-network: There is no network 'vnet'. Known: unet",
        "no-such-option: The option norm='layer' of the network 'unet' is impossible",
        "no-such-loss: There is no loss 'dise'",
        "no-such-patient: Patients named in the config are not in the data: NOBODY",
        "no-such-base: There is no model",
        f"no-such-folder: There is no folder {tmp_path / 'nowhere'}",
        f"no-such-weights: There is no file {tmp_path / 'none.pth'}",
    ):
        assert part in told
    assert not (tmp_path / "out").exists()


def test_the_same_fault_of_many_runs_is_told_once(read: Read, tmp_path: Path) -> None:
    text = SMALL + "[grid]\nseed = [1, 2, 3]\n"
    with pytest.raises(ConfigError) as caught:
        read(text, data=[tmp_path / "nowhere"])

    assert caught.value.message.count("There is no folder") == 1
    assert "plain-seed-1, plain-seed-2, plain-seed-3, long-seed-1 and 2 more" in (
        caught.value.message
    )


def test_a_suite_without_data_asks_for_it(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"plain, long: No data is named.* --data"):
        read(SMALL, data=())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[[run]]\nname = "a"\n[[run]]\nname = "A"\n', "A: The name occurs twice"),
        ('[[run]]\nname = "report"\n', "report: The name is taken"),
        ('[[run]]\nname = "../a"\n', r"Run 1 has the name '\.\./a'"),
        ("[[run]]\nepochs = 2\n", "Run 1 has the name None"),
        ('[[run]]\nname = "a"\nbase = "run:b"\n', "a: It starts from the run b, which does not"),
        (
            '[[run]]\nname = "a"\nbase = "run:b"\n[[run]]\nname = "b"\nbase = "run:a"\n',
            "a, b: It starts from itself",
        ),
        ('[[run]]\nname = "a"\nseed = 1\n[grid]\nseed = [2]\n', "a: It sets seed, which the grid"),
        ('[[run]]\nname = "a"\n[grid]\nsede = [2]\n', "grid: sede is no setting"),
        ('[[run]]\nname = "a"\n[grid]\nseed = 2\n', "grid: seed needs a list of values"),
        ('[[runs]]\nname = "a"\n', r"Unknown key runs: a suite has title, defaults, run, grid"),
        ('title = "nothing"\n', "It has no runs"),
        ("[[run]\n", "cannot be read"),
    ],
)
def test_what_is_no_suite_is_refused(read: Read, text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        read(text)


def test_a_config_of_one_run_is_told_from_a_suite(read: Read) -> None:
    with pytest.raises(ConfigError, match="a config of one run goes to fit --config"):
        read("epochs = 3\n")


def test_an_unknown_suite_names_those_at_hand(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no suite nothing") as caught:
        read_suite(Path("nothing"), tmp_path)
    assert "reference-table, reference-table-cpu, smoke" in caught.value.hint
