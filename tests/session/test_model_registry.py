from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from napari_brainseg.core.dataset.splits import Split, freeze_split
from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.bundle import Bundle as BundleOfCore
from napari_brainseg.session import tables
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.model_log import note_deleted
from napari_brainseg.session.model_registry import ModelRegistry, ReasonNeededError
from napari_brainseg.session.model_tree import tree, walk
from napari_brainseg.session.run_log import add_run, note_process
from napari_brainseg.session.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle


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


# promotion on a gate or a reason --------------------------------------------------------------


@dataclass(frozen=True)
class Gate:
    id: int
    candidate: str
    current: str
    outcome: str


@pytest.fixture
def keep_gate(catalogue: Catalogue) -> Callable[..., int]:
    def keep(candidate: str, current: str, outcome: str) -> int:
        with catalogue.write() as connection:
            made = connection.execute(
                insert(tables.gates).values(
                    candidate=candidate, current=current, outcome=outcome, evidence="{}", created=1
                )
            )
        return int(made.inserted_primary_key[0])

    return keep


@pytest.mark.parametrize("outcome", ["failed", "not enough evidence", None])
def test_without_a_passed_gate_a_reason_is_needed_and_kept(
    registry: ModelRegistry,
    bundled: Bundle,
    candidate: Bundle,
    keep_gate: Callable[..., int],
    outcome: str | None,
) -> None:
    version = registry.adopt(candidate.path).version
    number = None if outcome is None else keep_gate(version, bundled.version, outcome)
    with pytest.raises(ReasonNeededError) as caught:
        registry.promote(version, editor="Ada", reason="  ")
    assert bundled.version in caught.value.message
    assert registry.history() == ()
    registry.promote(version, editor="Ada", reason="the drop is an artefact")
    (act,) = registry.history()
    assert (act.act, act.version, act.before) == ("promote", version, bundled.version)
    assert (act.editor, act.reason, act.overrode) == ("Ada", "the drop is an artefact", True)
    assert act.gate_id == number


def test_a_gate_that_was_passed_needs_no_reason(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle, keep_gate: Callable[..., int]
) -> None:
    version = registry.adopt(candidate.path).version
    keep_gate(version, bundled.version, "failed")
    number = keep_gate(version, bundled.version, "passed")
    assert registry.versions()[1].outcome == "passed"
    promoted = registry.promote(version, editor="Ada")
    assert (promoted.promoted_by, promoted.is_current) == ("Ada", True)
    assert promoted.promoted_at is not None
    (act,) = registry.history()
    assert (act.gate_id, act.overrode) == (number, False)
    # Against itself, now that it is in use, it was never measured.
    assert promoted.outcome is None


def test_a_gate_counts_for_its_two_versions_only(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle
) -> None:
    version = registry.adopt(candidate.path).version
    for of in (
        Gate(1, version, "another", "passed"),
        Gate(1, bundled.version, version, "passed"),
        Gate(1, version, bundled.version, "failed"),
    ):
        with pytest.raises(ReasonNeededError):
            registry.promote(version, editor="Ada", gate=of)
    registry.promote(version, editor="Ada", gate=Gate(7, version, bundled.version, "passed"))
    assert registry.history()[-1].gate_id == 7


def test_the_way_back_by_promotion_needs_a_reason_but_overrides_nothing(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle
) -> None:
    version = registry.adopt(candidate.path).version
    registry.promote(version, editor="Ada", reason="a test")
    with pytest.raises(ReasonNeededError):
        registry.promote(bundled.version, editor="Ada")
    registry.promote(bundled.version, editor="Ada", reason="too many false positives")
    registry.promote(version, editor="Ada", reason="not its fault")
    assert [act.overrode for act in registry.history()] == [True, False, False]
    assert [act.version for act in registry.history()] == [
        version, bundled.version, version,
    ]  # fmt: skip


def test_a_promotion_of_the_version_in_use_does_nothing(
    registry: ModelRegistry, bundled: Bundle
) -> None:
    assert registry.promote(bundled.version, editor="Ada").is_current
    assert registry.history() == ()


# what is known of a version -------------------------------------------------------------------


