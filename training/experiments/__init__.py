"""Suites of attempts, carried out one after another or over machines; cross-validation."""
