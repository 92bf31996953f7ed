"""The gate's evidence, measured: a candidate and the version in use on the same patients."""

from training.gate.measure import measure_gate

__all__ = ["measure_gate"]
