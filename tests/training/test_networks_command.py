from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_brainseg.core.imaging import ConfigError, ModelError
from training.__main__ import main
from training.network_memory import MemoryCase, estimate, measure
from training.networks import figures

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_table_shows_sizes_options_and_counted_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "networks.json"
    code = main(["networks", "unet", "unet++", "--features", "32", "--memory", "estimate",
                 "--json", str(target)])  # fmt: skip
    assert code == 0
    out = capsys.readouterr().out
    assert "7,763,041" in out
    assert "unet++ deep_supervision=true" in out
    assert "norm=batch|instance|group" in out
    rows = json.loads(target.read_text(encoding="utf-8"))
    assert [row["name"] for row in rows] == ["unet", "unet++", "unet++"]
    plain, nested, deep = rows
    assert plain["parameters"] == 7_763_041
    assert plain["size_mb"] == pytest.approx(15.5, abs=0.1)
    assert nested["gflops"] > 2 * plain["gflops"]
    assert deep["parameters"] == nested["parameters"] + 3 * 33
    for row in rows:
        memory = row["memory_gb"]
        assert 0 < memory["estimated_checkpointing"] < 0.6 * memory["estimated"]


def test_flops_are_those_of_the_convolutions() -> None:
    (row,) = figures(["unet"], features=4)
    operations = 0
    for level, width in enumerate((4, 8, 16, 32, 64)):
        pixels = (256 // 2**level) ** 2
        above = 3 if level == 0 else width // 2
        operations += pixels * 9 * (above * width + width * width)
        if width < 64:  # transposed convolution, then the decoder's two
            operations += pixels * (2 * width * width + 9 * (2 * width * width + width * width))
    operations += 256**2 * 4
    assert row.gflops == pytest.approx(2 * operations / 1e9, rel=1e-6)


def test_an_unknown_network_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["networks", "vnet"]) == 1
    assert "Known: unet, " in capsys.readouterr().err
    with pytest.raises(ConfigError, match="vnet"):
        list(figures(["vnet"]))


@pytest.mark.slow
def test_a_real_step_takes_at_least_what_was_counted() -> None:
    case = MemoryCase("unet", 8, batch=8, side=256)
    counted, measured = estimate(case), measure(case)
    assert 0.8 * counted < measured < 3 * counted


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's data")
def test_a_step_that_does_not_fit_says_so() -> None:
    with pytest.raises(ModelError, match="more memory than there is"):
        measure(MemoryCase("unet", 16, batch=16), limit_bytes=100_000_000)


@pytest.mark.slow
def test_the_full_networks_of_the_papers_fit_8_gb_when_checkpointed() -> None:
    for name in ("unet++", "unet3+"):
        for options in ({}, {"deep_supervision": True}):
            case = MemoryCase(name, 64, options, checkpointing=True)
            assert estimate(case) < 6e9, case  # and 2 GB for work space and the libraries


def test_the_list_needs_no_viewer_and_no_training_libraries() -> None:
    code = (
        "import sys; from training.__main__ import main; main(['networks', 'unet'])\n"
        "assert not {'napari', 'qtpy', 'monai', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
