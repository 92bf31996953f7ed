"""The section of one attempt on the page of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_brainseg.core.protocol.run_folder import log_tail
from napari_brainseg.core.reporting.dsc_chart import short_name
from napari_brainseg.core.reporting.overlay import encoded
from napari_brainseg.core.reporting.page import Link
from training.report.measured import DEFINITIONS
from training.report.words import few_patients, how_it_ended, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from napari_brainseg.core.protocol import RunConfig
    from napari_brainseg.core.reporting.page import Page
    from training.report.measured import Measured
    from training.report.pictures import Pictures
    from training.report.runs_on_disk import Run

__all__ = ["Allowance", "add_section"]

BASE64 = 4 / 3
"""Growth of bytes that go into a page."""
PATIENT_COLUMNS = (
    "patient", "DSC reference", "DSC native", "HD95 (voxels)", "sensitivity", "precision",
    "volume error", "true voxels", "predicted voxels",
)  # fmt: skip
SETTINGS = (
    "network", "features", "network_options", "base", "loss", "optimizer", "learning_rate",
    "weight_decay", "momentum", "schedule", "epochs", "steps_per_epoch", "batch_size", "ema",
    "keep", "early_stopping", "protocol", "fold", "folds", "recipe", "sampling", "augmentation",
    "crop", "context_slices", "threshold", "seed",
)  # fmt: skip
MOST_NAMED = 5


class Allowance:
    """Bytes of pictures that a section may put into the page; the rest lies beside it.

    Parameters
    ----------
    limit : int
        In bytes of the page.
    """

    def __init__(self, limit: int) -> None:
        self._left = float(limit)
        self.left_out = 0

    def take(self, content: bytes) -> bool:
        """Whether these bytes still go in; if so they are counted."""
        if len(content) * BASE64 > self._left:
            self.left_out += 1
            return False
        self._left -= len(content) * BASE64
        return True


def add_section(
    page: Page,
    run: Run,
    measured: Measured | None,
    pictures: Pictures,
    *,
    against_best: str,
    allowance: Allowance,
    folder: str,
) -> None:
    """Tell what an attempt was, how it ended, what it shows and what that means.

    Parameters
    ----------
    page : Page
        Takes the section.
    run : Run
        The attempt.
    measured : Measured or None
        Its figures.
    pictures : Pictures
        What was drawn.
    against_best : str
        What the comparison with the best run says; may be empty.
    allowance : Allowance
        Of bytes; charts go in first, then example cases, then the animation.
    folder : str
        Of its pictures, from the page.
    """
    config = run.config
    page.heading(run.name, level=3, anchor=f"run-{run.slug}")
    if config is not None:
        page.paragraph(f"What: {config.what or 'not stated.'}")
        page.paragraph(f"Why: {config.why or 'not stated.'}")
    kind = {"failed": "fault", "completed": ""}.get(run.outcome, "warning")
    page.paragraph(how_it_ended(run), kind=kind)  # type: ignore[arg-type]
    for fault in run.faults:
        page.paragraph(fault, kind="warning")
    if run.outcome == "failed" and (log := log_tail(run.path)):
        page.heading("The end of its log", level=4)
        page.lines(log)
    page.heading("Verdict", level=4)
    page.items(verdict(run, measured, against_best))
    if few := few_patients(run):
        page.paragraph(few, kind="warning")
    _add_settings(page, run)
    _add_told(page, run)
    if run.epochs:
        page.heading("Curves", level=4)
        _add_chart(page, pictures, "curves", "Loss and DSC after each epoch.", allowance, folder)
    if measured is not None:
        _add_patients(page, measured, pictures, allowance, folder)
        _add_cases(page, measured, pictures, allowance)
    if "resources" in pictures.charts:
        page.heading("Memory, processor, GPU", level=4)
        caption = "Use while it ran."
        _add_chart(page, pictures, "resources", caption, allowance, folder)
    _add_more(page, pictures, allowance, folder)


def _add_settings(page: Page, run: Run) -> None:
    config = run.config
    if config is None:
        return
    rows = [
        (config.__class__.model_fields[key].title or key, _setting(config, key))
        for key in SETTINGS
        if _matters(config, key)
    ]
    if run.parameters is not None:
        rows.insert(2, ("Parameters", f"{run.parameters:,}"))
    if run.started is not None:
        people = run.started.train_patients, run.started.validation_patients
        rows += [
            ("Patients", f"{len(people[0])} to train, {len(people[1])} to validate"),
            ("Device", f"{run.started.device}, {run.started.precision}"),
        ]
    if run.samples_per_second is not None:
        rows.append(("Speed", f"{run.samples_per_second:.1f} slices/s"))
    if run.wall_seconds is not None:
        rows.append(("Time", _span(run.wall_seconds)))
    if run.peak_memory_mb is not None:
        rows.append(("Peak memory", f"{run.peak_memory_mb:,.0f} MiB"))
    if run.peak_gpu_memory_mb is not None:
        rows.append(("Peak GPU memory", f"{run.peak_gpu_memory_mb:,.0f} MiB"))
    page.heading("Settings", level=4)
    page.pairs(rows)


def _matters(config: RunConfig, key: str) -> bool:
    value = getattr(config, key)
    if value in (None, {}, ()):
        return False
    if key in ("fold", "folds"):
        return config.protocol == "k-fold"
    if key == "momentum":
        return config.optimizer == "sgd"
    return key != "context_slices" or value != 1


def _setting(config: RunConfig, key: str) -> str:
    value = getattr(config, key)
    if isinstance(value, dict):
        return ", ".join(f"{k} = {v}" for k, v in value.items())
    return value.name if key == "base" else f"{value:g}" if isinstance(value, float) else str(value)


def _add_told(page: Page, run: Run) -> None:
    texts = list(dict.fromkeys(m.text for m in run.messages))
    if texts:
        page.heading("What it said", level=4)
        more = len(texts) - MOST_NAMED
        page.items(texts[:MOST_NAMED] + ([f"and {more} more lines"] if more > 0 else []))


def _add_patients(
    page: Page, measured: Measured, pictures: Pictures, allowance: Allowance, folder: str
) -> None:
    part = measured.part
    page.heading(f"Patients ({part})", level=4)
    caption = f"{DEFINITIONS[measured.definition]}, {part} patients."
    _add_chart(page, pictures, "dsc", caption, allowance, folder, width=900)
    page.table(
        PATIENT_COLUMNS,
        [
            (
                short_name(r.patient), _number(r.dsc_reference), _number(r.dsc_native),
                _number(r.hd95_vox, 1), _number(r.sensitivity), _number(r.precision),
                _signed(r.relative_volume_error),
                f"{r.volume_truth_vox:,}", f"{r.volume_prediction_vox:,}",
            )
            for r in measured.evaluation.patients
        ],
        sortable=True,
    )  # fmt: skip
    for left_out in measured.evaluation.summary.not_measured[:MOST_NAMED]:
        page.paragraph(f"Not measured: {left_out.patient}. {left_out.reason}", note=True)
    if "calibration" in pictures.charts:
        page.heading("Calibration", level=4)
        _add_chart(
            page, pictures, "calibration",
            "How often voxels of a predicted probability are lesion; below the diagonal the model "
            "is too sure of lesion.", allowance, folder, width=460,
        )  # fmt: skip


def _add_cases(page: Page, measured: Measured, pictures: Pictures, allowance: Allowance) -> None:
    cases = {w: p for w, p in measured.extremes().items() if p in pictures.triptychs}
    if not cases:
        return
    page.heading("Worst, median and best case", level=4)
    outlined = []
    for what, patient in cases.items():
        content = pictures.outlined[patient].read_bytes()
        if allowance.take(content):
            text = f"{what.capitalize()}: {short_name(patient)}, {measured.scores[patient]:.3f}"
            outlined.append((content, text))
    if outlined:
        page.gallery(outlined, width=330)
        page.paragraph(
            "Largest lesion of each: outline of the prediction red, of the ground truth green on "
            "top.", note=True,
        )  # fmt: skip
    for what, patient in cases.items():
        content = _as_jpeg(pictures.triptychs[patient])
        if allowance.take(content):
            page.picture(content, f"{what.capitalize()}: image, ground truth, prediction.")
    shown = cases.get("median") or next(iter(cases.values()))
    film = pictures.animations[shown].read_bytes()
    if allowance.take(film):
        text = f"{short_name(shown)}, slice by slice: prediction red, ground truth green."
        page.gallery([(film, text)], width=420)


def _add_chart(
    page: Page, pictures: Pictures, name: str, caption: str, allowance: Allowance, folder: str,
    *, width: int | None = None,
) -> None:  # fmt: skip
    content = pictures.charts.get(name)
    if content is None:
        return
    if allowance.take(content):
        page.picture(content, caption, width=width)
    else:
        page.items([Link(f"{name}.png: {caption}", f"{folder}/{name}.png")])


def _add_more(page: Page, pictures: Pictures, allowance: Allowance, folder: str) -> None:
    if pictures.triptychs:
        page.heading("All pictures", level=4)
        patients = len(pictures.triptychs)
        page.items(
            [
                Link(f"triptychs of {patients} patients", f"{folder}/triptychs"),
                Link(f"animations of {patients} patients", f"{folder}/gifs"),
                Link(f"{pictures.overlays:,} slices with outlines", f"{folder}/overlays"),
            ]
        )
    if allowance.left_out:
        page.paragraph(
            f"{allowance.left_out} pictures are not on this page, to keep it small; they lie in "
            f"{folder}.", note=True,
        )  # fmt: skip
    if pictures.missing:
        more = len(pictures.missing) - MOST_NAMED
        page.paragraph(
            "Without pictures: " + "; ".join(pictures.missing[:MOST_NAMED])
            + (f"; and {more} more." if more > 0 else ".")
            + " Give the folders of the patients with --data.", kind="warning",
        )  # fmt: skip


def _as_jpeg(png: Path) -> bytes:
    """Encode a triptych at a third of its bytes: the PNG lies beside the page."""
    import numpy as np
    from PIL import Image

    with Image.open(png) as picture:
        return encoded(np.asarray(picture.convert("RGB")), "jpeg")


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _signed(share: float | None) -> str:
    return "" if share is None else f"{share:+.1%}".replace("-", "−")


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
