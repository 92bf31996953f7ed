"""Inner folds: each a short training like the run's own, without the patients it is measured on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_brainseg.core.formats import load_study
from napari_brainseg.core.imaging import CancelledError
from napari_brainseg.core.protocol import CheckpointSaved, Message
from napari_brainseg.core.segmentation.engines.torch_engine import TorchEngine
from napari_brainseg.core.segmentation.evaluation import evaluate_study
from napari_brainseg.core.segmentation.inference import predict_with
from training.checkpoints import LAST, save_atomically
from training.epochs import Work, beginning, has_checkpoint, train
from training.fine_tuning.evidence import (
    FOLDER,
    FoldResult,
    mean_scores,
    read_fold,
    summary,
    unchanged,
    write_evidence,
    write_fold,
)
from training.fine_tuning.interpolation import (
    TOLERANCE,
    UNMEASURED_SHARE,
    choose_share,
    interpolated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.evaluation_results import PatientResult
    from training.data import Cohort
    from training.fine_tuning.plan import Plan
    from training.monitor import ResourceMonitor
    from training.setting import Setting
    from training.stream import EventStream, StopFlag

__all__ = ["Inner", "measure_inner_folds", "measure_patients"]


@dataclass(frozen=True)
class Inner:
    """What came of the inner folds.

    Parameters
    ----------
    share : float
        Of the new weights, for the interpolation.
    figures : dict
        For the bundle; empty without folds.
    """

    share: float
    figures: dict[str, Any] = field(default_factory=dict)


def measure_inner_folds(
    setting: Setting,
    cohort: Cohort,
    work: Work,
    plan: Plan,
    monitor: ResourceMonitor,
    events: EventStream,
    stop: StopFlag,
    *,
    resume: bool,
) -> Inner:
    """Train and measure every fold that is not finished, then choose the share.

    A fold lies in ``<run>/folds/<number>``, with its own checkpoint while it is trained. Its
    figures do not depend on whether the run was broken, on a CPU.

    Parameters
    ----------
    setting, cohort : Setting, Cohort
        Of the run.
    work : Work
        The run's own training, which follows.
    plan : Plan
        The folds.
    monitor, events, stop
        As for `train`.
    resume : bool
        Whether folds may be there already.

    Raises
    ------
    CancelledError
        If `stop` said so.
    BrainSegError
        As `train`; and if the disk is full.
    """
    config = setting.config
    if not plan.folds:
        given = config.interpolation
        if config.base is None:
            return Inner(1.0)
        return Inner(UNMEASURED_SHARE if given == "choose" else float(given))
    if not resume and setting.fabric.is_global_zero:
        shutil.rmtree(work.run_dir / FOLDER, ignore_errors=True)
        # from here on the run can be resumed, and is refused with other data
        save_atomically(beginning(work.sha256), work.run_dir / LAST)
        events.send(CheckpointSaved(epoch=1, path=str(work.run_dir / LAST)))
    found = []
    for number, held_out in enumerate(plan.folds):
        folder = work.run_dir / FOLDER / str(number + 1)
        done = read_fold(folder, work.sha256, held_out)
        if done is None or not resume:
            plan.course.begin(number, events)
            inner = Work(
                folder,
                work.pool.without({*held_out, *plan.witnesses}),
                work.sha256,
                work.seed + 1 + number,
                is_inner=True,
            )
            begun = resume and has_checkpoint(folder)
            made = train(setting, inner, plan.course, monitor, events, stop, resume=begun)
            done = _measure(setting, cohort, plan, held_out, made.network, events, stop)
            if setting.fabric.is_global_zero:
                write_fold(folder, done)
                shutil.rmtree((folder / LAST).parent, ignore_errors=True)
        found.append(done)
    share = _share(setting, found, events)
    assert setting.base is not None
    if setting.fabric.is_global_zero:
        write_evidence(work.run_dir, found, share, base=setting.base.version)
    return Inner(share, summary(found, share))


def _measure(
    setting: Setting,
    cohort: Cohort,
    plan: Plan,
    held_out: Sequence[str],
    network: nn.Module,
    events: EventStream,
    stop: StopFlag,
) -> FoldResult:
    """Predict whom the fold was not trained on, with every share of its weights."""
    names = (*held_out, *plan.witnesses)
    folders = [cohort.train_folders[name] for name in names]
    results = {
        share: measure_patients(
            setting, interpolated(setting.first_network, network, share), folders,
            lambda: _pause(events, stop),
        )
        for share in plan.shares
    }  # fmt: skip
    return FoldResult(
        data_sha256=cohort.sha256,
        held_out=tuple(held_out),
        witnesses=plan.witnesses,
        results=results,
    )


def measure_patients(
    setting: Setting,
    network: nn.Module,
    folders: Sequence[StudyFolder],
    before_each: Callable[[], None] | None = None,
) -> tuple[PatientResult, ...]:
    """Predict patients with a network and compare with their masks, as a bundle is measured.

    Parameters
    ----------
    setting : Setting
        With a base model, whose preprocessing and cleaning of masks are used.
    network : Module
        On the device.
    folders : sequence of StudyFolder
        With masks.
    before_each : callable, optional
        Called before each patient; may raise.
    """
    assert setting.base is not None
    bundle = replace(setting.base, manifest=setting.delivered)
    engine = TorchEngine(network, str(setting.fabric.device), half=None if setting.half else False)
    found = []
    for folder in folders:
        if before_each is not None:
            before_each()
        study = load_study(folder)
        found.append(evaluate_study(study, predict_with(engine, study, bundle)))
    return tuple(found)


def _pause(events: EventStream, stop: StopFlag) -> None:
    stop.rest(events)
    if stop:
        raise CancelledError(
            "Stopped while an inner fold was measured.",
            "The run can be resumed from its checkpoint.",
        )


def _share(setting: Setting, folds: Sequence[FoldResult], events: EventStream) -> float:
    scores = mean_scores(folds)
    given = setting.config.interpolation
    share = choose_share(scores) if given == "choose" else float(given)
    gain = scores[share] - scores[0.0]
    patients = sum(len(fold.held_out) for fold in folds)
    counted = patients - len(unchanged(folds)) or patients
    text = (
        f"Inner folds: mean DSC of {counted} corrected patients {scores[0.0]:.3f} with the base "
        f"model, {scores[share]:.3f} with {share:.0%} of the new weights, by models that were not "
        "trained on them."
    )
    same = unchanged(folds)
    if same and len(same) < patients:
        text += (
            f" {len(same)} more, whose corrections are the base model's masks unchanged, do not "
            "count."
        )
    if gain < TOLERANCE:
        text += " That is no gain worth the name; more corrections may help."
    events.send(Message(text=text, level="info" if gain >= TOLERANCE else "warning"))
    return share
