"""What is PostgreSQL's alone: its address, its password, other people's databases in it, a server that goes away."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from store_studies import case, labels, query, save_model, settings
from test_migrations import migrate_to

from askance.errors import StudyBusy, StudyError, StudyUnreachable, UsageError
from askance.store import place
from askance.store.backup import backup, restore
from askance.store.postgres import address
from askance.store.store import Store
from postgres_server import Server


@pytest.fixture
def kept(tmp_path: Path, postgres: Server) -> Iterator[Store]:
    """A study on PostgreSQL."""
    with Store.create(tmp_path / "study", settings(), [case("c1"), case("c2")], postgres.new_database()) as store:
        yield store


def url_of(store: Store) -> str:
    return str(store._database.place)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "cannot be read"),
        ("postgresql://u@h:port/name", "cannot be read"),
        ("mysql://u@h/name", "of kind 'mysql'"),
        ("sqlite:///x.db", "of kind 'sqlite'"),
        ("postgresql+psycopg2://u@h/name", "of kind"),
        ("postgresql://u@h", "names no database"),
        ("postgresql://u:hunter2@h/name", "holds a password"),
        ("postgresql://u@h/name?password=hunter2", "holds a password"),
        ("postgresql://u:hunter2@h:port/name", "cannot be read"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Store.create(tmp_path / "study", settings(), [], url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["postgres://u@h/n", "postgresql://u@h/n", "postgresql+psycopg://u@h/n"])
def test_an_address_may_be_written_in_the_usual_ways(text: str) -> None:
    assert address(text).render_as_string() == "postgresql+psycopg://u@h/n"


@pytest.mark.parametrize("content", ["", "url = 3", "url = 'postgresql://u:hunter2@h/n'\nstudy = 'x'", "\xff"])
def test_a_note_of_the_place_that_was_spoilt_is_told(sqlite_store: Store, content: str) -> None:
    sqlite_store.close()
    (sqlite_store.folder / "study.db").unlink()
    (sqlite_store.folder / place.POSTGRES).write_bytes(content.encode("latin-1"))
    with pytest.raises((StudyError, UsageError), match=r"database\.toml") as caught:
        Store.open(sqlite_store.folder)
    assert "hunter2" not in str(caught.value)


def test_a_study_in_sqlite_is_not_readdressed(sqlite_store: Store) -> None:
    with pytest.raises(UsageError, match="askance restore"):
        place.readdress(sqlite_store.folder, "postgresql://u@h/n")


@pytest.mark.slow
def test_the_folder_remembers_the_place_and_never_the_password(kept: Store, postgres: Server) -> None:
    kept.close()
    with Store.open(kept.folder) as again:
        assert [one.id for one in again.cases()] == ["c1", "c2"]
    assert not (kept.folder / "study.db").exists()
    for path in kept.folder.rglob("*"):
        assert not path.is_file() or postgres.password.encode() not in path.read_bytes()


@pytest.mark.slow
def test_a_password_file_does_as_well(
    kept: Store, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.close()
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{postgres.port}:*:*:{postgres.password}\n")
    file.chmod(0o600)
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", str(file))
    Store.open(kept.folder).close()


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["password", "no password", "user", "name", "port", "host"])
def test_a_place_that_cannot_be_reached_is_one_sentence(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    url = postgres.new_database()
    if wrong == "password":
        monkeypatch.setenv("PGPASSWORD", "not-the-secret")
    elif wrong == "no password":
        monkeypatch.delenv("PGPASSWORD")
    urls = {
        "user": postgres.url("postgres", user="nobody"),
        "name": postgres.url("nowhere"),
        "port": url.replace(str(postgres.port), "1"),
        "host": url.replace("127.0.0.1", "nowhere.invalid"),
    }
    advice = {"name": "createdb", "port": "server runs", "host": "host"}.get(wrong, "PGPASSWORD")
    with pytest.raises(StudyUnreachable, match=advice) as caught:
        Store.create(tmp_path / "study", settings(), [case("c1")], urls.get(wrong, url))
    said = str(caught.value)
    assert "\n" not in said
    assert "secret" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_fails_while_a_study_is_made_leaves_the_database_empty(tmp_path: Path, postgres: Server) -> None:
    url = postgres.new_database()
    with pytest.raises(StudyError, match=r"twice|already"):
        Store.create(tmp_path / "study", settings(), [case("c1"), case("c1", patient="other")], url)
    Store.create(tmp_path / "study", settings(), [case("c1")], url).destroy()
    assert list(tmp_path.iterdir()) == []
    Store.create(tmp_path / "study", settings(), [case("c1")], url).close()


@pytest.mark.slow
def test_a_database_that_holds_something_is_left_alone(kept: Store, postgres: Server, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds a study already"):
        Store.create(tmp_path / "second", settings(), [], url_of(kept))
    other = postgres.new_database()
    postgres.execute(other.rsplit("/", 1)[1], "CREATE TABLE cases (x int)")
    with pytest.raises(StudyError, match="tables of the same names"):
        Store.create(tmp_path / "second", settings(), [], other)
    assert not (tmp_path / "second").exists()
    assert [one.id for one in kept.cases()] == ["c1", "c2"]


@pytest.mark.slow
def test_another_studys_database_is_refused(kept: Store, postgres: Server, tmp_path: Path) -> None:
    with Store.create(tmp_path / "other", settings(), [case("x")], postgres.new_database()) as other:
        with pytest.raises(StudyError, match="holds another study"):
            place.readdress(kept.folder, url_of(other))
        (kept.folder / place.POSTGRES).write_bytes(
            (kept.folder / place.POSTGRES).read_bytes().replace(url_of(kept).encode(), url_of(other).encode())
        )
        with pytest.raises(StudyError, match=r"holds another study \(found id \w+, wanted \w+\)"):
            Store.open(kept.folder)
    with pytest.raises(StudyError, match="holds no study's tables"):
        place.readdress(kept.folder, postgres.new_database())


@pytest.mark.slow
def test_a_study_is_readdressed_to_where_its_database_is_now(kept: Store) -> None:
    kept.close()
    other = url_of(kept).replace("127.0.0.1", "localhost")
    place.readdress(kept.folder, other)
    with Store.open(kept.folder) as again:
        assert url_of(again) == other


@pytest.mark.slow
def test_an_older_database_is_migrated_and_a_newer_one_refused(kept: Store, postgres: Server) -> None:
    older = postgres.new_database()
    migrate_to(address(older), "0002")
    database = place._checked(place.Database(address(older)), None)
    database.close()
    name = url_of(kept).rsplit("/", 1)[1]
    postgres.execute(name, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StudyError, match="made by a newer askance"):
        Store.open(kept.folder)


@pytest.mark.slow
def test_a_server_that_goes_away_is_told_and_is_used_again_when_it_is_back(kept: Store, postgres: Server) -> None:
    kept.save_query(query(["c1/2/0", "c1/2/1"]))
    kept.save_answer("c1/2/0", labels(0), "anna")
    postgres.stop()
    try:
        with pytest.raises(StudyUnreachable, match="cannot be used"):
            kept.save_answer("c1/2/1", labels(1), "anna")
        with pytest.raises(StudyUnreachable):
            kept.states()
    finally:
        postgres.start()
    assert [one.slice_id for one in kept.annotations()] == ["c1/2/0"]
    kept.save_answer("c1/2/1", labels(1), "anna")
    assert [one.version for one in kept.annotations()] == [1, 1]


@pytest.mark.slow
def test_a_connection_that_is_cut_in_a_transaction_leaves_nothing_half_done(kept: Store, postgres: Server) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'askance'"

    def write(connection: sa.Connection) -> None:
        for _ in range(2):
            connection.exec_driver_sql("UPDATE slices SET state = 'queried'")
            postgres.execute("postgres", cut)

    with pytest.raises(StudyUnreachable):
        kept._database.write(write)
    assert set(kept.states().values()) == {"pool"}


@pytest.mark.slow
def test_a_text_that_postgres_cannot_hold_is_refused_in_words(kept: Store) -> None:
    kept.save_query(query(["c1/2/0"]))
    with pytest.raises(StudyError, match="cannot hold that"):
        kept.set_aside("c1/2/0", "skipped", "a\0b", "anna")
    assert kept.state("c1/2/0") == "queried"


@pytest.mark.slow
def test_a_reader_sees_one_state_while_others_write(kept: Store) -> None:
    kept.save_query(query(["c1/2/0"]))
    with kept._database.reading() as connection:
        before = kept._database.where, connection.exec_driver_sql("SELECT count(*) FROM annotations").scalar()
        kept.save_answer("c1/2/0", labels(0), "anna")
        assert connection.exec_driver_sql("SELECT count(*) FROM annotations").scalar() == before[1] == 0
        with pytest.raises(StudyError), kept._database.reading() as reader:
            reader.exec_driver_sql("UPDATE slices SET state = 'pool'")


@pytest.mark.slow
def test_the_lock_reaches_a_machine_that_does_not_see_the_files_lock(kept: Store, tmp_path: Path) -> None:
    """A second folder with the same note stands for the same folder seen by a machine without common file locks."""
    (tmp_path / "elsewhere").mkdir()
    for name in ("study.toml", place.POSTGRES):
        (tmp_path / "elsewhere" / name).write_bytes((kept.folder / name).read_bytes())
    with Store.open(tmp_path / "elsewhere") as other:
        with kept.lock(), pytest.raises(StudyBusy, match="another machine"), other.lock():
            pass
        with other.lock():
            pass


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_no_lock_in_the_database(kept: Store) -> None:
    hold = "import sys,time;from pathlib import Path;from askance.store.store import Store\n"
    hold += "with Store.open(Path(sys.argv[1])) as s, s.lock():\n    print('held', flush=True)\n    time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, str(kept.folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(StudyBusy, match=f"process {child.pid}"), kept.lock():
            pass
        child.kill()
        child.wait()
    with kept.lock(wait_s=10):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgres"), ("postgres", "sqlite"), ("postgres", "postgres")])
def test_a_backup_moves_a_study_from_either_to_either(tmp_path: Path, postgres: Server, source: str, target: str) -> None:
    first, second = (postgres.new_database() if kind == "postgres" else None for kind in (source, target))
    with Store.create(tmp_path / "study", settings(), [case("c1"), case("c2"), case("t1", "test")], first) as store:
        store.save_query(query(["c1/2/0", "c1/2/1", "c2/2/0"]))
        store.save_answer("c1/2/0", labels(0), "anna")
        token = store.desk.add_user("anna", "expert", 1, "test")
        store.desk.take("c1/2/1", "anna", "tab")
        store.desk.save_draft("c1/2/1", "anna", "tab", {1: labels(3)})
        lease = store.desk.held("c1/2/1", "anna")
        assert lease is not None
        save_model(store, "m1", 1)
        parent = save_model(store, "m0", 0)
        store.save_model(type(parent)(**{**vars(parent), "id": "a-child", "parent": "m1"}))
        backup(store, tmp_path / "b.tar")
        wanted = _content(store)
    assert restore(tmp_path / "b.tar", tmp_path / "again", second) == 1
    with Store.open(tmp_path / "again") as again:
        assert _content(again) == wanted
        assert again.desk.user_of(token).name == "anna"
        assert again.desk.held("c1/2/1", "anna") == lease
        assert (again.desk.draft("c1/2/1", "anna")[1] == labels(3)).all()
        again.desk.note("test", "goes on")  # ids go on after those that came along
        assert again.jobs.add("cycle", "test").id == 1
        assert again.desk.take("c2/2/0", "anna", "tab").id == lease.id + 1
    assert (tmp_path / "again" / "study.db").exists() == (target == "sqlite")
    assert not list((tmp_path / "again").glob("study.db-*")) or target == "sqlite"


@pytest.mark.slow
def test_a_restore_into_a_database_that_is_in_use_makes_nothing(kept: Store, tmp_path: Path) -> None:
    backup(kept, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert "database.toml" not in archive.getnames()
    with pytest.raises(StudyError, match="holds a study already"):
        restore(tmp_path / "b.tar", tmp_path / "again", url_of(kept))
    assert not (tmp_path / "again").exists()
    assert len(kept.cases()) == 2


@pytest.mark.slow
def test_studies_may_share_a_database_as_schemas_of_their_own(tmp_path: Path, postgres: Server) -> None:
    url = postgres.new_database()
    name = url.rsplit("/", 1)[1]
    for schema in ("heart", "liver"):
        postgres.execute(name, f"CREATE SCHEMA {schema}")
        there = f"{url}?options=-csearch_path%3D{schema}"
        with Store.create(tmp_path / schema, settings(), [case(schema)], there) as store:
            assert [one.id for one in store.cases()] == [schema]
    with Store.open(tmp_path / "heart") as heart, Store.open(tmp_path / "liver") as liver, heart.lock(), liver.lock():
        assert [one.id for one in heart.cases()] == ["heart"]


def _content(store: Store) -> object:
    versions = [(one.slice_id, one.version, one.author, one.sha256) for one in store.annotations(latest=False)]
    return store.cases(), versions, store.states(), store.queries(), store.models(), store.desk.audit(), store.desk.users()
