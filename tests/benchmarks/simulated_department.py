"""A department in small: does fine-tuning on its own corrections help, and what does it forget?

    python tests/benchmarks/simulated_department.py kaggle_3m OUT

A base model is trained on patients of some institutions (DU, CS) only. An oracle with brush and
eraser (see `oracle_reader`) corrects patients of others (HT, FG) to DSC 0.95, in three rounds of
four, signed off into the training set; after each round the real desk fine-tunes with its default
settings: from the base, with all corrections so far. The candidate is taken into use where the
gate passes. Every version is measured on patients of both kinds that no part of this has seen,
and the same oracle counts the strokes that some of the new ones need.

Nothing is chosen on the patients reported; the locked patients of the gate are others. Every step
leaves a file in OUT and is skipped where that is there, so a run that was cut off goes on; a
training that was cut off resumes from its checkpoint. The table is ``OUT/department.md``.

With ``--other-scanner`` the new institutions' images are changed as another scanner might (contrast
and noise), and the first two rounds are one: the same question where the base has something to
learn. ``OUT/base`` may be taken over from a run without it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from department_table import write_table
from oracle_reader import HABITS, make, settle

from napari_brainseg.core.dataset.durable import write_atomically
from napari_brainseg.core.dataset.layout import write_patient
from napari_brainseg.core.dataset.splits import REFERENCE_VALIDATION, institution_of
from napari_brainseg.core.formats import discover, load_study
from napari_brainseg.core.segmentation.bundle import load_bundle
from napari_brainseg.core.segmentation.evaluation import evaluate_folders
from napari_brainseg.core.segmentation.predictor import Predictor
from napari_brainseg.session.case import Case
from napari_brainseg.session.catalogue import Catalogue
from napari_brainseg.session.desk import Desk
from napari_brainseg.session.training_set import export_case
from napari_brainseg.session.workspace import Workspace
from training.robustness.intensity import noisy, with_gamma

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_brainseg.core.formats import StudyFolder
    from napari_brainseg.core.segmentation.bundle import Bundle

OLD, NEW = ("DU", "CS"), ("HT", "FG")
ROUNDS, EACH = 3, 4
HELD_OUT = 9
"""Patients of the old institutions that the base is not trained on, besides the reference ten."""
LOCKED_EACH = 5
READ = 8
"""Unseen patients whose strokes are counted with every version."""
SEED = 2026
EDITOR = "simulated reader"
CONTRAST, NOISE = 0.6, 0.05
"""Of the other scanner: exponent of each channel, and noise in shares of its maximum; chosen so
that the base loses about 0.2 of its DSC on five of the patients to be corrected."""
BASE = {
    "name": "department-base",
    "network": "efficientnet-lite-unet",
    "features": 8,
    "network_options": {"variant": 0, "stages": 5},
    "encoder_weights": "imagenet",
    "fill_holes": True,
    "minimum_size_vox": 2000,
    "spared_share": 0.25,
    "phantoms": 6,
    "epochs": 8,
    "steps_per_epoch": 150,
    "learning_rate": 1.5e-3,
    "ema": 0.997,
    "keep": "last",
    "lesion_share": 0.2,
    "crop": 160,
    "validation_share": 0,
}
"""As the default model was trained (training/suites/bundled-models.toml), half as long."""


def draw(names: Sequence[str]) -> dict[str, Any]:
    """Who trains the base, who is corrected when, who is locked, who is measured with."""
    rng = random.Random(SEED)
    old = [n for n in names if institution_of(n) in OLD]
    new = [n for n in names if institution_of(n) in NEW]
    free = [n for n in old if n not in REFERENCE_VALIDATION]
    unseen_old = rng.sample(free, HELD_OUT) + [n for n in old if n in REFERENCE_VALIDATION]
    free_new = [n for n in new if n not in REFERENCE_VALIDATION]
    share = {"HT": EACH - 1, "FG": 1}
    rows = {
        key: sorted(rng.sample([n for n in free_new if institution_of(n) == key], ROUNDS * many))
        for key, many in share.items()
    }
    rounds = [
        [name for key, many in share.items() for name in rows[key][k * many : (k + 1) * many]]
        for k in range(ROUNDS)
    ]
    corrected = {name for four in rounds for name in four}
    unseen_new = [n for n in new if n not in corrected]
    locked = [
        name
        for side in (unseen_old, unseen_new)
        for name in rng.sample([n for n in side if n not in REFERENCE_VALIDATION], LOCKED_EACH)
    ]
    return {
        "base": [n for n in old if n not in unseen_old],
        "rounds": rounds,
        "locked": sorted(locked),
        "old": sorted(n for n in unseen_old if n not in locked),
        "new": sorted(n for n in unseen_new if n not in locked),
    }


class Department:
    """Its files, and the steps that make them.

    Parameters
    ----------
    root : Path
        Folder of patients in kaggle_3m layout.
    out : Path
        Where everything goes.
    threads : int
        Of the trainings and of nothing else.
    other_scanner : bool
        Whether the new institutions have one; then they correct eight patients in one round.
    """

    def __init__(self, root: Path, out: Path, threads: int, *, other_scanner: bool = False) -> None:
        self.out, self.threads = out, threads
        self.folders: dict[str, StudyFolder] = {f.patient: f for f in discover(root).folders}
        self.who = self.step("split", lambda: draw(sorted(self.folders)))
        if other_scanner:
            first, second, *_ = self.who["rounds"]
            self.who = self.who | {"rounds": [[*first, *second]]}
            self._change_scanner()
        self.root = self._own_root()

    def step(self, name: str, make_it: Callable[[], Any]) -> Any:
        """What a step found, from its file where it was done before."""
        path = self.out / f"{name}.json"
        if not path.is_file():
            begun = time.perf_counter()
            found = make_it()
            write_atomically(path, json.dumps(found, indent=1).encode())
            print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
        return json.loads(path.read_text())

    def run(self) -> None:
        """All of it."""
        base = self._base()
        self._measure("version-0", base)
        desk = Desk(
            Workspace(self.out / "workspace"),
            bundled=lambda: (base,),
            trainer_command=(sys.executable, "-P", "-m", "training"),
        )
        try:
            desk.editor = EDITOR
            desk.open(self.root)
            desk.close_case()
            if desk.locked.current() is None:
                desk.locked.choose(desk.studies, names=self.who["locked"])
            for number, patients in enumerate(self.who["rounds"], 1):
                self._round(desk, number, patients)
        finally:
            desk.close(timeout=30)
        write_table(self.out, self.who)

    def _change_scanner(self) -> None:
        """Put changed images of all patients of the new institutions in place of their own."""
        root = self.out / "other-scanner"
        for name, folder in self.folders.items():
            if institution_of(name) in NEW and not (root / name).is_dir():
                study = load_study(folder)
                other = noisy(with_gamma(study, CONTRAST), NOISE).image.data
                levels = np.clip(np.rint(other), 0, 255).astype(np.uint8)
                write_patient(root, name, levels, study.truth, study.slice_numbers, durable=False)
        self.folders |= {f.patient: f for f in discover(root).folders}

    def _own_root(self) -> Path:
        """A folder with those patients only that the department has; the rest cannot leak."""
        root = self.out / "patients"
        root.mkdir(parents=True, exist_ok=True)
        here = [*self.who["base"], *self.who["locked"], *(n for r in self.who["rounds"] for n in r)]
        for name in here:
            link = root / name
            if not link.exists():
                link.symlink_to(self.folders[name].path.resolve(), target_is_directory=True)
        return root

    def _base(self) -> Bundle:
        run = self.out / "base"
        if not (run / "bundle").is_dir():
            config = {
                **BASE,
                "data": [str(self.root)],
                "train_patients": self.who["base"],
                "threads": self.threads,
            }
            (self.out / "base.config.json").write_text(json.dumps(config))
            words = [sys.executable, "-P", "-m", "training", "fit"]
            words += ["--config", str(self.out / "base.config.json"), "--run-dir", str(run)]
            again = ["--resume"] if (run / "checkpoints" / "last.pt").is_file() else []
            with (self.out / "base.log").open("ab") as log:
                subprocess.run([*words, *again, "--detached"], check=True, stdout=log, stderr=log)
        return load_bundle(run / "bundle")

    def _measure(self, version: str, bundle: Bundle) -> None:
        for side in ("old", "new"):
            self.step(f"{version}-{side}", lambda: self._dsc(bundle, self.who[side]))  # noqa: B023
        self.step(f"{version}-strokes", lambda: self._strokes(bundle))

    def _dsc(self, bundle: Bundle, patients: list[str]) -> list[dict[str, Any]]:
        found = evaluate_folders([self.folders[n] for n in patients], bundle, device="cpu")
        return [
            {"patient": r.patient, "dsc": r.dsc_native, "hd95_vox": r.hd95_vox}
            for r in found.patients
        ]

    def _strokes(self, bundle: Bundle) -> list[dict[str, Any]]:
        """Strokes that an oracle needs for some unseen patients, by nobody's training set."""
        patients = random.Random(SEED).sample(self.who["new"], READ)
        place = Workspace(self.out / "reading" / bundle.version).create()
        catalogue = Catalogue(place.catalogue)
        try:
            with Predictor(bundle, "cpu") as predictor:
                return [self._read(catalogue, predictor, name)[1] for name in sorted(patients)]
        finally:
            catalogue.close()

    def _read(
        self, catalogue: Catalogue, predictor: Predictor, patient: str
    ) -> tuple[Case, dict[str, Any]]:
        """Correct one patient with brush and eraser until DSC 0.95, or until nothing helps."""
        case = Case(load_study(self.folders[patient]), catalogue)
        case.set_prediction(predictor.predict(case.study))
        correction = case.start_correction("prediction", EDITOR)
        start = correction.meter.dsc_truth
        attempt = settle(case, correction.data, HABITS["brush"])
        if not correction.meter.strokes:
            for step in attempt.steps:
                for one in (*step.first, step):
                    make(correction, one)
        meter = correction.meter
        return case, {
            "patient": patient,
            "dsc_start": start,
            "dsc_end": meter.dsc_truth,
            "strokes": meter.strokes,
            "voxels": meter.added_vox + meter.removed_vox,
        }

    def _round(self, desk: Desk, number: int, patients: list[str]) -> None:
        self.step(f"round-{number}-corrections", lambda: self._correct(desk, patients))
        made = self.step(f"round-{number}-training", lambda: self._train(desk))
        self._measure(f"version-{number}", desk.registry.load(made["version"]))

    def _correct(self, desk: Desk, patients: list[str]) -> list[dict[str, Any]]:
        rows = []
        with Predictor(desk.registry.current, "cpu") as predictor:
            for name in patients:
                case, row = self._read(desk.catalogue, predictor, name)
                export_case(case, desk.workspace.training_set, editor=EDITOR)
                rows.append(row | {"version": desk.registry.current_version})
        return rows

    def _train(self, desk: Desk) -> dict[str, Any]:
        over = threading.Event()
        desk.training_finished.connect(lambda _outcome: over.set())
        begun = time.perf_counter()
        again = next((r for r in desk.runs() if r.can_resume), None)
        if again is not None:
            trainer = desk.resume_run(again.id)
        else:
            trainer = desk.start_fine_tuning(threads=self.threads)
        over.wait()
        outcome = trainer.outcome
        if outcome is None or outcome.bundle is None:
            raise RuntimeError(f"The training did not end well: {outcome}")
        candidate, current = load_bundle(outcome.bundle), desk.registry.current_version
        gate = desk.gates.latest(candidate.version, current)
        verdict = "none" if gate is None else gate.outcome.value
        if verdict == "passed":
            desk.registry.promote(candidate.version, editor=EDITOR, gate=gate)
        return {
            "version": candidate.version,
            "against": current,
            "gate": verdict,
            "reasons": [] if gate is None else [reason.text for reason in gate.verdict.reasons],
            "interpolation": candidate.manifest.training.get("interpolation"),
            "seconds": time.perf_counter() - begun,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--other-scanner", action="store_true")
    given = parser.parse_args()
    Department(
        given.root.resolve(),
        given.out.resolve(),
        given.threads,
        other_scanner=given.other_scanner,
    ).run()
