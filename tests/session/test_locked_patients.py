from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session.case import Case
from napari_brainseg.session.content_hashes import ContentHashes
from napari_brainseg.session.locked_candidates import locked_candidates
from napari_brainseg.session.locked_patients import LockedPatients, held_out
from napari_brainseg.session.training_set import export_case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_brainseg.core.segmentation.bundle import Bundle
    from napari_brainseg.session.catalogue import Catalogue
    from napari_brainseg.session.workspace import Workspace

NAMES = tuple(f"TCGA_DU_{n:04}_20010101" for n in range(8))


@pytest.fixture
def base(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle(training={"train_patients": [NAMES[0]]})


@pytest.fixture
def locked(workspace: Workspace, catalogue: Catalogue, base: Bundle) -> LockedPatients:
    return LockedPatients(workspace, catalogue, models=lambda: (base,))


def test_a_set_is_drawn_once_kept_and_told(
    locked: LockedPatients, make_root: Callable[..., Path], workspace: Workspace
) -> None:
    studies = discover(make_root(*NAMES))
    told: list[bool] = []
    locked.changed.connect(lambda: told.append(True))
    assert locked.current() is None
    chosen = locked.choose(studies)
    assert len(chosen.patients) == 5
    assert NAMES[0] not in chosen.names
    assert locked.current() == chosen
    assert held_out(workspace) == chosen.names
    assert told == [True]
    with pytest.raises(DataError, match=r"locked in .* already") as caught:
        locked.choose(studies)
    assert "Extend" in caught.value.hint


def test_named_patients_are_locked_and_more_are_added_as_a_generation(
    locked: LockedPatients, make_root: Callable[..., Path]
) -> None:
    studies = discover(make_root(*NAMES))
    first = locked.choose(studies, NAMES[1:3])
    second = locked.extend(studies, wanted=4)
    others = sorted({*NAMES[1:]} - {*second.names})[:2]
    third = locked.extend(studies, others)
    assert first.names == NAMES[1:3]
    assert len(second.patients) == 4
    assert {*second.names, *others} == set(third.names)
    assert locked.generations() == (first, second, third)
    assert locked.current() == third


def test_the_next_generation_leaves_out_who_is_gone_and_takes_a_changed_mask_as_it_is(
    locked: LockedPatients, make_root: Callable[..., Path]
) -> None:
    root = make_root(*NAMES)
    first = locked.choose(discover(root), NAMES[1:4])
    shutil.rmtree(root / NAMES[1])
    tifffile.imwrite(root / NAMES[2] / f"{NAMES[2]}_3_mask.tif", np.full((32, 32), 255, np.uint8))
    second = locked.extend(discover(root), [])
    assert second.names == NAMES[2:4]
    assert second.patients[0].mask_sha256 != first.patients[1].mask_sha256
    assert second.patients[1] == first.patients[2]


def test_who_cannot_be_locked_is_said(
    locked: LockedPatients, make_root: Callable[..., Path]
) -> None:
    studies = discover(make_root(*NAMES))
    with pytest.raises(DataError, match="trained on patients to be locked"):
        locked.choose(studies, NAMES[:2])
    with pytest.raises(DataError, match="No patient can be locked"):
        locked.choose(discover(make_root(*NAMES, name="bare", truth=False)))
    with pytest.raises(DataError, match="No patients are locked yet"):
        locked.extend(studies)
    by_name = {c.patient: locked.why_not(c) for c in locked.candidates(studies)}
    assert by_name == {name: "name" if name == NAMES[0] else "" for name in NAMES}


def test_a_set_that_was_replaced_behind_the_catalogue_is_refused(
    locked: LockedPatients, make_root: Callable[..., Path], workspace: Workspace
) -> None:
    studies = discover(make_root(*NAMES))
    locked.choose(studies, NAMES[1:6])
    stranger = LockedPatients(workspace, _Unknowing())
    workspace.locked.unlink()
    stranger.choose(studies, NAMES[2:7])
    with pytest.raises(DataError, match="replaced"):
        locked.current()


class _Unknowing:
    """A catalogue that never heard of a locked set."""

    def get(self, key: str) -> None:
        return None

    def set(self, key: str, value: str) -> None:
        return None

    def read(self) -> object:
        raise DataError("nothing is known here")


def test_a_correction_stands_for_its_patient(
    workspace: Workspace, catalogue: Catalogue, make_root: Callable[..., Path]
) -> None:
    root = make_root(*NAMES[:3])
    case = Case(load_study(root / NAMES[0]), catalogue)
    case.start_correction("empty", "Ada").data[0, 0, :3] = 1
    export_case(case, workspace.training_set, editor="Ada")
    found = locked_candidates(workspace, discover(root), ContentHashes(workspace.cache))
    assert [(c.patient, c.mask_source) for c in found] == [
        (NAMES[0], "correction"),
        (NAMES[1], "ground truth"),
        (NAMES[2], "ground truth"),
    ]
    assert found[0].path == str(workspace.training_set / NAMES[0])
    assert found[0].lesion_vox == 3


def test_a_large_folder_is_sampled_and_a_faulty_patient_left_out(
    workspace: Workspace, make_root: Callable[..., Path]
) -> None:
    root = make_root(*NAMES)
    hashes = ContentHashes(workspace.cache)
    studies = discover(root)
    some = locked_candidates(workspace, studies, hashes, most=3)
    assert len(some) == 3
    assert locked_candidates(workspace, studies, hashes, most=3) == some
    (root / NAMES[4] / f"{NAMES[4]}_2.tif").write_bytes(b"no picture")
    every = locked_candidates(workspace, studies, hashes)
    assert {c.patient for c in every} == set(NAMES) - {NAMES[4]}


def test_what_the_worklist_learnt_is_not_read_again(
    workspace: Workspace,
    catalogue: Catalogue,
    make_root: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_brainseg.session.patient_log import PatientRecord, save_patients
    from napari_brainseg.session.pixel_facts import fingerprint, look

    studies = discover(make_root(*NAMES[:1]))
    (folder,) = studies.folders
    record = PatientRecord(folder.patient, folder.path, fingerprint(folder), 6, 0.0)
    record = look(folder, record)
    save_patients(catalogue, "root", [record])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the images were read again")

    monkeypatch.setattr("napari_brainseg.core.formats.load_study", refuse)
    content = ContentHashes(workspace.cache, catalogue).of(folder)
    assert content.image_sha256 == record.image_sha256
    assert content.lesion_vox == record.truth_vox
    assert content.shape == (6, 32, 32)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b'{"format": 1, "folders": 3}'])
def test_a_damaged_cache_is_made_anew(
    workspace: Workspace, make_root: Callable[..., Path], content: bytes
) -> None:
    (folder,) = discover(make_root(NAMES[0])).folders
    hashes = ContentHashes(workspace.cache)
    found = hashes.of(folder)
    hashes.save()
    (cache,) = workspace.cache.glob("*.json")
    cache.write_bytes(content)
    again = ContentHashes(workspace.cache)
    assert again.of(folder) == found
    again.save()
    assert ContentHashes(workspace.cache).of(folder) == found
