"""MONAI Label's own Python client works with the server unchanged, every method of it."""

import gzip
import hashlib
import io
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import requests
import SimpleITK as sitk
from served import Served

from askance.active.study import Study
from askance.store.store import Store
from made_studies import AFFINE, SHAPE, truth_of, write_volume

pytestmark = [
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="the shipped client imports cgi, which went in Python 3.13"),
    # The shipped client leaves its sockets open.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def client_of(served: Served, role: str = "admin", tmp: Path | None = None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cgi is deprecated
        from monailabel.client import MONAILabelClient
    with Store.open(served.folder) as store:
        token = store.desk.add_user(f"slicer-{role}", role, 1, "test")  # type: ignore[arg-type]
    return MONAILabelClient(f"{served.url}/t/{token}", tmpdir=str(tmp) if tmp else None, client_id="test")


def assert_refused(served: Served, client: Any, case: str, path: Path) -> None:
    """The label is a 422 without a name or a path in it, and changes nothing."""
    with pytest.raises(Exception, match="422") as caught:
        client.save_label(case, str(path))
    said = str(getattr(caught.value, "msg", caught.value))
    assert "secret-name" not in said
    assert "/" not in said.replace(case, "")
    with Store.open(served.folder) as store:
        assert all(one.author != "slicer-expert" for one in store.annotations(latest=False))


