"""Errors that a user can meet: what happened, and what to do about it."""

from __future__ import annotations

__all__ = ["BrainSegError", "CancelledError", "ConfigError", "DataError", "ModelError"]


class BrainSegError(Exception):
    """An error with its mend.

    Parameters
    ----------
    message : str
        What happened, naming the value and the path.
    hint : str, optional
        What the user can do.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class DataError(BrainSegError):
    """An image, mask or folder cannot be used."""


class ModelError(BrainSegError):
    """A model bundle or an engine cannot be used."""


class ConfigError(BrainSegError):
    """A configuration asks for something impossible."""


class CancelledError(BrainSegError):
    """The user stopped the work; nothing is wrong."""
