"""Work of a window in one thread, until the window goes."""

from __future__ import annotations

import threading

import pytest

from napari_brainseg.session.errands import Errands


def test_errands_run_one_after_another_in_one_thread():
    errands = Errands()
    names = [errands.submit(lambda: threading.current_thread().name) for _ in range(3)]
    assert len({future.result(5) for future in names}) == 1
    errands.close()


def test_nothing_runs_and_no_thread_begins_once_it_was_closed():
    errands = Errands()
    errands.close()
    done = []
    future = errands.submit(lambda: done.append(1))
    assert future.cancelled()
    assert done == []


def test_what_goes_wrong_is_told_in_words():
    errands, faults = Errands(), []
    errands.fault.connect(faults.append)
    with pytest.raises(ZeroDivisionError):
        errands.submit(lambda: 1 / 0).result(5)
    errands.close()
    assert "ZeroDivisionError" in faults[0].message
