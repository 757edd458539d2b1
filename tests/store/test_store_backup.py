"""A study in one file and back, also while somebody writes; an archive that is none makes nothing."""

import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from store_studies import labels, query

from askance.errors import FormatError, UsageError
from askance.store.backup import backup, restore
from askance.store.store import Store


@pytest.fixture
def answered(store: Store) -> Store:
    store.save_query(query([f"c{n}/2/{k}" for n in (1, 2, 10) for k in range(6)]))
    for k in range(3):
        store.save_answer(f"c1/2/{k}", labels(k), "anna")
    return store


def test_a_study_comes_back_as_it_was(answered: Store, tmp_path: Path) -> None:
    token = answered.desk.add_user("anna", "expert", 1, "test")
    backup(answered, tmp_path / "b.tar")
    assert restore(tmp_path / "b.tar", tmp_path / "again") == 3
    with Store.open(tmp_path / "again") as again:
        assert again.annotations() == answered.annotations()
        assert again.states() == answered.states()
        assert np.array_equal(again.read_annotation(again.annotations()[2]), labels(2))
        assert again.desk.user_of(token).name == "anna"
        assert [one.what for one in again.desk.audit()] == ["user added"]


def test_a_backup_beside_a_writer_holds_every_label_that_it_names(answered: Store, tmp_path: Path) -> None:
    def write() -> None:
        with Store.open(answered.folder) as mine:
            for k in range(60):
                mine.save_answer(f"c2/2/{k % 6}", labels(k), "ben")

    writer = threading.Thread(target=write)
    writer.start()
    for k in range(4):
        backup(answered, tmp_path / f"{k}.tar")
        assert restore(tmp_path / f"{k}.tar", tmp_path / f"again{k}") >= 3
    writer.join()


def _archive(path: Path, member: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "annotations/../../out", "study.py", "cache/x", "annotations"])
def test_an_archive_with_members_outside_a_study_is_refused(tmp_path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.size = 3
    with pytest.raises(FormatError, match="nothing was made"):
        restore(_archive(tmp_path / "b.tar", member), tmp_path / "made" / "study")
    assert not (tmp_path / "made" / "study").exists()
    assert not (tmp_path / "out").exists()


def test_links_and_damaged_archives_are_refused(answered: Store, tmp_path: Path) -> None:
    link = tarfile.TarInfo("annotations/x")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(FormatError):
        restore(_archive(tmp_path / "link.tar", link), tmp_path / "made")
    (tmp_path / "no.tar").write_bytes(b"nothing")
    with pytest.raises(FormatError):
        restore(tmp_path / "no.tar", tmp_path / "made")
    backup(answered, tmp_path / "b.tar")
    data = bytearray((tmp_path / "b.tar").read_bytes())
    (tmp_path / "short.tar").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError):
        restore(tmp_path / "short.tar", tmp_path / "made")
    with pytest.raises(UsageError, match="there already"):
        backup(answered, tmp_path / "b.tar")
    with pytest.raises(UsageError, match="not empty"):
        restore(tmp_path / "b.tar", answered.folder)
