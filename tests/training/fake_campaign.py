"""Carries out runs of the fake trainer: ``fake_campaign.py FOLDER WORKERS SCHEDULER NAME...``."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_brainseg.core.protocol import RunConfig
from training.experiments.attempt import Attempt
from training.experiments.campaign import Campaign, carry_out

if __name__ == "__main__":
    folder, workers, scheduler, *names = sys.argv[1:]
    sys.exit(
        carry_out(
            Campaign(
                title="Fake",
                source="none",
                folder=Path(folder),
                attempts=tuple(Attempt(n, RunConfig(name=n, phantoms=1)) for n in names),
                workers=int(workers),
                scheduler=scheduler or None,
                trainer=(sys.executable, str(Path(__file__).with_name("fake_fit.py"))),
            )
        )
    )
