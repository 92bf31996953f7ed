"""Charts: sizes, colours, what they refuse; the same data gives the same bytes."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from napari_brainseg.core.reporting.calibration_chart import calibration_chart
from napari_brainseg.core.reporting.curves import Curves, curves_chart, overlaid_curves
from napari_brainseg.core.reporting.dsc_chart import dsc_chart, short_name
from napari_brainseg.core.reporting.resources_chart import resources_chart

SKY_BLUE, TOMATO, FOREST_GREEN = (135, 206, 235), (255, 99, 71), (34, 139, 34)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def places(picture: np.ndarray, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.nonzero((picture == np.array(colour)).all(axis=-1))


def curves(name: str, epochs: int = 3, **changes) -> Curves:
    values = [0.5 / (n + 1) for n in range(epochs)]
    fields = {
        "name": name,
        "epochs": range(1, epochs + 1),
        "train_loss": values,
        "train_dsc": values,
        "validation_loss": [None] * epochs,
        "validation_dsc": [None] * epochs,
    }
    return Curves(**(fields | changes))


def test_dsc_chart_is_the_published_one() -> None:
    scores = {"TCGA_CS_4944_20010208": 0.9, "TCGA_HT_7616_19940813": 0.5, "TCGA_DU_1_20000101": 0.6}
    picture = pixels(dsc_chart(scores))
    rows, columns = places(picture, SKY_BLUE)

    assert picture.shape == (800, 1200, 3)
    lengths = [np.ptp(columns[rows == row]) for row in sorted(set(rows))]
    assert (np.diff(lengths) <= 2).all(), "ascending from the bottom; the median has gaps"
    assert max(lengths) / min(lengths) == pytest.approx(0.9 / 0.5, rel=0.02)
    # mean 0.667 right of median 0.6, both the whole height of the axes
    mean, median = places(picture, TOMATO), places(picture, FOREST_GREEN)
    assert np.median(mean[1]) > np.median(median[1])
    assert np.ptp(mean[0]) > 600
    assert np.ptp(median[0]) > 600


def test_names_on_the_chart_are_short() -> None:
    assert short_name("TCGA_CS_4944_20010208") == "CS_4944"
    assert short_name("PHANTOM_0001_0002") == "PHANTOM_0001_0002"


def test_dsc_chart_takes_many_patients_and_refuses_none() -> None:
    many = dsc_chart({f"TCGA_DU_{n:04d}_20000101": n / 110 for n in range(110)})

    assert pixels(many).shape == (1920, 1200, 3), "11 pixels and more for each name"
    with pytest.raises(ValueError, match="at least one patient"):
        dsc_chart({})


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_curves_of_any_length_are_drawn(epochs: int) -> None:
    one = curves_chart(curves("a", epochs, chosen_epoch=epochs))

    assert pixels(one).shape == (420, 1200, 3)
    assert one == curves_chart(curves("a", epochs, chosen_epoch=epochs))


def test_curves_take_gaps_and_what_is_not_finite() -> None:
    gappy = curves("a", validation_loss=[None, float("nan"), 0.2], train_loss=[float("inf"), 1, 1])

    assert pixels(curves_chart(gappy)).shape == (420, 1200, 3)


def test_overlaid_curves_name_every_run() -> None:
    few = pixels(overlaid_curves([curves("a"), curves("b", 9)]))
    many = pixels(overlaid_curves([curves(f"run {n}") for n in range(40)]))

    assert few.shape[1] == many.shape[1] == 1200
    assert many.shape[0] > few.shape[0], "the legend has its own room"
    with pytest.raises(ValueError, match="no curves"):
        overlaid_curves([])


def test_calibration_of_empty_bins_is_left_out() -> None:
    png = calibration_chart([0.1, None, 0.9], [0.2, None, 0.8], [5, 0, 9], error=0.1)

    assert pixels(png).shape == (600, 600, 3)


def test_resources_without_a_gpu_and_of_one_sample() -> None:
    long = [float(s) for s in range(0, 9000, 2)]
    flat = [150.0] * len(long)
    missing = [None] * len(long)

    assert pixels(resources_chart([0.0], cpu_percent=[99], memory_mb=[None])).shape[1] == 1200
    without = resources_chart(long, cpu_percent=flat, memory_mb=flat, gpu_percent=missing)
    assert without == resources_chart(long, cpu_percent=flat, memory_mb=flat)
    assert without != resources_chart(long, cpu_percent=flat, memory_mb=flat, gpu_percent=flat)
    with pytest.raises(ValueError, match="no samples"):
        resources_chart([], cpu_percent=[], memory_mb=[])


def test_importing_the_room_loads_no_matplotlib_torch_or_pillow() -> None:
    script = (
        "import sys\n"
        "from napari_brainseg.core.reporting import (animation, calibration_chart, curves,\n"
        "    dsc_chart, overlay, page, resources_chart, triptych)\n"
        "print([m for m in ('matplotlib', 'torch', 'PIL') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from napari_brainseg.core.reporting.dsc_chart import dsc_chart; "
        "dsc_chart({'a': 0.5}); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
