"""The typed configuration of a run. Titles and descriptions make the form and the help."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, model_validator

from napari_brainseg.core.protocol.config.augmentation import AugmentationFields
from napari_brainseg.core.protocol.config.data import DataFields
from napari_brainseg.core.protocol.config.fine_tuning import FineTuningFields
from napari_brainseg.core.protocol.config.model import ModelFields
from napari_brainseg.core.protocol.config.optimisation import OptimisationFields
from napari_brainseg.core.protocol.config.presets import PROTOCOLS
from napari_brainseg.core.protocol.config.running import RunningFields

__all__ = ["RunConfig"]

DECAYING = ("linear", "poly", "cosine", "plateau")


class RunConfig(
    RunningFields,
    AugmentationFields,
    OptimisationFields,
    FineTuningFields,
    ModelFields,
    DataFields,
):
    """Everything that decides the outcome of a training run."""

    # bases are listed backwards: pydantic takes the fields of the last one first
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_protocol(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("protocol", "free") not in PROTOCOLS:
            return raw
        defaults, fixed = PROTOCOLS[raw.get("protocol", "free")]
        return {**defaults, **fixed, **raw}

    @model_validator(mode="after")
    def _refuse_impossible_combinations(self) -> RunConfig:
        for key, value in PROTOCOLS[self.protocol][1].items():
            if getattr(self, key) != value:
                raise ValueError(
                    f"the {self.protocol} protocol has {key} = {value!r}, "
                    f"the config {getattr(self, key)!r}"
                )
        faults = {
            "the clean protocol has a fixed schedule; plateau follows the validation patients":
                self.protocol == "clean" and self.schedule == "plateau",
            "the clean protocol averages weights; set ema above 0":
                self.protocol == "clean" and self.ema == 0,
            f"fold {self.fold} of {self.folds} does not exist": self.fold > self.folds,
            "nesterov needs optimizer sgd with momentum":
                self.nesterov and (self.optimizer != "sgd" or self.momentum == 0),
            "final_learning_rate lies above learning_rate":
                self.schedule in DECAYING and self.final_learning_rate > self.learning_rate,
            "warmup_epochs leave nothing of the run": self.warmup_epochs >= self.epochs,
            "one-cycle has its own warm-up; leave warmup_epochs out":
                self.schedule == "one-cycle" and self.warmup_epochs > 0,
            "early_stopping needs validation patients": self.early_stopping is not None
                and self._has_no_validation(),
            "schedule plateau follows the loss on validation patients, and there are none":
                self.schedule == "plateau" and self._has_no_validation(),
            "encoder_weights are for a run from random weights, not for fine-tuning":
                self.base is not None and self.encoder_weights is not None,
        }  # fmt: skip
        for fault, is_so in faults.items():
            if is_so:
                raise ValueError(fault)
        return self

    def _has_no_validation(self) -> bool:
        if self.protocol in ("reference", "k-fold", "hold-out"):
            return False
        drawn = self.train_patients is None and self.validation_share > 0
        return not self.validation_patients and (self.validation_patients == () or not drawn)