def test_a_version_tells_where_it_comes_from(
    registry: ModelRegistry, bundled: Bundle, make_bundle: Callable[..., Bundle]
) -> None:
    made = make_bundle(
        "tuned",
        folder="run",
        parent=bundled.version,
        metrics={"validation_dsc": 0.8},
        training={"config": {"epochs": 3}, "data_sha256": "ab"},
    )
    registry.adopt(made.path, run_id="run-7")
    first, tuned = registry.versions()
    assert (first.origin, first.children) == ("bundled", (made.version,))
    assert (tuned.origin, tuned.run_id, tuned.children) == ("run", "run-7", ())
    assert (tuned.metrics, tuned.config) == ({"validation_dsc": 0.8}, {"epochs": 3})
    assert (tuned.data_sha256, tuned.promoted_by) == ("ab", None)
    assert len({first, tuned}) == 2  # a key of dictionaries


def test_listing_reads_no_weights_but_a_damage_found_is_told(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle
) -> None:
    version = registry.adopt(candidate.path)
    assert registry.load(version.version).version == version.version
    with (version.path / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    # Changed after it was verified: noticed before it is used.
    for _ in range(2):
        with pytest.raises(ModelError, match="changed or damaged"):
            registry.promote(version.version, editor="Ada", reason="a test")
    assert "changed or damaged" in registry.versions()[1].fault
    assert registry.current_version == bundled.version


def test_a_way_back_and_forth_hashes_each_version_once(
    registry: ModelRegistry,
    candidate: Bundle,
    make_bundle: Callable[..., Bundle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[str] = []
    verify = BundleOfCore.verify

    def count(bundle: Bundle) -> None:
        hashed.append(bundle.version)
        verify(bundle)

    registry.adopt(make_bundle("unused", folder="run").path)
    version = registry.adopt(candidate.path).version
    monkeypatch.setattr(BundleOfCore, "verify", count)
    for _ in range(3):
        registry.promote(version, editor="Ada", reason="a test")
        back = registry.rollback(editor="Ada").version
    assert hashed == [back]  # the candidate was verified when it was adopted


def test_the_tree_shows_deleted_parents_of_what_is_here(
    registry: ModelRegistry, bundled: Bundle, make_bundle: Callable[..., Bundle]
) -> None:
    names = [bundled.version]
    for name in ("b", "c"):
        made = make_bundle(name, folder="run", parent=names[-1])
        names.append(registry.adopt(made.path).version)
    registry.adopt(make_bundle("stranger", folder="run", parent="of-others-20250101-aa").path)
    registry.delete(names[1], editor="Ada")
    found = [
        (depth, node.version, node.model is not None, node.deleted is not None)
        for depth, node in walk(registry.tree())
    ]
    stranger = registry.versions()[-1].version
    assert found == [
        (0, names[0], True, False),
        (1, names[1], False, True),
        (2, names[2], True, False),
        (0, "of-others-20250101-aa", False, False),
        (1, stranger, True, False),
    ]


def test_a_circle_of_parents_is_cut_open(registry: ModelRegistry, bundled: Bundle) -> None:
    (one,) = registry.versions()
    circle = (replace(one, version="a", parent="b"), replace(one, version="b", parent="a"),
              replace(one, version="c", parent="c"))  # fmt: skip
    assert sorted(node.version for _, node in walk(tree(circle))) == ["a", "b", "c"]


def test_versions_are_compared(
    registry: ModelRegistry, make_bundle: Callable[..., Bundle], keep_gate: Callable[..., int]
) -> None:
    def made(name: str, **training: object) -> str:
        bundle = make_bundle(
            name, folder="run", threshold=training.pop("threshold", 0.5),
            metrics=training.pop("metrics", {}), training=training,
        )  # fmt: skip
        return registry.adopt(bundle.path).version

    a = made("a", train_patients=["P", "Q"], mask_sha256={"P": "1", "Q": "1"}, data_sha256="x",
             config={"epochs": 3, "seed": 0}, metrics={"validation_dsc": 0.8})  # fmt: skip
    b = made("b", train_patients=["P", "R"], mask_sha256={"P": "2", "R": "1"}, data_sha256="y",
             config={"epochs": 5, "seed": 0}, threshold=0.4)  # fmt: skip
    keep_gate(b, a, "passed")
    keep_gate(b, "another", "failed")
    found = registry.compare(a, b)
    assert [(d.key, d.a, d.b) for d in found.config] == [
        ("config.epochs", 3, 5),
        ("threshold", 0.5, 0.4),
    ]
    assert [(d.key, d.a, d.b) for d in found.metrics] == [("validation_dsc", 0.8, None)]
    assert (found.added, found.removed, found.recorrected) == (("R",), ("Q",), ("P",))
    assert found.same_data is False
    assert [gate.outcome for gate in found.gates] == ["passed"]


# deleting -------------------------------------------------------------------------------------


def test_the_version_in_use_and_bundled_ones_are_never_deleted(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle
) -> None:
    version = registry.adopt(candidate.path).version
    registry.promote(version, editor="Ada", reason="a test")
    with pytest.raises(ModelError, match="in use"):
        registry.delete(version, editor="Ada")
    with pytest.raises(ModelError, match="came with BrainSeg"):
        registry.delete(bundled.version, editor="Ada")
    registry.rollback(editor="Ada")
    with pytest.raises(ModelError, match="run that goes on"):
        registry.delete(version, editor="Ada", busy={version})
    with pytest.raises(ModelError, match="Nobody"):
        registry.delete(version, editor="")
    assert [v.version for v in registry.versions()] == [bundled.version, version]


def test_the_base_of_a_run_that_goes_on_is_not_deleted(
    registry: ModelRegistry, candidate: Bundle, catalogue: Catalogue, tmp_path: Path
) -> None:
    version = registry.adopt(candidate.path).version
    add_run(catalogue, "run-1", tmp_path, "fine-tune", base=version)
    note_process(catalogue, "run-1", os.getpid())
    with pytest.raises(ModelError, match="run that goes on"):
        registry.delete(version, editor="Ada")


def test_a_deleted_version_is_kept_in_the_bin_and_in_the_history(
    registry: ModelRegistry, bundled: Bundle, candidate: Bundle, workspace: Workspace
) -> None:
    version = registry.adopt(candidate.path, run_id="run-1").version
    registry.promote(version, editor="Ada", reason="a test")
    registry.rollback(editor="Ada")
    told: list[int] = []
    registry.changed.connect(lambda: told.append(1))
    registry.delete(version, editor="Grace")
    assert told
    assert [v.version for v in registry.versions()] == [bundled.version]
    (gone,) = registry.deleted()
    assert (gone.version, gone.deleted_by, gone.parent) == (version, "Grace", bundled.version)
    assert gone.path == workspace.models / ".deleted" / version
    assert [act.version for act in registry.history()] == [version, bundled.version]
    with pytest.raises(ModelError, match="neither bundled nor"):
        registry.promote(version, editor="Ada", reason="a test")
    back = registry.restore(version)
    assert (back.run_id, registry.deleted()) == ("run-1", ())
    registry.load(version)


def test_the_bin_is_emptied_for_good(
    registry: ModelRegistry, candidate: Bundle, workspace: Workspace
) -> None:
    version = registry.adopt(candidate.path).version
    registry.delete(version, editor="Ada")
    assert registry.empty_bin() == (version,)
    (gone,) = registry.deleted()
    assert gone.path is None
    with pytest.raises(ModelError, match="bin was emptied"):
        registry.restore(version)
    assert registry.adopt(candidate.path).version == version  # of the run that made it
    assert registry.deleted() == ()


def test_a_rollback_passes_deleted_versions_over(
    registry: ModelRegistry, bundled: Bundle, make_bundle: Callable[..., Bundle]
) -> None:
    versions = []
    for name in ("second", "third"):
        versions.append(registry.adopt(make_bundle(name, folder="run").path).version)
        registry.promote(versions[-1], editor="Ada", reason="a test")
    registry.delete(versions[0], editor="Ada")
    assert registry.rollback_version == bundled.version
    assert registry.rollback(editor="Ada").version == bundled.version
    assert not registry.can_roll_back


def test_a_deletion_cut_off_half_way_is_finished(
    registry: ModelRegistry,
    bundled: Bundle,
    candidate: Bundle,
    workspace: Workspace,
    catalogue: Catalogue,
) -> None:
    version = registry.adopt(candidate.path).version
    with catalogue.write() as connection:
        note_deleted(connection, version, "Ada")  # the process dies before the folder is moved
    again = ModelRegistry(workspace, catalogue, bundled=lambda: (bundled,))
    assert [v.version for v in again.versions()] == [bundled.version]
    assert not (workspace.models / version).exists()
    assert again.restore(version).version == version


# to and from elsewhere ------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, bundled: Bundle) -> Iterator[ModelRegistry]:
    """Another workspace, whose child writes something for OpenVINO."""

    def represent(folder: Path) -> str:
        assert {p.name for p in folder.iterdir()} == {"model.json", "weights.safetensors"}
        (folder / "model.xml").write_text("<net/>")
        (folder / "model.bin").write_bytes(b"x")
        return ""

    place = Workspace(tmp_path / "elsewhere").create()
    catalogue = Catalogue(place.catalogue)
    yield ModelRegistry(place, catalogue, bundled=lambda: (bundled,), represent=represent)
    catalogue.close()


@pytest.mark.parametrize("name", ["model.zip", "model"])
def test_a_version_travels(
    registry: ModelRegistry, elsewhere: ModelRegistry, candidate: Bundle, tmp_path: Path, name: str
) -> None:
    version = registry.adopt(candidate.path).version
    made = registry.export(version, tmp_path / "out" / name)
    told: list[int] = []
    elsewhere.changed.connect(lambda: told.append(1))
    found = elsewhere.import_bundle(made)
    assert told
    assert (found.version, found.origin, found.is_current) == (version, "import", False)
    assert found.parent == candidate.manifest.parent
    loaded = elsewhere.load(version)
    assert loaded.weights_path.read_bytes() == candidate.weights_path.read_bytes()
    # What OpenVINO runs is our own.
    assert loaded.ir_path is not None
    assert sorted(loaded.manifest.files) == ["model.bin", "model.xml", "weights.safetensors"]
    assert elsewhere.import_bundle(made) == found  # twice does no harm
    elsewhere.delete(version, editor="Ada")
    assert elsewhere.import_bundle(made).version == version  # and it is back


def test_what_others_made_for_openvino_is_not_run(
    elsewhere: ModelRegistry, make_bundle: Callable[..., Bundle]
) -> None:
    def write_ir(path: Path) -> None:
        path.write_text("<net><evil/></net>")
        path.with_suffix(".bin").write_bytes(b"evil")

    foreign = make_bundle("foreign", folder="run", write_ir=write_ir)
    path = elsewhere.import_bundle(foreign.path).path
    assert b"evil" not in b"".join(file.read_bytes() for file in path.iterdir())


def test_a_bundled_version_is_here_already(
    elsewhere: ModelRegistry, registry: ModelRegistry, bundled: Bundle, tmp_path: Path
) -> None:
    made = registry.export(bundled.version, tmp_path / "b.zip")
    assert elsewhere.import_bundle(made).is_bundled
    assert len(elsewhere.versions()) == 1


def test_another_model_under_a_known_version_is_refused(
    elsewhere: ModelRegistry, candidate: Bundle, tmp_path: Path
) -> None:
    elsewhere.import_bundle(candidate.path)
    forged = shutil.copytree(candidate.path, tmp_path / "forged")
    content = json.loads((forged / "model.json").read_text())
    (forged / "model.json").write_text(json.dumps(content | {"threshold": 0.01}))
    with pytest.raises(ModelError, match="is here already"):
        elsewhere.import_bundle(forged)


def test_a_refused_model_leaves_nothing_behind(
    workspace: Workspace,
    catalogue: Catalogue,
    bundled: Bundle,
    candidate: Bundle,
    tmp_path: Path,
) -> None:
    def refuse(folder: Path) -> str:
        raise ModelError("The weights do not fit.")

    registry = ModelRegistry(workspace, catalogue, bundled=lambda: (bundled,), represent=refuse)
    with pytest.raises(ModelError, match="do not fit"):
        registry.import_bundle(candidate.path)
    (tmp_path / "model.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match="pickle"):
        registry.import_bundle(tmp_path / "model.pt")
    assert list(workspace.models.iterdir()) == []
    assert [v.version for v in registry.versions()] == [bundled.version]


def test_a_full_disk_leaves_nothing_behind(
    workspace: Workspace, catalogue: Catalogue, bundled: Bundle, candidate: Bundle
) -> None:
    def fill(folder: Path) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    registry = ModelRegistry(workspace, catalogue, bundled=lambda: (bundled,), represent=fill)
    with pytest.raises(ModelError, match="No space left") as caught:
        registry.import_bundle(candidate.path)
    assert "free space" in caught.value.hint
    assert list(workspace.models.iterdir()) == []


def test_a_model_of_which_openvino_makes_nothing_comes_in_without(
    workspace: Workspace, catalogue: Catalogue, bundled: Bundle, candidate: Bundle
) -> None:
    registry = ModelRegistry(
        workspace, catalogue, bundled=lambda: (bundled,), represent=lambda _: "no such operation"
    )
    version = registry.import_bundle(candidate.path).version
    assert registry.load(version).ir_path is None


def test_what_killed_imports_left_is_removed_a_day_later(
    registry: ModelRegistry, workspace: Workspace
) -> None:
    old, young = workspace.models / ".incoming-old", workspace.models / ".incoming-young"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (0, 0))
    registry.versions()
    assert (old.exists(), young.exists()) == (False, True)
