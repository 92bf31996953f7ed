"""Resources of a run: samples, peaks, the end, and a disk that is full."""

from __future__ import annotations

import errno
import json
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from training.monitor import RESOURCES, ResourceMonitor


def lines(run: Path) -> list[dict[str, float | None]]:
    return [json.loads(line) for line in (run / RESOURCES).read_text().splitlines()]


def wait_for(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_samples_come_while_the_run_works_and_one_at_its_end(tmp_path: Path) -> None:
    with ResourceMonitor(tmp_path / "run", interval_s=0.05) as monitor:
        wait_for(lambda: (tmp_path / "run" / RESOURCES).read_text().count("\n") >= 2)
        during = len(lines(tmp_path / "run"))
    found = lines(tmp_path / "run")
    assert len(found) > during
    assert found[-1] == monitor.latest.model_dump()
    times = [line["time"] for line in found]
    assert times == sorted(times)
    assert all(line["rss_mb"] > 1 and line["cpu_percent"] >= 0 for line in found)
    assert monitor.peak.rss_mb == max(line["rss_mb"] for line in found)
    assert monitor.peak.cpu_percent == max(line["cpu_percent"] for line in found)


def test_a_short_run_has_a_sample_and_nothing_is_left_running(tmp_path: Path) -> None:
    before = threading.active_count()
    with ResourceMonitor(tmp_path, interval_s=60) as monitor:
        assert monitor.latest is None
    assert threading.active_count() == before
    assert len(lines(tmp_path)) == 1
    assert monitor.peak.rss_mb > 1


def test_load_is_seen(tmp_path: Path) -> None:
    with ResourceMonitor(tmp_path, interval_s=60) as monitor:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            sum(range(1000))
    assert monitor.latest.cpu_percent > 5


def test_a_resumed_run_adds_to_its_series(tmp_path: Path) -> None:
    for _ in range(2):
        with ResourceMonitor(tmp_path, interval_s=60):
            pass
    assert len(lines(tmp_path)) == 2


def test_it_ends_with_a_run_that_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ResourceMonitor(tmp_path, interval_s=0.05):
        raise KeyError("lost")
    assert lines(tmp_path)


def test_other_processes_of_a_run_leave_it_alone(tmp_path: Path) -> None:
    with ResourceMonitor(tmp_path, interval_s=0.05, enabled=False) as monitor:
        pass
    assert (monitor.latest, monitor.peak) == (None, None)
    assert not (tmp_path / RESOURCES).exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_ends_the_writing_not_the_run(tmp_path: Path) -> None:
    (tmp_path / RESOURCES).symlink_to("/dev/full")
    with ResourceMonitor(tmp_path, interval_s=0.05) as monitor:
        wait_for(lambda: monitor.latest is not None)
        first = monitor.latest
        wait_for(lambda: monitor.latest is not first)
    assert monitor.peak.rss_mb > 1


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    with ResourceMonitor(tmp_path, interval_s=60) as monitor:
        pass
    assert monitor.peak is not None


class FakeCuda(SimpleNamespace):
    """Two GPUs, of which the second is used; like torch.cuda as far as it is asked."""

    held, most, busy = 3 * 2**20, 5 * 2**20, 71

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def memory_reserved(self, device: int) -> int:
        return self.held * device

    def max_memory_reserved(self, device: int) -> int:
        return self.most * device

    def reset_peak_memory_stats(self, device: int) -> None:
        pass

    def utilization(self, device: int) -> int:
        assert device == 1
        return self.busy


class NoNvml(FakeCuda):
    def utilization(self, device: int) -> int:
        raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed")


def test_gpu_figures(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=FakeCuda()))
    with ResourceMonitor(tmp_path, interval_s=60) as monitor:
        pass
    assert (monitor.latest.gpu_memory_mb, monitor.latest.gpu_percent) == (3, 71)
    assert monitor.peak.gpu_memory_mb == 5


def test_memory_is_known_where_the_driver_does_not_tell_the_load(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=NoNvml()))
    with ResourceMonitor(tmp_path, interval_s=60) as monitor:
        pass
    assert (monitor.latest.gpu_memory_mb, monitor.latest.gpu_percent) == (3, None)


def test_without_a_gpu_and_without_torch_there_are_no_gpu_figures(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with ResourceMonitor(tmp_path, interval_s=60):
        pass
    assert "torch" not in sys.modules
    (line,) = lines(tmp_path)
    assert (line["gpu_memory_mb"], line["gpu_percent"]) == (None, None)
