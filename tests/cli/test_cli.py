"""The command line as a whole: help, versions, phantoms, the viewer's absence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_brainseg import __version__
from napari_brainseg.cli import window
from napari_brainseg.core.formats import discover


def test_version_in_a_process_of_its_own_imports_nothing_heavy():
    code = (
        "import sys; from napari_brainseg.cli import app\n"
        "try: app(['--version'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'openvino', 'scipy', 'napari', 'qtpy', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"brainseg {__version__}"


@pytest.mark.parametrize("command", ["predict", "evaluate", "phantom", "run", "doctor"])
def test_help_teaches_by_example(brainseg, command):
    result = brainseg(command, "--help")
    assert result.exit_code == 0
    assert f"brainseg {command} " in result.stdout
    assert "For example" in result.stdout


@pytest.mark.parametrize("command", [["run"], ["mask", "info"], ["convert"], ["models", "export"]])
def test_examples_stand_one_a_line(brainseg, command):
    lines = [
        line for line in brainseg(*command, "--help").stdout.splitlines() if "brainseg" in line
    ]
    examples = [line for line in lines if "Usage:" not in line]
    assert examples
    for line in examples:
        assert line.startswith("  brainseg "), line
        assert line.count("brainseg ") == 1, line


def test_bare_command_shows_the_help(brainseg):
    result = brainseg()
    text = result.stdout + result.stderr
    for command in ("predict", "evaluate", "phantom", "demo", "doctor"):
        assert command in text
    assert "130 stopped" in text


def test_phantoms_are_patients_and_are_not_overwritten_unasked(brainseg, tmp_path):
    result = brainseg("phantom", tmp_path, "--patients", 1, "--seed", 4)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(tmp_path / "PHANTOM_0004_0000")
    assert discover(tmp_path).patients == ("PHANTOM_0004_0000",)
    again = brainseg("phantom", tmp_path, "--patients", 1, "--seed", 4)
    assert again.exit_code == 1
    assert "PHANTOM_0004_0000" in again.stderr
    assert brainseg("phantom", tmp_path, "-n", 1, "-s", 4, "--overwrite").exit_code == 0


@pytest.mark.parametrize("wrong", [["--patients", "0"], ["--seed", "-1"], ["--patients", "x"]])
def test_impossible_numbers_are_wrong_usage(brainseg, tmp_path, wrong):
    assert brainseg("phantom", tmp_path, *wrong).exit_code == 2


def test_run_says_what_is_wrong_before_a_window_opens(brainseg, tmp_path, monkeypatch):
    missing = brainseg("run", tmp_path / "nowhere")
    assert missing.exit_code == 1
    assert f"{tmp_path / 'nowhere'} does not exist" in missing.stderr
    monkeypatch.setattr("napari_brainseg.demo.has_screen", lambda: False)
    blind = brainseg("run", tmp_path)
    assert blind.exit_code == 1
    assert "brainseg demo" in blind.stderr


@pytest.mark.parametrize("command", ["demo", "run"])
def test_viewer_commands_say_what_is_missing(brainseg, monkeypatch, command):
    monkeypatch.setattr(window, "find_spec", lambda name: None)
    result = brainseg(command)
    assert result.exit_code == 1
    assert "napari-brainseg[gui]" in result.stderr


def test_demo_hands_on_the_exit_code(brainseg, monkeypatch):
    module = type(sys)("napari_brainseg.demo")
    module.main = lambda: 3
    monkeypatch.setitem(sys.modules, "napari_brainseg.demo", module)
    assert brainseg("demo").exit_code == 3


def test_a_library_that_cannot_be_loaded_is_a_message(brainseg, monkeypatch):
    monkeypatch.setitem(sys.modules, "napari_brainseg.demo", None)
    result = brainseg("demo")
    assert result.exit_code == 1
    assert "brainseg doctor" in result.stderr
