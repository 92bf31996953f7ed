"""Two windows on one case: one corrects, the other looks on, and nothing is lost or mixed."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import select, update

from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.imaging import DataError
from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.case_follower import CaseFollower
from napari_brainseg.session.case_log import CaseStatus
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.deltas import unpack_bits, unpack_indices
from napari_brainseg.session.write_right import TakenOverError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.workspace import Workspace


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture
def open_in(study: Study, workspace: Workspace) -> Iterator[Callable[[str], Case]]:
    """Open the case in a window of its own, as another process would."""
    opened: list[Catalogue] = []

    def make(window: str, editor: str | None = None) -> Case:
        opened.append(Catalogue(workspace.catalogue))
        return Case(study, opened[-1], window=window, editor=editor)

    yield make
    for catalogue in opened:
        catalogue.close()


def paint(case: Case, row: int) -> None:
    assert case.correction is not None
    case.correction.data[1, row] ^= 1
    case.correction.commit()


def rows_of(case: Case) -> list[int]:
    assert case.correction is not None
    return np.flatnonzero(case.correction.data[1].any(axis=1)).tolist()


def saved_rows(study: Study, workspace: Workspace) -> list[int]:
    catalogue = Catalogue(workspace.catalogue)
    correction = Case(study, catalogue, window="check").correction
    catalogue.close()
    assert correction is not None
    return np.flatnonzero(correction.data[1].any(axis=1)).tolist()


def stroke_rows(workspace: Workspace) -> list[tuple[int, str]]:
    catalogue = Catalogue(workspace.catalogue)
    table = tables.strokes
    with catalogue.read() as connection:
        found = connection.execute(select(table.c.number, table.c.state).order_by(table.c.number))
        rows = [(row.number, row.state) for row in found]
    catalogue.close()
    return rows


def test_the_first_window_corrects_and_the_second_looks_on(open_in: Callable[..., Case]) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    paint(first, 1)
    second = open_in("second", "Bob")
    assert first.read_only is None
    assert second.read_only is not None
    assert second.read_only.startswith("Ada is correcting this case in another window since ")
    assert rows_of(second) == [1]
    with pytest.raises(ValueError, match="read-only"):
        second.correction.data[0, 0, 0] = 1
    for act in (
        second.correction.undo,
        second.correction.redo,
        lambda: second.correction.go_to(0),
        lambda: second.start_correction("empty", "Bob"),
        second.discard_correction,
    ):
        with pytest.raises(TakenOverError, match="Ada is correcting"):
            act()
    assert not second.correction.can_undo


def test_the_one_that_looks_on_follows_strokes_undo_and_status(
    open_in: Callable[..., Case],
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    second = open_in("second")
    started: list[object] = []
    second.correction_started.connect(started.append)
    second.follow()
    assert started == []  # nothing happened
    paint(first, 1)
    paint(first, 2)
    second.follow()
    assert rows_of(second) == [1, 2]
    first.correction.undo()
    second.follow()
    assert rows_of(second) == [1]
    first.mark(CaseStatus.APPROVED)
    second.follow()
    assert second.status is CaseStatus.APPROVED
    assert len(started) == 3
    assert started[-1] is second.correction


def test_a_correction_begun_in_another_window_is_noticed_before_one_is_begun_here(
    open_in: Callable[..., Case],
) -> None:
    first, second = open_in("first"), open_in("second")
    first.start_correction("truth", "Ada")
    paint(first, 1)
    with pytest.raises(TakenOverError, match="Ada"):
        second.start_correction("empty", "Bob")
    assert second.correction is not None
    assert second.correction.base == "truth"


def test_a_correction_begun_and_closed_elsewhere_is_gone_on_with(
    open_in: Callable[..., Case],
) -> None:
    first, second = open_in("first"), open_in("second")
    first.start_correction("empty", "Ada")
    paint(first, 1)
    first.close()
    second.start_correction("truth", "Bob")
    assert second.read_only is None
    assert rows_of(second) == [1]
    paint(second, 2)


def test_taking_over_makes_the_other_read_only_at_its_next_stroke_which_is_kept(
    open_in: Callable[..., Case], study: Study, workspace: Workspace
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    paint(first, 1)
    second = open_in("second", "Bob")
    second.take_over("Bob")
    assert second.read_only is None
    paint(second, 2)
    out_of_step: list[int] = []
    first.out_of_step.connect(lambda: out_of_step.append(1))
    with pytest.raises(TakenOverError, match="Bob is correcting"):
        paint(first, 3)
    assert out_of_step
    words: list[object] = []
    first.write_right_changed.connect(words.append)
    first.follow()
    assert words == [first.read_only]
    assert first.is_held
    assert first.kept_strokes == 1
    assert first.read_only.startswith("Bob is correcting")
    assert rows_of(first) == [1, 2]
    assert saved_rows(study, workspace) == [1, 2]

    paint(second, 4)
    first.take_over("Ada")
    assert rows_of(first) == [1, 2, 3, 4]
    assert first.correction.unsaved == 0
    assert first.kept_strokes == 0
    assert saved_rows(study, workspace) == [1, 2, 3, 4]
    first.correction.undo()  # an action of its own
    assert rows_of(first) == [1, 2, 4]
    second.follow()
    assert second.read_only.startswith("Ada is correcting")
    assert rows_of(second) == [1, 2, 4]


def test_a_stroke_that_was_not_saved_is_kept_as_discarded_when_the_window_closes(
    open_in: Callable[..., Case], study: Study, workspace: Workspace
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    paint(first, 1)
    second = open_in("second")
    second.take_over("Bob")
    with pytest.raises(TakenOverError):
        paint(first, 3)
    first.follow()
    paint(second, 2)
    first.close()
    assert second.read_only is None
    paint(second, 4)
    assert saved_rows(study, workspace) == [1, 2, 4]
    assert stroke_rows(workspace) == [(-1, "discarded"), (1, "done"), (2, "done"), (3, "done")]


def test_a_window_goes_on_by_itself_when_the_other_closes_unless_strokes_wait(
    open_in: Callable[..., Case],
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    second = open_in("second", "Bob")
    paint(first, 1)
    first.close()
    second.follow()
    assert second.read_only is None
    paint(second, 2)
    third = open_in("third")
    third.take_over("Cy")
    with pytest.raises(TakenOverError):
        paint(second, 3)
    third.close()
    second.follow()
    assert second.read_only == "This case was corrected in another window meanwhile"
    assert second.kept_strokes == 1
    assert not second.is_held
    second.follow()
    assert second.read_only is not None
    second.take_over()
    assert rows_of(second) == [1, 2, 3]


def test_a_window_that_lost_the_case_unnoticed_does_not_write_what_is_old(
    open_in: Callable[..., Case], study: Study, workspace: Workspace
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    paint(first, 1)
    second = open_in("second")
    second.take_over("Bob")
    second.correction.undo()
    second.close()
    with pytest.raises(TakenOverError):
        paint(first, 3)
    assert saved_rows(study, workspace) == []
    first.follow()
    assert rows_of(first) == []
    first.take_over()
    assert rows_of(first) == [3]


def test_a_stroke_under_way_while_the_case_goes_and_comes_back_is_not_lost(
    open_in: Callable[..., Case], study: Study, workspace: Workspace
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    painted_on = first.correction
    painted_on.data[1, 3] = 1  # half a stroke
    second = open_in("second")
    second.take_over("Bob")
    paint(second, 2)
    second.close()
    first.follow()
    first.take_over()
    assert rows_of(first) == [2, 3]
    painted_on.data[1, 4] = 1  # the rest of it
    with pytest.raises(TakenOverError):
        painted_on.commit()
    first.follow()
    assert rows_of(first) == [2, 3, 4]
    assert saved_rows(study, workspace) == [2, 3, 4]


def test_an_undo_that_was_not_saved_is_done_again_after_taking_over(
    open_in: Callable[..., Case], study: Study, workspace: Workspace
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    paint(first, 1)
    paint(first, 2)
    second = open_in("second")
    second.take_over("Bob")
    first.correction.undo()
    first.follow()
    assert rows_of(first) == [1, 2]
    first.take_over()
    assert rows_of(first) == [1]
    assert saved_rows(study, workspace) == [1]


def test_opening_the_same_patient_again_in_a_window_keeps_the_right(
    open_in: Callable[..., Case],
) -> None:
    before = open_in("first")
    before.start_correction("empty", "Ada")
    paint(before, 1)
    again = open_in("first")
    before.close()
    assert again.read_only is None
    paint(again, 2)
    second = open_in("second")
    assert second.read_only is not None


@pytest.mark.parametrize(("age_h", "counts"), [(2, True), (25, False)])
def test_the_right_of_another_computer_counts_for_a_day(
    age_h: float, counts: bool, open_in: Callable[..., Case], catalogue: Catalogue
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    with catalogue.write() as connection:
        connection.execute(
            update(tables.writers).values(host="ward-7", since=time.time() - age_h * 3600)
        )
    second = open_in("second")
    assert (second.read_only is not None) is counts
    if counts:
        assert "on ward-7" in second.read_only


def test_scripts_that_name_no_window_give_way_to_one(
    open_in: Callable[..., Case], study: Study, catalogue: Catalogue
) -> None:
    script = Case(study, catalogue)
    script.start_correction("empty", "Ada")
    paint(script, 1)
    paint(Case(study, catalogue), 2)
    window = open_in("first")
    assert window.read_only is None
    paint(window, 3)
    assert Case(study, catalogue).read_only is not None


def test_the_follower_takes_the_news_in_and_ends(
    open_in: Callable[..., Case], until: Callable[..., None]
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    second = open_in("second")
    follower = CaseFollower(second, every_s=0.02)
    try:
        paint(first, 1)
        until(lambda: rows_of(second) == [1])
        first.close()
        until(lambda: second.read_only is None)
    finally:
        follower.close()
    assert "brainseg-follow" not in {thread.name for thread in threading.enumerate()}


def test_a_refused_stroke_has_the_follower_look_at_once(
    open_in: Callable[..., Case], until: Callable[..., None]
) -> None:
    first = open_in("first")
    first.start_correction("empty", "Ada")
    follower = CaseFollower(first, every_s=3600.0)
    try:
        second = open_in("second")
        second.take_over("Bob")
        with pytest.raises(TakenOverError):
            paint(first, 3)
        until(lambda: first.read_only is not None)
    finally:
        follower.close()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_three_windows_do_no_stroke_is_lost_or_mixed(
    seed: int, study: Study, workspace: Workspace
) -> None:
    """Strokes end in force or as discarded, each of them exactly once."""
    rng = random.Random(seed)
    catalogues = {name: Catalogue(workspace.catalogue) for name in "abc"}
    windows: dict[str, Case] = {}
    painted: set[int] = set()
    voxels = iter(range(study.image.data[0].size))

    def act(name: str) -> None:
        case = windows.get(name)
        if case is None:
            windows[name] = Case(study, catalogues[name], window=name, editor=name)
            return
        what = rng.choices(("paint", "follow", "take", "close"), (8, 3, 2, 1))[0]
        if what == "close":
            windows.pop(name).close()
        elif what == "follow":
            case.follow()
        elif what == "take":
            case.take_over(name)
        elif case.read_only is None:
            with contextlib.suppress(TakenOverError):
                correction = case.correction or case.start_correction("empty", name)
                voxel = next(voxels)
                correction.data.reshape(-1)[voxel] = 1
                painted.add(voxel)
                if rng.random() < 0.8:  # else it is still being painted
                    correction.commit()

    for _ in range(60):
        act(rng.choice("abc"))
    for case in windows.values():
        if case.correction is not None:
            with contextlib.suppress(DataError):
                case.correction.commit()
        case.close()
    final = Case(study, catalogues["a"], window="check")
    assert final.correction is not None
    assert np.array_equal(replayed(final, catalogues["a"]), final.correction.data)
    in_force = set(np.flatnonzero(final.correction.data).tolist())
    discarded: list[int] = []
    with catalogues["a"].read() as connection:
        query = select(tables.strokes.c.voxels).where(tables.strokes.c.state == "discarded")
        for row in connection.execute(query):
            discarded += unpack_indices(row.voxels).tolist()
    assert len(discarded) == len(set(discarded))
    assert not in_force & set(discarded)
    assert in_force | set(discarded) == painted
    for catalogue in catalogues.values():
        catalogue.close()


WINDOW = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from napari_brainseg.core.formats import discover, load_study
    from napari_brainseg.core.imaging import BrainSegError
    from napari_brainseg.session.case import Case
    from napari_brainseg.session.catalogue import Catalogue
    name, patient, file = sys.argv[1:]
    case = Case(load_study(Path(patient)), Catalogue(file), window=name, editor=name)
    print("open", case.read_only is None, flush=True)
    for line in sys.stdin:
        act, *words = line.split()
        try:
            if act == "start":
                case.start_correction("empty", name)
            elif act == "paint":
                for row in words:
                    case.correction.data[1, int(row)] = 1
                    case.correction.commit()
            elif act == "flood":
                print("flooding", flush=True)
                for step in range(100_000):
                    z, y, x = 2 + step // 1024 % 2, step // 32 % 32, step % 32
                    case.correction.data[z, y, x] ^= 1
                    case.correction.commit()
            elif act == "follow":
                case.follow()
            elif act == "take":
                case.take_over(name)
            elif act == "close":
                case.close()
            print("done", flush=True)
        except BrainSegError as error:
            print(type(error).__name__, flush=True)
""")


