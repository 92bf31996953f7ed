"""``brainseg doctor``: every check answers, whatever is broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import metadata

import pytest

from napari_brainseg.cli import checks
from napari_brainseg.core.segmentation import bundle as bundle_module
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.engines import choice
from napari_brainseg.session import probes


@pytest.fixture
def quick_probes(monkeypatch):
    """Answers of the children that import torch, OpenVINO and Qt."""
    answers = {
        probes.TORCH_PROBE: (0, "2.9.0|12.8|NVIDIA H100", ""),
        probes.OPENVINO_PROBE: (0, "a chatty library\nSome CPU|CPU", ""),
        probes.GL_PROBE: (0, "4.5 Mesa|a renderer", ""),
    }

    def run(command, seconds):
        code, out, err = answers[command[-1]]
        return subprocess.CompletedProcess(command, code, out, err)

    monkeypatch.setattr(probes, "run_program", run)
    tools = {"xvfb-run": "/usr/bin/xvfb-run", "Xvfb": "/usr/bin/Xvfb"}
    monkeypatch.setattr(checks.shutil, "which", tools.get)
    monkeypatch.setattr(choice, "cuda_device_count", lambda: 0)
    return answers


@pytest.fixture
def one_model(monkeypatch, model):
    monkeypatch.setattr(bundle_module, "bundled_models", lambda: (model,))
    return model


def _found(name):
    return next(finding for finding in checks.run_checks() if finding.name == name)


def test_all_checks_answer_and_the_file_holds_them(brainseg, quick_probes, one_model, tmp_path):
    result = brainseg("doctor", "--json", tmp_path / "doctor.json")
    assert result.exit_code == 0, result.stdout
    findings = json.loads((tmp_path / "doctor.json").read_text())["checks"]
    assert [f["name"] for f in findings] == list(checks.CHECKS)
    assert one_model.version in result.stdout
    by_name = {f["name"]: f for f in findings}
    assert one_model.manifest.files["weights.safetensors"][:16] in by_name["models"]["found"]
    assert by_name["OpenVINO"]["found"] == "Some CPU; devices CPU"


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(brainseg, quick_probes, one_model,
                                                               monkeypatch):  # fmt: skip
    def broken(name):
        raise RuntimeError("out of luck")

    monkeypatch.setitem(checks.CHECKS, "machine", broken)
    result = brainseg("doctor")
    assert result.exit_code == 0
    assert "out of luck" in result.stdout
    assert "workspaces" in result.stdout


def test_without_the_viewers_packages_it_says_how_to_get_them(quick_probes, monkeypatch):
    version = metadata.version

    def absent(name):
        if name in checks.GUI:
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(checks.metadata, "version", absent)
    finding = _found("viewer packages")
    assert finding.level is checks.Level.NOTE
    assert "napari-brainseg[gui]" in finding.mend
    assert _found("OpenGL").level is checks.Level.NOTE


def test_a_changed_model_is_a_fault(brainseg, quick_probes, model, tmp_path, monkeypatch):
    damaged = tmp_path / "damaged"
    shutil.copytree(model.path, damaged)
    with (damaged / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    opened = load_bundle(damaged, verify=False)
    monkeypatch.setattr(bundle_module, "bundled_models", lambda: (opened,))
    result = brainseg("doctor")
    assert result.exit_code == 1
    assert "changed or damaged" in " ".join(result.stdout.split())


def test_no_model_is_a_fault(brainseg, quick_probes, monkeypatch):
    monkeypatch.setattr(bundle_module, "bundled_models", tuple)
    assert brainseg("doctor").exit_code == 1


def test_a_gpu_that_torch_cannot_use_is_noticed(quick_probes, monkeypatch):
    monkeypatch.setattr(choice, "cuda_device_count", lambda: 1)
    quick_probes[probes.TORCH_PROBE] = (0, "2.9.0+cpu|none|none", "")
    finding = _found("torch")
    assert finding.level is checks.Level.WARNING
    assert "built without CUDA" in finding.found
    assert finding.mend


def test_libraries_that_abort_are_faults_with_their_last_words(quick_probes):
    quick_probes[probes.TORCH_PROBE] = (-11, "", "")
    quick_probes[probes.OPENVINO_PROBE] = (1, "", "trace\nImportError: libtbb.so.12")
    assert _found("torch").level is checks.Level.FAULT
    assert "-11" in _found("torch").found
    assert "libtbb.so.12" in _found("OpenVINO").found


def test_real_probe_of_openvino():
    finding = checks.CHECKS["OpenVINO"]("OpenVINO")
    assert finding.level is checks.Level.OK, finding.found


def test_program_that_does_not_answer_or_does_not_exist_is_reported():
    late = probes.run_program([sys.executable, "-c", "import time; time.sleep(30)"], 0.2)
    assert late.returncode == 1
    assert "no answer" in late.stderr
    assert probes.run_program(["/no/such/program"], 1).returncode == 1
