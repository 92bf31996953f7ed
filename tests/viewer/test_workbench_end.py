"""What stays of a window when it is closed: nothing."""

from __future__ import annotations

import gc
import weakref

import pytest
from napari.components import ViewerModel

from napari_brainseg.session.desk import Desk
from napari_brainseg.session.workspace import Workspace
from napari_brainseg.viewer import workbench
from napari_brainseg.viewer.workbench import Workbench, attach


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    # Nothing of other tests is frozen or counted.
    monkeypatch.setattr(Workbench, "_closed", 0)
    yield lambda: attach(ViewerModel(), Desk(Workspace(tmp_path / "workspace").create()))
    gc.unfreeze()


def test_closed_windows_are_let_go_after_some(make, monkeypatch):
    monkeypatch.setattr(workbench, "_MANY_CLOSED", 2)
    gone = []
    for _ in range(2):
        bench = make()
        gone.append(weakref.ref(bench))
        bench.close()
        del bench
    last = make()
    assert [known() for known in gone] == [None, None]
    assert gc.get_freeze_count() > 1000, "what the open window has is left alone"
    last.close()
