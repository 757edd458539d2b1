import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from askance.errors import StudyError
from askance.store import database, schema
from askance.store.database import Database
from askance.store.store import Store

REVISIONS = [one.revision for one in ScriptDirectory(str(database._MIGRATIONS)).walk_revisions()]

A_LATER_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "9999_later"
down_revision = "{head}"


def upgrade() -> None:
    with op.batch_alter_table("cases") as table:
        table.add_column(sa.Column("scanner", sa.String(), nullable=False, server_default="unknown"))
    {last}
"""


def migrate_to(path: Path, revision: str) -> None:
    made = Database(path)
    config = Config()
    config.set_main_option("script_location", str(database._MIGRATIONS))
    with made.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    made.close()


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An askance of tomorrow, which knows one migration more."""
    folder = tmp_path / "later"
    shutil.copytree(database._MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    script = A_LATER_MIGRATION.format(head=schema.REVISION, last="pass")
    (folder / "versions" / "later.py").write_text(script)
    with monkeypatch.context() as patch:
        patch.setattr(database, "_MIGRATIONS", folder)
        patch.setattr(database, "REVISION", "9999_later")
        yield folder


def scanners(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT scanner FROM cases")]


def test_the_newest_migration_is_the_one_the_schema_names() -> None:
    assert REVISIONS[0] == schema.REVISION
    assert sorted(REVISIONS, reverse=True) == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_any_age_migrates_to_the_schema(tmp_path: Path, revision: str) -> None:
    migrate_to(tmp_path / "study.db", revision)
    opened = Database(tmp_path / "study.db")
    opened.upgrade()
    with opened.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
    opened.close()


def test_an_old_study_is_migrated_on_opening_and_keeps_its_content(store: Store, later: Path) -> None:
    store.close()
    for _ in range(2):
        with Store.open(store.folder) as opened:
            assert len(opened.slices()) == 24
    assert scanners(store.folder / "study.db") == ["unknown"] * 4


def test_a_migration_that_fails_changes_nothing(store: Store, later: Path) -> None:
    store.close()
    script = A_LATER_MIGRATION.format(head=schema.REVISION, last="raise RuntimeError('half way')")
    (later / "versions" / "later.py").write_text(script)
    with pytest.raises(RuntimeError, match="half way"):
        Store.open(store.folder)
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        scanners(store.folder / "study.db")


def test_a_study_of_a_newer_askance_is_refused_and_left_alone(
    store: Store, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    Store.open(store.folder).close()
    monkeypatch.setattr(database, "REVISION", schema.REVISION)
    with pytest.raises(StudyError, match=r"made by a newer askance .* upgrade askance"):
        Store.open(store.folder)
