from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.visits import Visit, time_spent

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.catalogue import Catalogue


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def case(make_study: Callable[..., Study], catalogue: Catalogue) -> Case:
    return Case(make_study(), catalogue)


def test_pauses_do_not_count(case: Case, catalogue: Catalogue, clock: Clock) -> None:
    visit = Visit(catalogue, case.id, "Ada", clock=clock)
    clock.now += 20
    visit.active()
    clock.now += 3600  # lunch: the clock stops a minute after the last input
    assert visit.seconds == 80
    visit.active()
    clock.now += 10
    visit.end()
    clock.now += 50
    visit.active()
    assert visit.seconds == 90
    assert time_spent(catalogue) == {case.id: 90.0}


def test_visits_of_a_case_add_up(case: Case, catalogue: Catalogue, clock: Clock) -> None:
    for _ in range(3):
        visit = Visit(catalogue, case.id, "Ada", clock=clock)
        clock.now += 30
        visit.end()
        visit.end()
    assert time_spent(catalogue) == {case.id: 90.0}


def test_time_is_written_during_the_visit(
    case: Case, catalogue: Catalogue, clock: Clock, until: Callable[..., None]
) -> None:
    visit = Visit(catalogue, case.id, None, write_every_s=0.02, clock=clock)
    until(lambda: time_spent(catalogue) == {case.id: 0.0})  # the opening itself is known at once
    clock.now += 25
    visit.editor = "Bob"
    until(lambda: time_spent(catalogue) == {case.id: 25.0})
    with catalogue.read() as connection:
        (row,) = connection.execute(select(tables.visits)).all()
    assert row.editor == "Bob"
    assert row.opened > 1e9
    visit.end()


def test_a_catalogue_that_fails_does_not_stop_the_reading(
    case: Case, catalogue: Catalogue, clock: Clock
) -> None:
    visit = Visit(catalogue, case.id + 99, "Ada", clock=clock)  # no such case
    clock.now += 5
    visit.active()
    visit.end()
    assert time_spent(catalogue) == {}
