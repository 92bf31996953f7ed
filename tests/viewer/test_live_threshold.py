"""The prediction at a threshold of the user's choice, and where the model's own comes from."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import psygnal
import pytest

from napari_brainseg.core.imaging import ModelError
from napari_brainseg.core.segmentation.postprocessing import Postprocessing
from napari_brainseg.viewer.live_threshold import Delivery, LiveThreshold, delivery_of
from napari_brainseg.viewer.settling import Settler


@pytest.fixture
def live():
    probability = np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 4, 4)
    mask = (probability >= 0.9).astype(np.uint8)
    return LiveThreshold(SimpleNamespace(probability=probability, mask=mask))


def test_the_model_in_the_registry_says_how_it_makes_its_mask():
    manifest = SimpleNamespace(threshold=0.4, postprocessing=Postprocessing(fill_holes=True))
    registry = SimpleNamespace(load=lambda _version: SimpleNamespace(manifest=manifest))
    assert delivery_of(registry, "v") == Delivery(0.4, manifest.postprocessing)


def test_a_model_that_is_gone_gets_the_usual_threshold():
    def load(version):
        raise ModelError(f"There is no {version}.")

    assert delivery_of(SimpleNamespace(load=load), "v") == Delivery(0.5, None)


def test_the_delivered_mask_comes_back_exactly_and_was_never_touched(live):
    delivered = live.mask.copy()
    live.set(0.2)
    assert live.mask.sum() > delivered.sum()
    live.set(live.delivery.threshold)
    assert live.is_delivered
    assert np.array_equal(live.mask, delivered)
    assert np.array_equal(live.prediction.mask, delivered)


@pytest.mark.parametrize(("asked", "got"), [(-1.0, 0.01), (7.0, 0.99)])
def test_a_threshold_is_never_none_or_all(live, asked, got):
    live.set(asked)
    assert live.value == got


def test_without_the_library_of_the_crf_the_raw_mask_stays(live, monkeypatch):
    def postprocess(*_args, **_options):
        raise ModelError("No library.")

    monkeypatch.setattr("napari_brainseg.core.segmentation.postprocessing.postprocess", postprocess)
    live.delivery = Delivery(0.5, Postprocessing(dense_crf=1.0))
    assert live.postprocessed(0.3, np.zeros((4, 4, 4))) is None
    assert live.postprocessed(0.3, None) is None


def test_only_the_last_of_many_requests_is_done_and_beside_the_main_thread():
    settler, done, threads = Settler(0.05), [], []

    def work(number):
        threads.append(threading.current_thread())
        return number

    for number in range(20):
        settler.ask(lambda number=number: work(number), done.append)
    end = time.monotonic() + 10
    while not done and time.monotonic() < end:
        psygnal.emit_queued()
        time.sleep(0.005)
    assert done == [19]
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    threads[0].join(5)
    assert not settler.is_busy


def test_what_was_dropped_is_not_delivered():
    settler, done = Settler(0.0), []
    settler.ask(lambda: 1, done.append)
    settler.drop()
    time.sleep(0.05)
    psygnal.emit_queued()
    assert done == []
