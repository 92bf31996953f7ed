from __future__ import annotations

from pathlib import Path

import pytest

from napari_brainseg.core.imaging import ConfigError
from napari_brainseg.session.workspace import Workspace


def test_a_study_root_always_gets_the_same_workspace_and_another_root_another(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "a" / "mri", tmp_path / "b" / "mri"
    again = Workspace.for_studies(tmp_path / "a" / ".." / "a" / "mri")
    assert Workspace.for_studies(first) == again
    assert Workspace.for_studies(first) != Workspace.for_studies(second)
    assert Workspace.for_studies(first).root.name.startswith("mri-")


def test_the_environment_names_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINSEG_WORKSPACE", str(tmp_path / "mine"))
    assert Workspace.for_studies(tmp_path / "root").root == tmp_path / "mine"
    assert Workspace.default().root == tmp_path / "mine"


def test_a_workspace_inside_the_original_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINSEG_WORKSPACE", str(tmp_path / "root" / "work"))
    with pytest.raises(ConfigError, match="inside the study folder") as caught:
        Workspace.for_studies(tmp_path / "root")
    assert "BRAINSEG_WORKSPACE" in caught.value.hint


def test_patients_in_the_home_folder_do_not_forbid_the_default_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert Workspace.for_studies(tmp_path).root.is_relative_to(tmp_path)


def test_create_makes_every_folder(tmp_path: Path) -> None:
    made = Workspace(tmp_path / "w").create()
    assert all(p.is_dir() for p in (made.training_set, made.models, made.runs, made.cache))


def test_a_workspace_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Cannot make the workspace"):
        Workspace(tmp_path / "file" / "w").create()
