"""Fine-tuning in stages: inner folds, the training, interpolation of weights, the gate."""

from training.fine_tuning.inner import Inner, measure_inner_folds
from training.fine_tuning.interpolation import interpolated
from training.fine_tuning.plan import Plan, plan_stages
from training.fine_tuning.proof import gate_the

__all__ = ["Inner", "Plan", "gate_the", "interpolated", "measure_inner_folds", "plan_stages"]
