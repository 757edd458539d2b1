"""The tables of a study: cases, slices, queries, annotations, models, predictions, cycles."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table of the first release."""
    op.create_table(
        "cases",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("patient", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("spacing_mm", sa.JSON(), nullable=False),
        sa.Column("affine", sa.JSON(), nullable=False),
        sa.Column("labelled", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(op.f("ix_cases_patient"), "cases", ["patient"], unique=False)
    op.create_table(
        "label_sets", sa.Column("id", sa.String(), nullable=False), sa.PrimaryKeyConstraint("id", name=op.f("pk_label_sets"))
    )
    op.create_table(
        "steps",
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("cycle", "step", name=op.f("pk_steps")),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("label_set", sa.String(), nullable=False),
        sa.Column("weights_sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=True),
        sa.Column("info", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["label_set"], ["label_sets.id"], name=op.f("fk_models_label_set")),
        sa.ForeignKeyConstraint(["parent"], ["models.id"], name=op.f("fk_models_parent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
    )
    op.create_table(
        "slices",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("axis", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_slices_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slices")),
    )
    op.create_index(op.f("ix_slices_case_id"), "slices", ["case_id"], unique=False)
    op.create_index(op.f("ix_slices_state"), "slices", ["state"], unique=False)
    op.create_table(
        "sources",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("channel", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_sources_case_id")),
        sa.PrimaryKeyConstraint("case_id", "role", "channel", name=op.f("pk_sources")),
    )
    op.create_table(
        "annotations",
        sa.Column("slice_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("changed_voxels", sa.BigInteger(), nullable=True),
        sa.Column("area_voxels", sa.BigInteger(), nullable=True),
        sa.Column("proposal", sa.String(), nullable=True),
        sa.CheckConstraint("(changed_voxels IS NULL) = (area_voxels IS NULL)", name=op.f("ck_annotations_effort_whole")),
        sa.ForeignKeyConstraint(["proposal"], ["models.id"], name=op.f("fk_annotations_proposal")),
        sa.ForeignKeyConstraint(["slice_id"], ["slices.id"], name=op.f("fk_annotations_slice_id")),
        sa.PrimaryKeyConstraint("slice_id", "version", name=op.f("pk_annotations")),
        sa.UniqueConstraint("path", name=op.f("uq_annotations_path")),
    )
    op.create_table(
        "cycles",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name=op.f("fk_cycles_model")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_cycles")),
    )
    op.create_table(
        "prediction_files",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_prediction_files_case_id")),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name=op.f("fk_prediction_files_model")),
        sa.PrimaryKeyConstraint("model", "case_id", name=op.f("pk_prediction_files")),
        sa.UniqueConstraint("path", name=op.f("uq_prediction_files_path")),
    )
    op.create_table(
        "queries",
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("acquisition", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name=op.f("fk_queries_model")),
        sa.PrimaryKeyConstraint("cycle", name=op.f("pk_queries")),
    )
    op.create_table(
        "set_asides",
        sa.Column("slice_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["slice_id"], ["slices.id"], name=op.f("fk_set_asides_slice_id")),
        sa.PrimaryKeyConstraint("slice_id", name=op.f("pk_set_asides")),
    )
    op.create_table(
        "asked",
        sa.Column("cycle", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slice_id", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["cycle"], ["queries.cycle"], name=op.f("fk_asked_cycle")),
        sa.ForeignKeyConstraint(["slice_id"], ["slices.id"], name=op.f("fk_asked_slice_id")),
        sa.PrimaryKeyConstraint("cycle", "slice_id", name=op.f("pk_asked")),
    )
    op.create_table(
        "label_entries",
        sa.Column("label_set", sa.String(), nullable=False),
        sa.Column("slice_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["label_set"], ["label_sets.id"], name=op.f("fk_label_entries_label_set")),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name=op.f("fk_label_entries_model")),
        sa.ForeignKeyConstraint(
            ["slice_id", "version"],
            ["annotations.slice_id", "annotations.version"],
            name=op.f("fk_label_entries_slice_id_version"),
        ),
        sa.ForeignKeyConstraint(["slice_id"], ["slices.id"], name=op.f("fk_label_entries_slice_id")),
        sa.PrimaryKeyConstraint("label_set", "slice_id", name=op.f("pk_label_entries")),
    )
    op.create_table(
        "predictions",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("slice_id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("d_raw", sa.Float(), nullable=True),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.Column("triage", sa.String(), nullable=True),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model", "case_id"],
            ["prediction_files.model", "prediction_files.case_id"],
            name=op.f("fk_predictions_model_case_id"),
        ),
        sa.ForeignKeyConstraint(["slice_id"], ["slices.id"], name=op.f("fk_predictions_slice_id")),
        sa.PrimaryKeyConstraint("model", "slice_id", name=op.f("pk_predictions")),
    )
