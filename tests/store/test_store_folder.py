import errno
import os
import shutil
from pathlib import Path

import pytest
from store_studies import case, labels, query, save_model, settings

from askance.errors import ConfigError, SplitError, StudyError
from askance.store import atomic, creation
from askance.store.store import Store


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_study_that_is_opened_again_is_the_one_that_was_made(tmp_path: Path) -> None:
    given = [case("c1"), case("c2", "test")]
    with Store.create(tmp_path / "study", settings(seed=5), given):
        pass
    with Store.open(tmp_path / "study") as store:
        assert store.config == settings(seed=5)
        assert store.cases() == given
    assert left_in(tmp_path) == ["study"]
    wanted = sorted((*creation.FOLDERS, "study.db", "study.toml"))
    assert left_in(tmp_path / "study") == wanted


def test_an_empty_folder_and_missing_parents_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("empty", "some/where"):
        Store.create(tmp_path / place, settings(), [case("c1")]).close()
        assert (tmp_path / place / "study.db").exists()


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("mine")
    with pytest.raises(StudyError, match="not empty"):
        Store.create(tmp_path / "full", settings(), [case("c1")])
    assert left_in(tmp_path / "full") == ["thesis.doc"]


def test_a_study_is_not_made_over_another(tmp_path: Path) -> None:
    Store.create(tmp_path / "study", settings(), []).close()
    with pytest.raises(StudyError, match="is a study already"):
        Store.create(tmp_path / "study", settings(), [])


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/study"):
        with pytest.raises(StudyError, match="file"):
            Store.create(tmp_path / place, settings(), [])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_parent_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StudyError, match="cannot be written"):
            Store.create(tmp_path / "study", settings(), [])
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(StudyError, match="No space left"):
        Store.create(tmp_path / "study", settings(), [case("c1")])
    assert left_in(tmp_path) == []


def test_a_case_that_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="'p' is on two sides"):
        Store.create(tmp_path / "study", settings(), [case("a", patient="p"), case("b", "test", patient="p")])
    assert left_in(tmp_path) == []


def test_what_a_killed_creation_left_is_swept_by_the_next(tmp_path: Path) -> None:
    dead = tmp_path / f"{creation._prefix(tmp_path / 'study')}999999999-ab"
    alive = tmp_path / f"{creation._prefix(tmp_path / 'study')}{os.getpid()}-ab"
    dead.mkdir()
    alive.mkdir()
    Store.create(tmp_path / "study", settings(), []).close()
    assert not dead.exists()
    assert alive.exists()


def test_a_folder_without_a_study_is_not_opened(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StudyError, match="not a study"):
            Store.open(place)
    assert left_in(tmp_path) == []


def test_a_study_that_lost_its_database_is_told_of_backups(sqlite_store: Store) -> None:
    sqlite_store.close()
    (sqlite_store.folder / "study.db").unlink()
    with pytest.raises(StudyError, match=r"study\.db is missing\); restore it from a backup"):
        Store.open(sqlite_store.folder)


@pytest.mark.parametrize(("content", "message"), [(b"", "holds no study's tables"), (b"rubbish" * 999, "damaged")])
def test_a_database_that_is_none_is_refused(sqlite_store: Store, content: bytes, message: str) -> None:
    sqlite_store.close()
    (sqlite_store.folder / "study.db").write_bytes(content)
    with pytest.raises(StudyError, match=message):
        Store.open(sqlite_store.folder)


def test_a_truncated_database_is_refused_in_words(sqlite_store: Store) -> None:
    sqlite_store.close()
    database = sqlite_store.folder / "study.db"
    database.write_bytes(database.read_bytes()[:9000])
    with pytest.raises(StudyError, match=r"damaged|cannot be used"), Store.open(sqlite_store.folder) as opened:
        opened.slices()


def test_settings_can_be_changed_but_not_what_labels_hang_on(store: Store) -> None:
    store.save_config(settings(seed=9))
    with Store.open(store.folder) as again:
        assert again.config.seed == 9
    with pytest.raises(StudyError, match=r"grid\.axis = 1"):
        store.save_config(settings(axis=1))
    with pytest.raises(StudyError, match="2 classes, wanted 3"):
        store.save_config(settings(classes=["rest", "a"]))
    assert store.config.seed == 9


def test_an_axis_changed_by_hand_is_refused_on_opening(store: Store) -> None:
    path = store.folder / "study.toml"
    path.write_text(path.read_text().replace("axis = 2", "axis = 0"))
    with pytest.raises(StudyError, match=r"grid\.axis = 0, but its slices lie along axis 2"):
        Store.open(store.folder)


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("classes", '"b",', '"b", "c",'),
        ("channels", '"MR",', '"MR", "T2",'),
        ("grid.size", "    16,", "    32,"),
        ("network.width", "\nwidth = 32", "\nwidth = 16"),
        ("network.context", "\ncontext = 0", "\ncontext = 1"),
    ],
)
def test_what_a_trained_model_hangs_on_cannot_be_changed_by_hand(store: Store, key: str, before: str, after: str) -> None:
    store.save_query(query(["c1/2/0"]))
    store.save_answer("c1/2/0", labels(0), "simulated")
    save_model(store, info={"config": store.config.model_dump(mode="json")})
    path = store.folder / "study.toml"
    text = path.read_text()
    path.write_text(text.replace(before, after))
    with pytest.raises(StudyError, match=rf"study.toml says {key} = .*, but m0 was trained with .*put it back"):
        Store.open(store.folder)
    path.write_text(text.replace('"b",', '"blood pool",').replace("epochs = 50", "epochs = 5"))
    Store.open(store.folder).close()


def test_fewer_classes_than_were_labelled_are_told_before_there_is_a_model(store: Store) -> None:
    store.save_query(query(["c1/2/0"]))
    saved = store.save_answer("c1/2/0", labels(0), "simulated")
    path = store.folder / "study.toml"
    path.write_text(path.read_text().replace('    "b",\n', ""))
    with Store.open(store.folder) as again:
        assert again.config.classes == ("rest", "a")
        with pytest.raises(StudyError, match=r"study.toml names 2 classes, but slice 'c1/2/0' is labelled with class 2"):
            again.read_annotation(saved)


def test_broken_settings_are_told_by_their_path(store: Store) -> None:
    (store.folder / "study.toml").write_text("name = ")
    with pytest.raises(ConfigError, match=r"study\.toml"):
        Store.open(store.folder)


def test_a_study_can_be_moved(store: Store, tmp_path: Path) -> None:
    store.close()
    shutil.move(store.folder, tmp_path / "elsewhere")
    with Store.open(tmp_path / "elsewhere") as moved:
        assert len(moved.cases()) == 4


def test_a_study_that_may_not_be_written_to_can_be_read_and_leaves_no_file_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a study? 50%"
    Store.create(folder, settings(seed=5), [case("c1")]).close()
    before = left_in(folder)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with Store.open(folder) as store:
        assert store.cases() == [case("c1")]
        assert left_in(folder) == before
        with pytest.raises(StudyError, match="check free space, permissions"):
            store.mark(0, "rank", {})
