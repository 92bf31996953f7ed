"""Tables of the catalogue (SQLAlchemy Core; nothing here is bound to SQLite).

Times are Unix seconds (UTC). Voxels are stored as compressed deltas, see `deltas`.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "SCHEMA_VERSION",
    "cases",
    "corrections",
    "evaluations",
    "metadata",
    "model_versions",
    "promotions",
    "runs",
    "settings",
    "strokes",
]

SCHEMA_VERSION = 1
"""Raised with every change of the tables; a catalogue of a later version is refused."""

metadata = MetaData()

settings = Table(
    "settings",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("value", Text, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("patient", String(200), nullable=False),
    # The content, not the path: the same patient with other voxels is another case.
    Column("image_sha256", String(64), nullable=False),
    Column("path", Text),
    Column("status", String(20), nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    UniqueConstraint("patient", "image_sha256"),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("base", String(20), nullable=False),
    Column("base_version", String(200)),
    Column("shape", String(60), nullable=False),
    Column("base_mask", LargeBinary, nullable=False),
    Column("editor", String(200), nullable=False),
    Column("created", Float, nullable=False),
    # A correction that was set aside stays for the audit trail.
    Column("active", Boolean, nullable=False),
)

strokes = Table(
    "strokes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("correction_id", ForeignKey("corrections.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("slice_index", Integer, nullable=False),
    Column("voxels", LargeBinary, nullable=False),
    Column("before", LargeBinary, nullable=False),
    Column("after", LargeBinary, nullable=False),
    Column("added", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("editor", String(200), nullable=False),
    Column("created", Float, nullable=False),
    # The guard against two windows painting on one correction.
    UniqueConstraint("correction_id", "number"),
    Index("strokes_by_state", "correction_id", "state"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("version", String(200), primary_key=True),
    Column("path", Text, nullable=False),
    Column("name", String(200), nullable=False),
    Column("parent", String(200)),
    Column("run_id", String(200)),
    Column("created", Float, nullable=False),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", String(200), nullable=False, index=True),
    Column("split_digest", String(64), nullable=False),
    Column("patients", Integer, nullable=False),
    Column("dsc", Float, nullable=False),
    Column("run_id", String(200)),
    Column("created", Float, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("act", String(10), nullable=False),
    Column("version", String(200), nullable=False),
    Column("editor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", Float, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("path", Text, nullable=False),
    Column("mode", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("pid", Integer),
    Column("pid_started", Float),
    Column("base", String(200)),
    Column("split_digest", String(64)),
    Column("message", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("bundle", Text),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)
