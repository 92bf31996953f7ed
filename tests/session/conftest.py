from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import LabelVolume, ScalarVolume, Study
from napari_brainseg.core.segmentation.bundle import Bundle, save_bundle
from napari_brainseg.core.segmentation.inference import Prediction
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPE = (6, 32, 32)
FAKE_TRAINER = Path(__file__).with_name("fake_trainer.py")


@pytest.fixture(autouse=True)
def _own_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may touch the real user's data folder."""
    monkeypatch.delenv("BRAINSEG_WORKSPACE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace").create()


@pytest.fixture
def catalogue(workspace: Workspace) -> Iterator[Catalogue]:
    opened = Catalogue(workspace.catalogue)
    yield opened
    opened.close()


@pytest.fixture
def make_study() -> Callable[..., Study]:
    def make(
        patient: str = "TEST_AB_0001_20200101",
        *,
        shape: tuple[int, int, int] = SHAPE,
        truth: bool = True,
        path: Path | None = None,
    ) -> Study:
        rng = np.random.default_rng(sum(map(ord, patient)))
        image = rng.integers(1, 255, (3, *shape), dtype=np.uint8)
        mask = np.zeros(shape, np.uint8)
        mask[2:4, 8:16, 8:16] = 1
        return Study(patient, ScalarVolume(image), LabelVolume(mask) if truth else None, path=path)

    return make


@pytest.fixture
def make_root(tmp_path: Path, make_study: Callable[..., Study]) -> Callable[..., Path]:
    """A folder of patients on disk."""

    def make(*patients: str, name: str = "root", truth: bool = True) -> Path:
        root = tmp_path / name
        for patient in patients:
            study = make_study(patient, truth=truth)
            mask = None if study.truth is None else study.truth.data
            write_patient(root, patient, study.image, mask, study.slice_numbers, durable=False)
        return root

    return make


@pytest.fixture
def predict_mask() -> Callable[..., Prediction]:
    def predict(study: Study, mask: np.ndarray | None = None, version: str = "v1") -> Prediction:
        if mask is None:
            mask = np.zeros(study.image.grid_shape, np.uint8)
            mask[2:4, 8:16, 10:18] = 1
        return Prediction(
            patient=study.patient,
            probability=mask.astype(np.float32),
            mask=mask,
            uncertainty=np.zeros(mask.shape, np.float32),
            model_version=version,
            engine="a test",
            reason="a test",
        )

    return predict


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Bundle]:
    def make(name: str = "default", *, folder: str = "bundled", **fields: object) -> Bundle:
        rng = np.random.default_rng(sum(map(ord, name)))
        weights = {"conv.weight": rng.normal(size=(4, 4)).astype(np.float32)}
        return save_bundle(tmp_path / folder / name, weights, name=name, **fields)

    return make


@pytest.fixture
def trainer_command() -> tuple[str, ...]:
    return (sys.executable, "-P", str(FAKE_TRAINER))


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait until something holds."""

    def wait(condition: Callable[[], object], timeout: float = 20.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.01)

    return wait


@pytest.fixture
def start_nursery() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program that forks children to be killed; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(program: Path, *arguments: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(program), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()