class Window:
    """A window of another process, without its looks."""

    def __init__(self, name: str, patient: Path, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", WINDOW, name, str(patient), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def do(self, words: str) -> str:
        self.say(words)
        return self.hear()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def on_disk(tmp_path: Path, study: Study) -> Study:
    from napari_brainseg.core.formats import load_study

    folder = write_patient(
        tmp_path / "root", study.patient, study.image, None, study.slice_numbers, durable=False
    )
    return load_study(folder)


def test_two_processes_take_turns_and_one_is_killed(on_disk: Study, workspace: Workspace) -> None:
    assert on_disk.path is not None
    windows: list[Window] = []

    def window(name: str) -> Window:
        windows.append(Window(name, on_disk.path, workspace.catalogue))
        return windows[-1]

    try:
        ada, bob = window("Ada"), window("Bob")
        assert ada.hear() == "open True"
        assert ada.do("start") == "done"
        assert ada.do("paint 1 2") == "done"
        assert bob.hear().startswith("open")
        assert bob.do("follow") == "done"
        assert bob.do("start") == "TakenOverError"
        # Taken over in the middle of her strokes: not one of them is half there.
        ada.say("flood")
        assert ada.hear() == "flooding"
        assert bob.do("take") == "done"
        assert ada.hear() == "TakenOverError"
        assert bob.do("paint 5 6") == "done"
        assert ada.do("take") == "done"
        assert bob.do("paint 7") == "TakenOverError"
        # Killed while she paints: the right is free, and all that was said to be saved is there.
        assert ada.do("paint 8") == "done"
        ada.say("flood")
        assert ada.hear() == "flooding"
        ada.kill()
        assert bob.do("follow") == "done"
        assert bob.do("take") == "done"
        assert bob.do("paint 9") == "done"
        bob.kill()
    finally:
        for each in windows:
            if each.process.poll() is None:
                each.kill()

    catalogue = Catalogue(workspace.catalogue)
    case = Case(on_disk, catalogue, window="check")
    assert case.read_only is None
    assert set(rows_of(case)) == {1, 2, 5, 6, 7, 8, 9}
    numbers = [number for number, _ in stroke_rows(workspace) if number > 0]
    assert numbers == list(range(1, len(numbers) + 1))
    assert np.array_equal(replayed(case, catalogue), case.correction.data)
    catalogue.close()


def replayed(case: Case, catalogue: Catalogue) -> Any:
    """The mask from the rows alone; each stroke must fit what the one before left."""
    mask = np.zeros(case.shape, np.uint8)
    flat = mask.reshape(-1)
    table = tables.strokes
    with catalogue.read() as connection:
        query = select(table).where(table.c.state == "done").order_by(table.c.number)
        for row in connection.execute(query):
            indices = unpack_indices(row.voxels)
            assert np.array_equal(flat[indices], unpack_bits(row.before, indices.shape))
            flat[indices] = unpack_bits(row.after, indices.shape)
    return mask
