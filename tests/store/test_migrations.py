import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from askance.errors import StudyError
from askance.store import database, schema
from askance.store.database import Database
from askance.store.postgres import address
from askance.store.store import Store
from postgres_server import NewDatabase

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


def migrate_to(place: Path | sa.URL, revision: str) -> None:
    made = Database(place)
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


def scanners(store: Store) -> list[str]:
    with store._database.reading() as connection:
        return list(connection.scalars(sa.text("SELECT scanner FROM cases")))


def test_the_newest_migration_is_the_one_the_schema_names() -> None:
    assert REVISIONS[0] == schema.REVISION
    assert sorted(REVISIONS, reverse=True) == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_any_age_migrates_to_the_schema(tmp_path: Path, new_database: NewDatabase, revision: str) -> None:
    url = new_database()
    place = tmp_path / "study.db" if url is None else address(url)
    migrate_to(place, revision)
    opened = Database(place)
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
            assert scanners(opened) == ["unknown"] * 4


def test_a_migration_that_fails_changes_nothing(store: Store, later: Path) -> None:
    store.close()
    script = A_LATER_MIGRATION.format(head=schema.REVISION, last="raise RuntimeError('half way')")
    (later / "versions" / "later.py").write_text(script)
    with pytest.raises(RuntimeError, match="half way"):
        Store.open(store.folder)
    with store._database.reading() as connection:
        assert "scanner" not in {column["name"] for column in sa.inspect(connection).get_columns("cases")}


def test_a_study_of_a_newer_askance_is_refused_and_left_alone(
    store: Store, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    Store.open(store.folder).close()
    with monkeypatch.context() as patch:  # undone before the fixture's own
        patch.setattr(database, "REVISION", schema.REVISION)
        with pytest.raises(StudyError, match=r"made by a newer askance .* upgrade askance"):
            Store.open(store.folder)
