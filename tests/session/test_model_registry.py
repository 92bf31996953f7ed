from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.dataset.splits import Split, freeze_split
from napari_brainseg.core.imaging import ModelError
from napari_brainseg.session.model_registry import ModelRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace


@pytest.fixture
def bundled(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle("default", metrics={"validation_dsc": 0.9})


@pytest.fixture
def candidate(make_bundle: Callable[..., Bundle], bundled: Bundle) -> Bundle:
    return make_bundle("tuned", folder="run", parent=bundled.version)


@pytest.fixture
def registry(workspace: Workspace, catalogue: Catalogue, bundled: Bundle) -> ModelRegistry:
    return ModelRegistry(workspace, catalogue, bundled=lambda: (bundled,))


def test_the_bundled_model_is_in_use_at_first(registry: ModelRegistry, bundled: Bundle) -> None:
    (only,) = registry.versions()
    assert (only.version, only.is_current, only.is_bundled) == (bundled.version, True, True)
    assert only.dsc == 0.9
    assert registry.current.version == bundled.version
    assert not registry.can_roll_back


def test_an_adopted_candidate_is_listed_but_not_in_use(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle, workspace: Workspace
) -> None:
    told: list[int] = []
    registry.changed.connect(lambda: told.append(1))
    version = registry.adopt(candidate.path, run_id="run-1")
    assert told
    assert version.parent == bundled.version
    assert not version.is_current
    assert version.path == workspace.models / candidate.version
    assert registry.adopt(candidate.path) == version  # twice does no harm
    assert [v.version for v in registry.versions()] == [bundled.version, candidate.version]


def test_promotion_and_rollback_survive_a_restart(
    registry: ModelRegistry,
    bundled: Bundle,
    candidate: Bundle,
    workspace: Workspace,
    catalogue: Catalogue,
) -> None:
    registry.adopt(candidate.path)
    registry.promote(candidate.version, editor="Ada", reason="better on all four")
    again = ModelRegistry(workspace, catalogue, bundled=lambda: (bundled,))
    assert again.current.version == candidate.version
    assert again.rollback(editor="Ada").version == bundled.version
    assert registry.current.version == bundled.version
    with pytest.raises(ModelError, match="no way back"):
        registry.rollback(editor="Ada")


def test_rollback_goes_back_step_by_step(
    registry: ModelRegistry, bundled: Bundle, make_bundle: Callable[..., Bundle]
) -> None:
    versions = [bundled.version]
    for name in ("second", "third"):
        versions.append(registry.adopt(make_bundle(name, folder="run").path).version)
        registry.promote(versions[-1], editor="Ada", reason="a test")
    assert registry.rollback(editor="Ada").version == versions[1]
    assert registry.rollback(editor="Ada").version == versions[0]


def test_figures_are_those_of_the_frozen_split(
    registry: ModelRegistry, bundled: Bundle, workspace: Workspace
) -> None:
    split = Split(("A",), ("B", "C"), 1)
    freeze_split(workspace.splits, split)
    registry.record_dsc(bundled.version, split_digest="another", patients=9, dsc=0.1)
    assert registry.versions()[0].workspace_dsc is None
    registry.record_dsc(bundled.version, split_digest=split.digest, patients=2, dsc=0.7)
    registry.record_dsc(bundled.version, split_digest=split.digest, patients=2, dsc=0.8)
    (version,) = registry.versions()
    assert (version.workspace_dsc, version.workspace_patients) == (0.8, 2)


def test_a_damaged_version_is_listed_with_its_fault_and_refused(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle, workspace: Workspace
) -> None:
    (workspace.models / candidate.version).mkdir(parents=True)
    fine, damaged = registry.versions()
    assert fine.fault == ""
    assert "no model" in damaged.fault.lower()
    with pytest.raises(ModelError):
        registry.promote(candidate.version, editor="Ada")
    assert registry.current.version == bundled.version


def test_a_changed_weight_file_is_noticed_on_adoption(
    registry: ModelRegistry, candidate: Bundle
) -> None:
    with candidate.weights_path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="changed or damaged"):
        registry.adopt(candidate.path)
    assert len(registry.versions()) == 1


def test_a_person_decides(registry: ModelRegistry, bundled: Bundle) -> None:
    with pytest.raises(ModelError, match="Nobody"):
        registry.promote(bundled.version, editor=" ")


def test_an_unknown_version_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(ModelError, match="neither bundled nor"):
        registry.promote("../../etc", editor="Ada")


def test_an_installation_without_models_says_so(workspace: Workspace, catalogue: Catalogue) -> None:
    with pytest.raises(ModelError, match="No model is bundled"):
        _ = ModelRegistry(workspace, catalogue, bundled=tuple).current
