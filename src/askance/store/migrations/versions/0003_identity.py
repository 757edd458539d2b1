"""The study's id, by which its folder knows its database; on PostgreSQL the audit log is closed against changes as well."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REFUSE = """
CREATE OR REPLACE FUNCTION askance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION askance_append_only()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION askance_append_only()",
)


def upgrade() -> None:
    """Make the table and its one row, and the triggers that SQLite has since 0002."""
    study = op.create_table(
        "study",
        sa.Column("id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
    )
    op.bulk_insert(study, [{"id": uuid4().hex}])
    if op.get_bind().dialect.name == "postgresql":
        for statement in (_REFUSE, *_TRIGGERS):
            op.execute(statement)
