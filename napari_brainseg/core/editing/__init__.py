"""What a hand and the tools do to a mask: pure functions from a mask to the change of it.

None of them writes its input. `Edit` is what changes, `None` where nothing would. Light to import:
scipy and scikit-image load with the first tool that needs them.
"""

from napari_brainseg.core.editing.edit import Box, Edit, Spacing
from napari_brainseg.core.editing.tools import Tool

__all__ = ["Box", "Edit", "Spacing", "Tool"]
