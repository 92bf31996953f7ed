"""A thread for one act that takes minutes: the desk's own worker does the short ones in between."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OwnThread"]


class OwnThread:
    """Stands in for the desk where a `Background` runs acts.

    The thread ends with its act: whoever asks for it sees to it that the act can be called off.

    Parameters
    ----------
    name : str
        Of the threads, for those who look at them.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, act: Callable[[], Any]) -> None:
        """Run an act, beside any other."""
        threading.Thread(target=act, name=self._name).start()
