"""The suites that come with the project can be run as they are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION
from napari_brainseg.core.protocol import load_config
from napari_brainseg.core.segmentation.networks import NETWORKS
from training.suite import read_suite, suites_at_hand

SUITES = Path(__file__).parents[2] / "training" / "suites"


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The names of patients that suites want; no run is started, so no pixel is read."""
    root = tmp_path_factory.mktemp("names")
    wanted = set(REFERENCE_VALIDATION) | {f"TCGA_FG_{n:04d}_20000101" for n in range(10)}
    wanted |= set(load_config(SUITES / "default.toml").validation_patients or ())
    for name in wanted:
        (root / name).mkdir()
        for part in ("1", "1_mask"):
            (root / name / f"{name}_{part}.tif").write_bytes(b"")
    return root


def test_four_suites_come_with_the_project() -> None:
    assert suites_at_hand() == ("bundled-models", "reference-table", "reference-table-cpu", "smoke")


@pytest.mark.parametrize("name", suites_at_hand())
def test_every_suite_is_valid_and_says_what_and_why(
    name: str, patients: Path, tmp_path: Path
) -> None:
    suite = read_suite(Path(name), tmp_path / "out", data=[patients])

    assert suite.title
    for attempt in suite.attempts:
        assert attempt.config.what, attempt.name
        assert attempt.config.why, attempt.name


def test_the_table_has_every_row(patients: Path, tmp_path: Path) -> None:
    suite = read_suite(Path("reference-table"), tmp_path, data=[patients])
    rows = {int(attempt.name.split("-")[1]) for attempt in suite.attempts}

    assert rows == set(range(1, 17))
    for attempt in suite.attempts:
        row_15 = attempt.name.startswith("row-15")
        assert attempt.config.protocol == ("hold-out" if row_15 else "reference")


def test_the_table_for_a_cpu_is_equal_for_all(patients: Path, tmp_path: Path) -> None:
    suite = read_suite(Path("reference-table-cpu"), tmp_path, data=[patients])
    rows = {int(attempt.name.split("-")[1]) for attempt in suite.attempts}
    equal = {
        "protocol", "features", "epochs", "steps_per_epoch", "batch_size", "crop", "seed",
        "learning_rate", "schedule", "optimizer", "ema", "sampling", "augmentation",
    }  # fmt: skip

    assert rows >= {1, 6, 9, 11, 12, 13, 14}
    assert {a.config.network for a in suite.attempts} >= {"unet++", "unet3+"}
    assert len({a.config.model_dump_json(include=equal) for a in suite.attempts}) == 1


def test_smoke_has_every_network(patients: Path, tmp_path: Path) -> None:
    suite = read_suite(Path("smoke"), tmp_path, data=[patients])

    assert {attempt.config.network for attempt in suite.attempts} == set(NETWORKS)


def test_bundled_models_are_the_two_stages_as_they_stand_alone(
    patients: Path, tmp_path: Path
) -> None:
    first, second = read_suite(Path("bundled-models"), tmp_path, data=[patients]).attempts

    assert second.after == first.name
    for attempt, file in ((first, "default.toml"), (second, "default-refine.toml")):
        alone = tomllib.loads((SUITES / file).read_text(encoding="utf-8"))
        del alone["name"]
        own = attempt.config.model_dump(include=set(alone))
        assert own == {**alone, "validation_patients": tuple(alone["validation_patients"])}