def volume_of(path: str | Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def test_info_strategies_and_logins(served: Served) -> None:
    client = client_of(served)
    info = client.info()
    assert info["labels"] == ["muscle", "blood pool"]
    assert "config" not in info
    assert info["models"]["askance"]["type"] == "segmentation"
    assert {"query", "score", "random", "foreground"} <= set(info["strategies"])
    assert not client.auth_enabled()
    assert client.auth_valid_token()
    with pytest.raises(Exception, match="404"):
        client.auth_token("a", "b")
    assert requests.get(client.get_server_url() + "/", timeout=9).status_code == 200
    with pytest.raises(Exception, match="404"):
        client.wsi_infer("askance", "p1")  # whole-slide pathology: nothing of ours


def test_a_client_moves_to_another_link_and_a_login_it_has_from_elsewhere_does_no_harm(served: Served) -> None:
    client, expert = client_of(served), client_of(served, "expert")
    client.set_server_url(served.url)
    with pytest.raises(Exception, match="404"):
        client.info()  # the link is the login
    client.set_server_url(expert.get_server_url() + "/")
    assert client.get_server_url() == expert.get_server_url()
    client.update_auth({"token_type": "Bearer", "access_token": "of another server"})
    assert client.info()["labels"] == ["muscle", "blood pool"]
    with pytest.raises(Exception, match="403"):
        client.train_start("askance", {})  # an expert's link still


def test_a_label_from_slicer_becomes_versions_of_the_slices_that_were_asked(served: Served, tmp_path: Path) -> None:
    client = client_of(served, "expert", tmp_path)
    sample = client.next_sample("query", {})
    case, slices = sample["id"], sample["slices"]
    assert slices
    proposal, told = client.infer("askance", case, {})
    assert volume_of(proposal).shape == SHAPE
    assert np.allclose(nib.load(proposal).affine, AFFINE)
    assert set(told["label_names"]) <= {"muscle", "blood pool"}
    # Slicer numbers its segments in their own order: blood pool first here.
    truth = truth_of(case)
    exported = np.where(truth == 2, 1, np.where(truth == 1, 2, 0)).astype(np.uint8)
    path = write_volume(tmp_path / "patient name.nii.gz", exported)
    info = [{"name": "blood pool", "idx": 5}, {"name": "muscle", "idx": 7}]
    answer = client.save_label(case, str(path), "final", {"label_info": info})
    assert answer["slices"] == slices
    with Store.open(served.folder) as store:
        for name in slices:
            found = store.annotation(name)
            assert found is not None
            assert found.effort is not None
            assert found.author == "slicer-expert"
            index = int(name.rsplit("/", 1)[1])
            assert np.array_equal(store.read_annotation(found), truth[..., index])
        others = [f"{case}/2/{k}" for k in range(SHAPE[2]) if f"{case}/2/{k}" not in slices]
        assert all(one is None or one.author != "slicer-expert" for one in map(store.annotation, others))
    back = volume_of(client.download_label(case, "final"))
    for name in slices:
        index = int(name.rsplit("/", 1)[1])
        assert np.array_equal(back[..., index], truth[..., index])
    with pytest.raises(Exception, match="422"):
        client.save_label(case, str(path), "final", {"label_info": info})
    whole = client.save_label(case, str(path), "final", {"label_info": info, "slices": "all"})
    assert whole["slices"]
    assert not set(whole["slices"]) & set(slices), "what holds what was shown is nobody's new label"
    listed = client.datastore()["objects"]
    assert listed[case]["labels"]["final"]["ext"] == ".nii.gz"


def write_nrrd(path: Path, labels: np.ndarray, shift_mm: float = 0.0) -> Path:
    """By Slicer's own writer, in its LPS, over the volumes of ``write_volume``."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(labels.transpose(2, 1, 0)))
    image.SetSpacing(np.abs(np.diag(AFFINE))[:3].tolist())
    image.SetDirection(np.diag([-1.0, -1.0, 1.0]).ravel().tolist())
    image.SetOrigin([shift_mm, 0.0, 0.0])
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".nii.gz"])
def test_a_label_may_come_as_nrrd_or_nifti(served: Served, tmp_path: Path, ending: str) -> None:
    client = client_of(served, "expert", tmp_path)
    sample = client.next_sample("query", {})
    case, truth = sample["id"], truth_of(sample["id"])
    write = write_nrrd if ending == ".nrrd" else write_volume
    answer = client.save_label(case, str(write(tmp_path / f"label{ending}", truth)), "final", {})
    assert answer["slices"] == sample["slices"]
    with Store.open(served.folder) as store:
        for name in sample["slices"]:
            found = store.annotation(name)
            assert found is not None
            assert np.array_equal(store.read_annotation(found), truth[..., int(name.rsplit("/", 1)[1])])


@pytest.mark.parametrize("what", ["other shape", "other place", "other value", "no nrrd", "bomb", "other file", "huge"])
def test_an_nrrd_that_does_not_fit_is_refused_and_changes_nothing(served: Served, tmp_path: Path, what: str) -> None:
    client = client_of(served, "expert", tmp_path)
    case = client.next_sample("query", {})["id"]
    labels, path = truth_of(case), tmp_path / "secret-name.nrrd"
    if what == "no nrrd":
        path.write_bytes(b"nothing")
    elif what == "other file":
        (tmp_path / "server.raw").write_bytes(labels.tobytes(order="F"))
        write_nrrd(path, labels)
        head = path.read_bytes().split(b"\n\n")[0].replace(b"encoding: gzip", b"encoding: raw")
        path.write_bytes(head + b"\ndata file: " + str(tmp_path / "server.raw").encode() + b"\n\n")
    elif what == "bomb":
        write_nrrd(path, labels)
        path.write_bytes(path.read_bytes().split(b"\n\n")[0] + b"\n\n" + gzip.compress(b"\0" * 50_000_000))
    elif what == "huge":
        write_nrrd(path, labels)
        path.write_bytes(path.read_bytes().replace(b"sizes: 24 32 6", b"sizes: 99999 99999 99999"))
    else:
        given = labels[:-1] if what == "other shape" else labels + (7 if what == "other value" else 0)
        write_nrrd(path, given, shift_mm=9.0 if what == "other place" else 0.0)
    assert_refused(served, client, case, path)


def test_the_newest_model_is_one_file_for_an_admin_and_none_can_be_sent_or_deleted(served: Served, tmp_path: Path) -> None:
    url, expert = client_of(served).get_server_url(), client_of(served, "expert").get_server_url()
    info = requests.get(f"{url}/model/info/askance", timeout=9).json()
    answer = requests.get(f"{url}/model/askance", timeout=9)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["content-disposition"].startswith('attachment; filename="askance-cycle-000')
    assert info["checksum"] == f"SHA256:{hashlib.sha256(answer.content).hexdigest()}"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {Path(name).name for name in archive.namelist()} >= {"G.safetensors", "model.json"}
        assert str(served.folder).encode() not in b"".join(archive.read(name) for name in archive.namelist())
        archive.extractall(tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if (path / "model.json").exists())
    with Store.open(served.folder) as store:
        model = store.latest_model()
        assert model is not None
        for file in store.model_folder(model.id).iterdir():
            assert (folder / file.name).read_bytes() == file.read_bytes()
        assert store.desk.audit()[-1].what == "model downloaded"
    assert requests.get(f"{expert}/model/askance", timeout=9).status_code == 403
    assert requests.get(f"{expert}/model/info/askance", timeout=9).status_code == 200
    for name in ("other", "..%2F..%2Fstudy.toml", "cycle-000"):
        assert requests.get(f"{url}/model/{name}", timeout=9).status_code == 404
    assert requests.put(f"{url}/model/askance", files={"file": b"x"}, timeout=9).status_code == 403
    assert requests.delete(f"{url}/model/askance", timeout=9).status_code == 403


def test_other_strategies_and_images(served: Served, tmp_path: Path) -> None:
    client = client_of(served, "admin", tmp_path)
    path = write_volume(tmp_path / "p9.nii.gz", (truth_of("p9") * 60).astype(np.int16))
    assert client.upload_image(str(path), "p9") == {"image": "p9"}
    for strategy in ("first", "random", "score"):
        assert client.next_sample(strategy, {})["id"] == "p9"
    url = client.get_server_url()
    image = requests.get(f"{url}/datastore/image", params={"image": "p9"}, timeout=9)
    assert 'filename="p9.nii"' in image.headers["content-disposition"]
    assert int(image.headers["content-length"]) == len(image.content)
    assert requests.head(f"{url}/datastore/image", params={"image": "p9"}, timeout=9).status_code == 200
    assert requests.head(f"{url}/datastore/label", params={"image": "p9"}, timeout=9).status_code == 404
    assert requests.delete(f"{url}/datastore/label", params={"id": "p9"}, timeout=9).status_code == 403
    noted = requests.put(f"{url}/datastore/updatelabelinfo", params={"label": "p9"}, data={"params": '{"a": 1}'}, timeout=9)
    assert noted.status_code == 200
    for params in ('{"a": "\\ud800"}', '{"a": NaN}', '{"a": ', "[1]"):
        data = {"params": params}
        assert (
            requests.put(f"{url}/datastore/updatelabelinfo", params={"label": "p9"}, data=data, timeout=9).status_code == 422
        )
    assert requests.get(f"{url}/datastore/label/info", params={"label": "p9"}, timeout=9).json() == {"a": 1}


def test_sessions_and_inference_of_files_that_a_client_brings(served: Served, tmp_path: Path) -> None:
    client = client_of(served, "expert", tmp_path)
    path = write_volume(tmp_path / "new.nii.gz", (truth_of("p8") * 60).astype(np.int16))
    session = client.create_session(str(path))["session_id"]
    assert client.get_session(session)["expiry"] > 0
    found, _ = client.infer("askance", "", {}, session_id=session)
    assert volume_of(found).shape == SHAPE
    client.remove_session(session)
    with pytest.raises(Exception, match="404"):
        client.get_session(session)
    with pytest.raises(Exception, match="404"):
        client.get_session("../../study.toml")


def test_trainings_are_tasks(served: Served) -> None:
    client, expert = client_of(served), client_of(served, "expert")
    assert not client.train_status(check_if_running=True)
    with pytest.raises(Exception, match="403"):
        expert.train_start("askance", {})
    assert client.train_start("askance", {})["status"] in ("SUBMITTED", "RUNNING")
    with pytest.raises(Exception, match="429"):
        client.train_start(None, {})
    assert client.train_status()["details"]
    stopped = client.train_stop()
    assert stopped["details"]
    end = time.monotonic() + 60
    while client.train_status(check_if_running=True):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert client.train_status()["status"] in ("STOPPED", "DONE")
    url = client.get_server_url()
    assert requests.post(f"{url}/batch/infer/askance", json={}, timeout=9).json()["status"] == "DONE"
    assert requests.post(f"{url}/scoring/stored", json={}, timeout=9).json()["status"] == "DONE"
    assert requests.get(f"{url}/logs/", params={"text": True, "html": False}, timeout=9).status_code == 200


@pytest.mark.parametrize("what", ["other shape", "other place", "other value", "no gzip", "bomb", "no nifti", "other name"])
def test_a_label_that_does_not_fit_is_refused_and_changes_nothing(served: Served, tmp_path: Path, what: str) -> None:
    client = client_of(served, "expert", tmp_path)
    case = client.next_sample("query", {})["id"]
    path = tmp_path / ("secret-name.txt" if what == "other name" else "secret-name.nii.gz")
    labels = truth_of(case)
    if what == "other shape":
        write_volume(path, labels[:-1])
    elif what == "other place":
        write_volume(path, labels, AFFINE @ np.diag([1, 1, -1, 1]))
    elif what == "other value":
        write_volume(path, labels + 7)
    else:
        bomb = gzip.compress(b"\0" * 50_000_000)
        path.write_bytes({"no gzip": b"nothing", "bomb": bomb, "no nifti": gzip.compress(b"x" * 500)}.get(what, b"x"))
    assert_refused(served, client, case, path)


def test_an_unknown_token_is_refused(served: Served, asking_study: Study) -> None:
    for path in ("/info/", "/datastore/", "/train/", "/logs/"):
        assert requests.get(f"{served.url}/t/wrong{path}", timeout=9).status_code == 401
