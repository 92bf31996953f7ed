"""The suites that come with the project can be run as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION
from napari_brainseg.core.segmentation.networks import NETWORKS
from training.experiments.suite import read_suite, suites_at_hand

if TYPE_CHECKING:
    from training.experiments.suite import Suite

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "training" / "suites"
PAGE = ROOT / "docs" / "reference" / "suites.md"


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The names of patients that suites want; no run is started, so no pixel is read."""
    root = tmp_path_factory.mktemp("names")
    wanted = set(REFERENCE_VALIDATION) | {f"TCGA_FG_{n:04d}_20000101" for n in range(10)}
    for name in wanted:
        (root / name).mkdir()
        for part in ("1", "1_mask"):
            (root / name / f"{name}_{part}.tif").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def suites(patients: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Suite]:
    out = tmp_path_factory.mktemp("out")
    return {name: read_suite(Path(name), out, data=[patients]) for name in suites_at_hand()}


def test_four_suites_come_with_the_project() -> None:
    assert suites_at_hand() == ("bundled-models", "reference-table", "reference-table-cpu", "smoke")


@pytest.mark.parametrize("name", suites_at_hand())
def test_every_suite_is_valid_and_says_what_and_why(name: str, suites: dict[str, Suite]) -> None:
    suite = suites[name]

    assert suite.title
    for attempt in suite.attempts:
        assert attempt.config.what, attempt.name
        assert attempt.config.why, attempt.name


def test_the_table_has_every_row(suites: dict[str, Suite]) -> None:
    suite = suites["reference-table"]
    rows = {int(attempt.name.split("-")[1]) for attempt in suite.attempts}

    assert rows == set(range(1, 17))
    for attempt in suite.attempts:
        row_15 = attempt.name.startswith("row-15")
        assert attempt.config.protocol == ("hold-out" if row_15 else "reference")


def test_the_table_for_a_cpu_is_equal_for_all(suites: dict[str, Suite]) -> None:
    suite = suites["reference-table-cpu"]
    rows = {int(attempt.name.split("-")[1]) for attempt in suite.attempts}
    equal = {
        "protocol", "features", "epochs", "steps_per_epoch", "batch_size", "crop", "seed",
        "learning_rate", "schedule", "optimizer", "ema", "sampling", "augmentation",
    }  # fmt: skip

    assert rows >= {1, 6, 9, 11, 12, 13, 14}
    assert {a.config.network for a in suite.attempts} >= {"unet++", "unet3+"}
    assert len({a.config.model_dump_json(include=equal) for a in suite.attempts}) == 1


def test_smoke_has_every_network(suites: dict[str, Suite]) -> None:
    suite = suites["smoke"]

    assert {attempt.config.network for attempt in suite.attempts} == set(NETWORKS)


def test_the_default_model_is_trained_as_the_folds_that_vouch_for_it(
    suites: dict[str, Suite],
) -> None:
    *folds, default = suites["bundled-models"].attempts

    assert [attempt.config.fold for attempt in folds] == [1, 2, 3, 4, 5]
    own = {"name", "what", "why", "protocol", "folds", "fold", "validation_share"}
    for attempt in folds:
        assert attempt.config.protocol == "k-fold"
        assert attempt.config.lock_reference
        assert attempt.config.model_dump(exclude=own) == default.config.model_dump(exclude=own)
    assert default.config.lock_reference
    assert default.config.validation_share == 0


def test_the_page_on_suites_says_how_many_runs_each_has(suites: dict[str, Suite]) -> None:
    rows = re.findall(r"\| `training/suites/(.+)\.toml` \| (\d+) \|", PAGE.read_text())

    assert {name: int(runs) for name, runs in rows} == {
        name: len(suite.attempts) for name, suite in suites.items()
    }


def test_the_suite_on_the_page_is_one(patients: Path, tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.+?)```", PAGE.read_text(), re.DOTALL)
    assert example is not None
    (tmp_path / "suite.toml").write_text(example[1])
    names = [
        a.name for a in read_suite(tmp_path / "suite.toml", tmp_path, data=[patients]).attempts
    ]

    assert len(names) == 12
    assert {"plain-dice-seed-1", "tuned-dice-seed-1"} <= set(names)
