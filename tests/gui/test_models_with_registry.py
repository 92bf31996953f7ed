"""The Models panel on a real workspace: registry, gates, catalogue, and files on the disk."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from napari_brainseg.session.desk import Desk
from napari_brainseg.session.preferences import Preferences
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.widgets.models_panel import ModelsPanel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_brainseg.core.segmentation.bundle import Bundle

_spec = importlib.util.spec_from_file_location(
    "fake_models", Path(__file__).with_name("fake_models.py")
)
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)


@pytest.fixture
def desk(tmp_path: Path, make_bundle: Callable[..., Bundle]) -> Iterator[Desk]:
    bundled = make_bundle("default")
    made = Desk(
        Workspace(tmp_path / "workspace").create(),
        bundled=lambda: (bundled,),
        preferences=Preferences(tmp_path / "preferences.json"),
    )
    yield made
    made.close()


@pytest.fixture
def panel(qtbot: Any, desk: Desk, make_bundle: Callable[..., Bundle]) -> ModelsPanel:
    from psygnal.qt import start_emitting_from_queue

    start_emitting_from_queue(msec=10)
    base = desk.registry.current_version
    for name in ("good", "poor"):
        bundle = make_bundle(name, base)
        desk.registry.adopt(bundle.path, run_id=f"run-{name}")
        locked = fakes.FAILS if name == "poor" else (*fakes.LOCKED, fakes.FREE)
        found = fakes.evidence(candidate=bundle.version, locked=locked)
        desk.gates.record(found.model_copy(update={"current": base, "base": base}))
    made = ModelsPanel(desk)
    qtbot.addWidget(made)
    made.resize(300, 900)
    made.show()
    qtbot.waitUntil(lambda: len(made.versions) == 3, timeout=30_000)
    return made


def named(panel: ModelsPanel, name: str) -> str:
    return next(v.version for v in panel.versions if v.name == name)


def test_promoted_on_its_gate_overridden_with_a_reason_and_rolled_back(
    panel: ModelsPanel, desk: Desk, qtbot: Any
) -> None:
    def wait(condition: Callable[[], object]) -> None:
        qtbot.waitUntil(lambda: bool(condition()), timeout=30_000)

    base, good, poor = (named(panel, name) for name in ("default", "good", "poor"))
    registry = desk.registry
    assert [panel.tree.state_of(v) for v in (base, good)] == ["in use, bundled", "✓ passed"]
    assert "✗ failed" in panel.tree.state_of(poor)
    panel.tree.select(good)
    assert panel.is_better
    panel.use_button.click()
    wait(panel.editor_field.isVisible)
    assert registry.current_version == base
    panel.editor_field.name.setText("Ada")
    panel.editor_field.accept.click()
    wait(lambda: panel.current is not None and panel.current.version == good)
    (act,) = registry.history()
    assert (act.version, act.editor, act.overrode) == (good, "Ada", False)
    assert desk.gates.get(act.gate_id).candidate == good

    # Its gate was against the version before: against the one in use there is none.
    panel.tree.select(poor)
    assert panel.gate.record is None
    panel.use_button.click()
    panel.bar.reason_field.text.setText("It finds the small ones")
    panel.bar.reason_field.accept.click()
    wait(lambda: panel.current is not None and panel.current.version == poor)
    act = registry.history()[-1]
    assert (act.editor, act.reason, act.overrode) == ("Ada", "It finds the small ones", True)
    panel.tree.select(poor)
    assert "by Ada" in panel.details.text()
    assert panel.details.text().endswith(": It finds the small ones")

    for back in (good, base):
        wait(panel.back_button.isVisible)
        panel.back_button.click()
        wait(lambda back=back: panel.current is not None and panel.current.version == back)
    wait(lambda: not panel.back_button.isVisible())
    assert registry.current_version == base


def test_files_of_versions_are_written_deleted_and_refused(
    panel: ModelsPanel, desk: Desk, qtbot: Any, tmp_path: Path
) -> None:
    def wait(condition: Callable[[], object]) -> None:
        qtbot.waitUntil(lambda: bool(condition()), timeout=30_000)

    desk.editor = "Ada"
    poor = named(panel, "poor")
    panel.tree.select(poor)
    target = tmp_path / "poor.zip"
    panel.files.export(poor, target)
    wait(lambda: "is exported" in panel.said.text())
    assert zipfile.is_zipfile(target)

    panel.compare_with_current(poor)
    wait(panel.compare.isVisible)
    assert panel.compare.sections[0].title == "Data"

    panel.ask_delete(poor)
    panel.ask.accept.click()
    wait(lambda: len(panel.versions) == 2)
    assert poor not in [v.version for v in desk.registry.versions()]
    assert not panel.compare.isVisible()

    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("../escape.txt", "x")
    panel.files.import_version(forged)
    wait(lambda: panel.fault.text)
    assert len(panel.versions) == 2
    assert not (tmp_path / "escape.txt").exists()
