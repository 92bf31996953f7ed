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
    "gates",
    "measurements",
    "metadata",
    "model_versions",
    "open_cases",
    "patients",
    "predictions",
    "promotions",
    "reviews",
    "runs",
    "seen_slices",
    "settings",
    "stroke_archives",
    "strokes",
    "visits",
    "writers",
]

SCHEMA_VERSION = 5
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
    # Since schema 3: what made the change, and how. Every action is a stroke, by whatever tool.
    Column("tool", String(40), nullable=False, server_default="brush"),
    Column("parameters", Text, nullable=False, server_default="{}"),
    # Both ends are among the changed slices; NULL in strokes of schema 2, which had one slice.
    Column("first_slice", Integer),
    Column("last_slice", Integer),
    # The guard against two windows painting on one correction.
    UniqueConstraint("correction_id", "number"),
    Index("strokes_by_state", "correction_id", "state"),
)

stroke_archives = Table(
    # Voxels of strokes of a case that was signed off, packed together; those of the rows are empty.
    "stroke_archives",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("correction_id", ForeignKey("corrections.id"), nullable=False, index=True),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
)

reviews = Table(
    # What people decided of a case, oldest first; never changed afterwards.
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("correction_id", ForeignKey("corrections.id")),
    # approve, reject, reopen, ask (for a second reader)
    Column("act", String(20), nullable=False),
    Column("editor", String(200), nullable=False),
    Column("note", Text, nullable=False),
    # Of the mask that was decided on; NULL where there was none.
    Column("mask_sha256", String(64)),
    # JSON: what the checks before it found, and was let pass.
    Column("findings", Text, nullable=False),
    Column("created", Float, nullable=False),
)

writers = Table(
    # The one window that may paint on a case.
    "writers",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("window", String(40), nullable=False),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", Float, nullable=False),
    Column("editor", String(200)),
    Column("since", Float, nullable=False),
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
    # Since schema 4. Where it came from: "run" or "import".
    Column("origin", String(20), nullable=False, server_default="run"),
    # Unix seconds; the row stays for the history, the folder is gone.
    Column("deleted", Float),
    Column("deleted_by", String(200)),
)

gates = Table(
    # What a candidate was measured with against the version in use; never changed afterwards.
    "gates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("candidate", String(200), nullable=False, index=True),
    Column("current", String(200), nullable=False),
    Column("locked_digest", String(64)),
    # passed, failed, not enough evidence
    Column("outcome", String(30), nullable=False),
    # JSON of core.segmentation.gate.GateEvidence.
    Column("evidence", Text, nullable=False),
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
    # Since schema 4: the gate that the promotion stood on, and whether it was overridden.
    Column("gate_id", Integer),
    Column("overrode", Boolean, nullable=False, server_default="0"),
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
    # Since schema 4: goes on when the window closes; and a name that people read.
    Column("detached", Boolean, nullable=False, server_default="0"),
    Column("title", Text, nullable=False, server_default=""),
)

patients = Table(
    "patients",
    metadata,
    Column("id", Integer, primary_key=True),
    # One workspace may serve several study roots.
    Column("root", Text, nullable=False),
    Column("patient", String(200), nullable=False),
    Column("path", Text, nullable=False),
    # Of names, sizes and times of the files: what was learnt of a changed folder is stale.
    Column("fingerprint", String(64), nullable=False),
    Column("slices", Integer, nullable=False),
    # Modality names with commas between; NULL until the pixels were looked at.
    Column("missing_modalities", Text),
    Column("truth_vox", Integer),
    Column("spacing_mm", String(60)),
    Column("image_sha256", String(64)),
    # Grey levels (uint8), height and width first, compressed.
    Column("thumbnail", LargeBinary),
    Column("fault", Text),
    Column("fault_hint", Text),
    Column("found", Float, nullable=False),
    Column("vanished", Float),
    UniqueConstraint("root", "patient"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("patient", String(200), nullable=False, index=True),
    Column("image_sha256", String(64), nullable=False),
    Column("model_version", String(200), nullable=False),
    Column("tta", Boolean, nullable=False),
    Column("volume_vox", Integer, nullable=False),
    Column("volume_ml", Float),
    # Against the ground truth; NULL without one. HD95 of an empty mask is infinite: NULL too.
    Column("dsc", Float),
    Column("hd95", Float),
    Column("hd95_unit", String(10)),
    # Mean binary entropy in bits near the predicted outline.
    Column("uncertainty", Float),
    # 1 - DSC between the masks with and without the mirrored view.
    Column("disagreement", Float),
    Column("seconds", Float, nullable=False),
    Column("engine", Text, nullable=False),
    # Arrays, below the workspace's cache; may be gone at any time.
    Column("file", Text, nullable=False),
    Column("created", Float, nullable=False),
    UniqueConstraint("image_sha256", "model_version", "tta"),
)

seen_slices = Table(
    "seen_slices",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    # A bit a slice, see `deltas`.
    Column("slices", LargeBinary, nullable=False),
    Column("updated", Float, nullable=False),
)

visits = Table(
    "visits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("editor", String(200)),
    Column("opened", Float, nullable=False),
    # Pauses left out; written now and then, so that a crash loses little.
    Column("seconds", Float, nullable=False),
)

open_cases = Table(
    "open_cases",
    metadata,
    # A window shows one case at a time.
    Column("window", String(40), primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("patient", String(200), nullable=False),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", Float, nullable=False),
    Column("editor", String(200)),
    Column("since", Float, nullable=False),
)

measurements = Table(
    # Since schema 5. What was measured in the image; a removed one stays, marked.
    "measurements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    # ruler, area
    Column("kind", String(20), nullable=False),
    # 0 axial, 1 coronal, 2 sagittal: the axis of (z, y, x) that the plane lies across.
    Column("axis", Integer, nullable=False),
    # Index along that axis, from 0.
    Column("plane", Integer, nullable=False),
    # JSON: points as [z, y, x] in voxels.
    Column("points", Text, nullable=False),
    # What was read off, in `unit`: mm, px, mm2 or px2. Kept as it was shown.
    Column("value", Float, nullable=False),
    Column("unit", String(10), nullable=False),
    Column("label", Text, nullable=False, server_default=""),
    Column("editor", String(200)),
    Column("created", Float, nullable=False),
    Column("removed", Float),
)
