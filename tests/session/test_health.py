"""What the health line knows: device, model, memory, workspace, each with its mend."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.engines import choice
from napari_brainseg.session import health, probes
from napari_brainseg.session.health import Level, examine, short_version
from napari_brainseg.session.workspace import Workspace


@pytest.fixture
def desk(workspace, make_bundle):
    return SimpleNamespace(
        registry=SimpleNamespace(current=make_bundle("default")), workspace=workspace
    )


@pytest.fixture
def gpu(monkeypatch):
    """An NVIDIA GPU with its driver."""
    answer = "NVIDIA H100, 570.1, 81559 MiB, 80000 MiB"
    monkeypatch.setattr(choice, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(health.shutil, "which", lambda _name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(
        probes,
        "run_program",
        lambda command, seconds: subprocess.CompletedProcess(command, 0, answer, ""),
    )


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(choice, "cuda_device_count", lambda: 0)
    monkeypatch.setattr(health.shutil, "which", lambda _name: None)


def _of(found, name):
    return next(finding for finding in found.findings if finding.name == name)


def test_a_machine_without_a_gpu_in_order(desk, no_gpu, monkeypatch):
    memory = SimpleNamespace(available=18 * health.GIB, total=32 * health.GIB)
    monkeypatch.setattr(health.psutil, "virtual_memory", lambda: memory)
    found = examine(desk)
    assert found.device.startswith("CPU, ")
    assert found.device.endswith(" threads")
    assert found.model == short_version(desk.registry.current.version)
    assert "18.0 GiB of it free" in _of(found, health.MEMORY).found
    assert found.attention == ()
    report = found.report()
    assert desk.registry.current.version in report
    assert str(desk.workspace.root) in report


def test_a_gpu_is_named_with_its_driver(desk, gpu, monkeypatch):
    monkeypatch.setattr(health, "cuda_of_torch", lambda: "12.8")
    found = examine(desk)
    assert found.device == "NVIDIA H100, driver 570.1"
    assert "CUDA 12.8" in _of(found, health.DEVICE).found


def test_torch_without_cuda_beside_a_gpu_is_noticed_and_predicts_on_the_cpu(desk, gpu, monkeypatch):
    monkeypatch.setattr(health, "cuda_of_torch", lambda: None)
    found = examine(desk)
    assert found.device.startswith("CPU")
    (finding,) = (f for f in found.attention if f.name == health.DEVICE)
    assert "built without CUDA" in finding.found
    assert "pytorch.org" in finding.mend


def test_what_torch_was_built_for_is_read_without_importing_it():
    code = (
        "import sys\n"
        "from napari_brainseg.session.health import cuda_of_torch\n"
        "print(cuda_of_torch(), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "False"


def test_little_memory_and_a_full_disk_are_attention(desk, no_gpu, monkeypatch):
    little = SimpleNamespace(available=health.GIB, total=32 * health.GIB)
    monkeypatch.setattr(health.psutil, "virtual_memory", lambda: little)
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _p: SimpleNamespace(free=2**20))
    names = {f.name for f in examine(desk).attention}
    assert names == {health.MEMORY, health.STORAGE}


def test_a_damaged_model_is_a_fault(desk, no_gpu):
    with desk.registry.current.weights_path.open("ab") as file:
        file.write(b"x")
    finding = _of(examine(desk), health.MODEL)
    assert finding.level is Level.FAULT
    assert finding.mend


def test_no_model_and_no_workspace_are_findings_not_crashes(no_gpu, tmp_path):
    class Broken:
        @property
        def registry(self):
            raise ModelError("No model is bundled.", "Install again.")

        @property
        def workspace(self):
            raise RuntimeError("out of luck")

    found = examine(Broken())
    assert _of(found, health.MODEL).mend == "Install again."
    assert "out of luck" in _of(found, health.STORAGE).found
    assert found.model == ""


def test_a_workspace_that_cannot_be_written_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(health.os, "access", lambda *_: False)
    finding = health.check_storage("workspace", Workspace(tmp_path / "new").root)
    assert finding.level is Level.FAULT
    assert "BRAINSEG_WORKSPACE" in finding.mend


@pytest.mark.parametrize(
    ("version", "short"),
    [("default-20261121-e1eadde4", "default (e1eadd)"), ("my-own-20260101-abcdef12",
     "my-own (abcdef)"), ("v1", "v1")],
)  # fmt: skip
def test_versions_are_short(version, short):
    assert short_version(version) == short
