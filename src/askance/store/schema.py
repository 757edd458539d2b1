"""The tables of a study's database; the package's docstring draws how they hang together.

Plain SQLAlchemy Core, nothing that only one kind of database knows. A change here comes with a migration in
``migrations/versions`` and a new ``REVISION``; a test holds that the two agree. A migration spells its tables out again,
and is frozen once released: it must go on making what it made, whatever this file says later.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

#: The newest migration: what a database must be at to be used.
REVISION = "0003"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

#: One row: the id by which the study's folder knows that this is its database.
study = Table("study", metadata, Column("id", String, primary_key=True))

cases = Table(
    "cases",
    metadata,
    Column("id", String, primary_key=True),
    Column("patient", String, nullable=False, index=True),
    Column("split", String, nullable=False),
    Column("shape", JSON, nullable=False),
    Column("spacing_mm", JSON, nullable=False),
    Column("affine", JSON, nullable=False),
    Column("labelled", JSON, nullable=False),
)

#: ``role`` is ``image`` (one a channel) or ``label`` (channel 0).
sources = Table(
    "sources",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("role", String, primary_key=True),
    Column("channel", Integer, primary_key=True, autoincrement=False),
    Column("path", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("size", BigInteger, nullable=False),
)

slices = Table(
    "slices",
    metadata,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("axis", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String, nullable=True, index=True),
)

set_asides = Table(
    "set_asides",
    metadata,
    Column("slice_id", ForeignKey("slices.id"), primary_key=True),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("author", String, nullable=False),
    Column("created_at", String, nullable=False),
)

label_sets = Table("label_sets", metadata, Column("id", String, primary_key=True))

models = Table(
    "models",
    metadata,
    Column("id", String, primary_key=True),
    Column("cycle", Integer, nullable=False),
    Column("label_set", ForeignKey("label_sets.id"), nullable=False),
    Column("weights_sha256", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("parent", ForeignKey("models.id"), nullable=True),
    Column("info", JSON, nullable=False),
)

queries = Table(
    "queries",
    metadata,
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("acquisition", String, nullable=False),
    Column("model", ForeignKey("models.id"), nullable=True),
    Column("created_at", String, nullable=False),
)

asked = Table(
    "asked",
    metadata,
    Column("cycle", ForeignKey("queries.cycle"), primary_key=True, autoincrement=False),
    Column("slice_id", ForeignKey("slices.id"), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("priority", Float, nullable=False),
    Column("reason", String, nullable=False),
    Column("score", Float, nullable=True),
    Column("role", String, nullable=False),
)

annotations = Table(
    "annotations",
    metadata,
    Column("slice_id", ForeignKey("slices.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("author", String, nullable=False),
    Column("path", String, nullable=False, unique=True),
    Column("sha256", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("changed_voxels", BigInteger, nullable=True),
    Column("area_voxels", BigInteger, nullable=True),
    Column("proposal", ForeignKey("models.id"), nullable=True),
    CheckConstraint("(changed_voxels IS NULL) = (area_voxels IS NULL)", name="effort_whole"),
)

label_entries = Table(
    "label_entries",
    metadata,
    Column("label_set", ForeignKey("label_sets.id"), primary_key=True),
    Column("slice_id", ForeignKey("slices.id"), primary_key=True),
    Column("kind", String, nullable=False),
    Column("weight", Float, nullable=False),
    Column("version", Integer, nullable=True),
    Column("model", ForeignKey("models.id"), nullable=True),
    ForeignKeyConstraint(["slice_id", "version"], ["annotations.slice_id", "annotations.version"]),
)

prediction_files = Table(
    "prediction_files",
    metadata,
    Column("model", ForeignKey("models.id"), primary_key=True),
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("path", String, nullable=False, unique=True),
    Column("sha256", String, nullable=False),
)

predictions = Table(
    "predictions",
    metadata,
    Column("model", String, primary_key=True),
    Column("slice_id", ForeignKey("slices.id"), primary_key=True),
    Column("case_id", String, nullable=False),
    Column("score", Float, nullable=False),
    Column("d_raw", Float, nullable=True),
    Column("measures", JSON, nullable=False),
    Column("triage", String, nullable=True),
    Column("weight", Float, nullable=False),
    ForeignKeyConstraint(["model", "case_id"], ["prediction_files.model", "prediction_files.case_id"]),
)

cycles = Table(
    "cycles",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("model", ForeignKey("models.id"), nullable=False),
    Column("record", JSON, nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("step", String, primary_key=True),
    Column("detail", JSON, nullable=False),
    Column("created_at", String, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("created_at", String, nullable=False),
)

#: A token itself is stored nowhere: ``digest`` is its sha256.
tokens = Table(
    "tokens",
    metadata,
    Column("digest", String, primary_key=True),
    Column("user", ForeignKey("users.name"), nullable=False, index=True),
    Column("created_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("revoked_at", String, nullable=True),
)

#: Who has, or had, which slice in hand. ``purpose``: answer, second, review. ``ended`` is null while it runs.
leases = Table(
    "leases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slice_id", ForeignKey("slices.id"), nullable=False, index=True),
    Column("user", ForeignKey("users.name"), nullable=False, index=True),
    Column("purpose", String, nullable=False),
    Column("tab", String, nullable=False),
    Column("back_to", String, nullable=False),
    Column("taken_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("ended", String, nullable=True, index=True),
    Column("ended_at", String, nullable=True),
)

#: What somebody draws and has not handed in: plane ``number`` drawn while ``slice_id`` was asked, as gzip of uint8 (h, w).
drafts = Table(
    "drafts",
    metadata,
    Column("slice_id", ForeignKey("slices.id"), primary_key=True),
    Column("user", ForeignKey("users.name"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
    Column("updated_at", String, nullable=False),
)

#: What a second pair of eyes said of a version. ``kind``: second (its Dice with ``other``), accepted, corrected, settled.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slice_id", ForeignKey("slices.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("other", Integer, nullable=True),
    Column("user", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("dice", Float, nullable=True),
    Column("created_at", String, nullable=False),
)

#: Append-only: who did what, when, from which version. Triggers refuse changes.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("slice_id", String, nullable=True, index=True),
    Column("from_version", Integer, nullable=True),
    Column("detail", JSON, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("user", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("started_at", String, nullable=True),
    Column("ended_at", String, nullable=True),
    Column("process", String, nullable=True),
    Column("cancel", String, nullable=True),
    Column("progress", JSON, nullable=False),
    Column("message", String, nullable=True),
)
