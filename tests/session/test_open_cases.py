from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from sqlalchemy import insert, select, update

from napari_brainseg.session import tables
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.open_cases import OpenCases

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_brainseg.core.imaging import Study
    from napari_brainseg.session.workspace import Workspace


@pytest.fixture
def case(make_study: Callable[..., Study], catalogue: Catalogue) -> Case:
    return Case(make_study(), catalogue)


@pytest.fixture
def claims(catalogue: Catalogue) -> OpenCases:
    return OpenCases(catalogue)


def windows(catalogue: Catalogue) -> set[str]:
    with catalogue.read() as connection:
        return {row.window for row in connection.execute(select(tables.open_cases))}


def test_a_case_open_in_one_window_is_marked_in_the_other(
    case: Case, claims: OpenCases, workspace: Workspace
) -> None:
    claims.claim("left", case.id, case.patient, "Ada")
    other = Catalogue(workspace.catalogue)
    (found,) = OpenCases(other).elsewhere("right").items()
    other.close()
    assert found[0] == case.patient
    assert found[1].startswith("open in another window by Ada since ")
    assert claims.elsewhere("left") == {}


def test_a_window_shows_one_case_at_a_time(
    case: Case, claims: OpenCases, catalogue: Catalogue, make_study: Callable[..., Study]
) -> None:
    second = Case(make_study("TEST_CD_0002_20200202"), catalogue)
    claims.claim("left", case.id, case.patient, None)
    claims.claim("left", second.id, second.patient, None)
    assert set(claims.elsewhere("right")) == {second.patient}
    claims.release("left")
    assert claims.elsewhere("right") == {}


def test_the_claim_of_a_killed_process_does_not_count_and_is_swept(
    case: Case, claims: OpenCases, catalogue: Catalogue, workspace: Workspace
) -> None:
    code = textwrap.dedent(f"""
        import sys
        from napari_brainseg.session.catalogue import Catalogue
        from napari_brainseg.session.open_cases import OpenCases
        claims = OpenCases(Catalogue({str(workspace.catalogue)!r}))
        claims.claim("killed", {case.id}, {case.patient!r}, "Eve")
        print("claimed", flush=True)
        sys.stdin.read()
    """)
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "claimed\n"
        assert set(claims.elsewhere("mine")) == {case.patient}
        child.kill()
        child.wait()
    assert claims.elsewhere("mine") == {}
    claims.claim("mine", case.id, case.patient, None)
    assert windows(catalogue) == {"mine"}


def test_another_process_under_the_same_number_is_not_taken_for_it(
    case: Case, claims: OpenCases, catalogue: Catalogue
) -> None:
    claims.claim("left", case.id, case.patient, None)
    with catalogue.write() as connection:
        connection.execute(
            update(tables.open_cases).values(pid_started=psutil.Process().create_time() - 60)
        )
    assert claims.elsewhere("right") == {}


@pytest.mark.parametrize(("age_h", "counts"), [(2, True), (25, False)])
def test_claims_from_another_computer_count_for_a_day(
    age_h: float, counts: bool, case: Case, claims: OpenCases, catalogue: Catalogue
) -> None:
    with catalogue.write() as connection:
        connection.execute(
            insert(tables.open_cases).values(
                window="far",
                case_id=case.id,
                patient=case.patient,
                host="ward-7",
                pid=1,
                pid_started=0.0,
                editor="Bob",
                since=time.time() - age_h * 3600,
            )
        )
    found = claims.elsewhere("mine")
    assert bool(found) is counts
    if counts:
        assert found[case.patient].startswith("open on ward-7 by Bob since ")


def test_a_clock_that_is_set_does_not_take_a_window_for_dead(
    case: Case, claims: OpenCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims.claim("left", case.id, case.patient, None)
    began = psutil.Process().create_time()
    # psutil counts it back from the clock of the machine
    monkeypatch.setattr(psutil.Process, "create_time", lambda _self: began - 7_200)
    assert set(claims.elsewhere("right")) == {case.patient}
