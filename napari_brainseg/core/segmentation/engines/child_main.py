"""Entry point of the prediction child; see `child`."""

from __future__ import annotations

import json
import queue
import sys
import threading
from typing import Any

from napari_brainseg.core.protocol.stdio import claim_stdout
from napari_brainseg.core.segmentation.engines.child import serve


def main() -> None:
    """Read commands from stdin until it ends; answer on stdout."""
    out = claim_stdout()
    commands: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            commands.put(json.loads(line))
        commands.put(None)

    def send(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    threading.Thread(target=read, name="commands", daemon=True).start()
    serve(commands, send)


if __name__ == "__main__":
    main()
