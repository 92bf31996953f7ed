"""The health line: what it says, when it asks for attention, what its popup mends."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from psygnal.qt import start_emitting_from_queue
from qtpy.QtWidgets import QApplication, QLabel

from napari_brainseg.session import health as health_module
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.health import Finding, Health, Level
from napari_brainseg.session.workspace import WORKSPACE_VARIABLE, Workspace
from napari_brainseg.widgets import health_line as line_module
from napari_brainseg.widgets.health_line import HealthLine
from napari_brainseg.widgets.health_popup import clear_cache

GOOD = Health(
    "CPU, 2 threads",
    "default (a1b2c3)",
    (
        Finding("device", Level.OK, "Some CPU"),
        Finding("model", Level.OK, "default-20260101-a1b2c3d4"),
        Finding("memory", Level.OK, "2 cores"),
        Finding("workspace", Level.OK, "/somewhere, 9.0 GiB free"),
    ),
)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    start_emitting_from_queue(msec=10)
    desk = Desk(Workspace(tmp_path / "workspace").create(), bundled=tuple)
    yield desk
    desk.close()


@pytest.fixture
def line(qtbot, desk, monkeypatch):
    memory = SimpleNamespace(available=18 * 2**30, total=32 * 2**30)
    monkeypatch.setattr(line_module.psutil, "virtual_memory", lambda: memory)
    found = {"health": GOOD}
    monkeypatch.setattr(line_module, "examine", lambda _desk, _driver: found["health"])
    line = HealthLine(desk)
    line.found, line.memory = found, memory
    qtbot.addWidget(line)
    line.resize(600, 24)
    with qtbot.waitSignal(line.examined):
        line.show()
    return line


def _texts(popup):
    return "\n".join(label.text() for label in popup.findChildren(QLabel))


def test_it_says_device_model_and_memory(line):
    assert line.line == "CPU, 2 threads, model default (a1b2c3), 18 GB free"
    assert line.text() == line.line
    assert not line.property("attention")
    line.resize(150, 24)
    assert line.text().endswith("…")  # the tooltip has all of it
    assert line.line in line.toolTip()


def test_memory_is_followed_and_little_of_it_asks_for_attention(line):
    line.memory.available = int(1.5 * 2**30)
    line.refresh()
    assert line.line.startswith("⚠ attention: ")
    assert "1.5 GB free" in line.line
    assert line.property("attention")


def test_the_popup_explains_each_item_with_its_mend(line, qtbot):
    line.found["health"] = Health(
        "CPU, 2 threads",
        "",
        (Finding("model", Level.FAULT, "The model file was changed.", "Install it again."),),
    )
    with qtbot.waitSignal(line.examined):
        line.explain()
    texts = _texts(line.popup)
    assert "✕ fault" in texts
    assert "Install it again." in texts
    assert line.line.startswith("⚠ attention: CPU, 2 threads, no model")
    labels = [label for label in line.popup.findChildren(QLabel) if label.isVisible()]
    for label in labels:
        assert line.popup.rect().contains(label.geometry())
        assert label.height() >= label.heightForWidth(label.width())
    line.popup.report_button.click()
    assert "Install it again." in QApplication.clipboard().text()
    line.popup.hide()


def test_the_cache_can_be_cleared_and_nothing_else_goes(line, desk, qtbot):
    folder = desk.workspace.cache / "predictions"
    folder.mkdir(parents=True)
    (folder / "a.npz").write_bytes(b"x" * 1000)
    outside = desk.workspace.root / "precious"
    outside.mkdir()
    (desk.workspace.cache / "link").symlink_to(outside)
    (outside / "kept").write_bytes(b"y")
    line.explain()
    with qtbot.waitSignal(line.examined):
        line.popup.cache_button.click()
    qtbot.waitUntil(line.popup.outcome.isVisible)
    assert list(desk.workspace.cache.iterdir()) == []
    assert (outside / "kept").exists()
    assert "free again" in line.popup.outcome.text()
    line.popup.hide()
    assert clear_cache(Workspace(desk.workspace.root / "none")) == 0


def test_another_workspace_holds_for_studies_opened_from_now_on(line, qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv(WORKSPACE_VARIABLE, "before")  # put back after the test
    line.explain()
    line.popup.take_workspace(tmp_path / "other")
    qtbot.waitUntil(lambda: "other" in line.popup.outcome.text())
    assert Path(os.environ[WORKSPACE_VARIABLE]) == (tmp_path / "other").resolve()
    study_root = tmp_path / "patients"
    assert Workspace.for_studies(study_root).root == (tmp_path / "other").resolve()
    blocked = tmp_path / "a file"
    blocked.write_text("x")
    line.popup.take_workspace(blocked)
    qtbot.waitUntil(lambda: "Cannot make the workspace" in line.popup.outcome.text())
    line.popup.hide()


def test_the_real_check_runs_in_the_worker(qtbot, desk, monkeypatch):
    monkeypatch.setattr(health_module.shutil, "which", lambda _name: None)
    line = HealthLine(desk)
    qtbot.addWidget(line)
    with qtbot.waitSignal(line.examined, timeout=20_000):
        line.show()
    assert "no model" in line.line  # the desk of this test has none
    assert line.health.attention
