"""The training set on disk: folder layout, manifest, splits, content hashes, phantom studies.

Import from the modules: each stands alone, and the trainer needs other ones than the viewer.
"""
