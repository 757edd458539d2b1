"""A study on PostgreSQL from `askance init` to a trained cycle: nobody who works on it sees a difference."""

import time
from pathlib import Path

import numpy as np
import pytest
import requests
from served import serving, upload

from askance.cli import main
from askance.store.store import Store
from made_studies import LEARN, TINY, advance, make_study, truth_of, write_dataset
from postgres_server import Server

pytestmark = pytest.mark.slow


def ask(url: str, token: str, method: str, path: str, **more: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, f"{url}/api/{path}", headers=headers, timeout=60, **more)  # type: ignore[arg-type]


def test_a_study_is_made_served_answered_and_trained_on_postgres(tmp_path: Path, postgres: Server) -> None:
    folder = tmp_path / "study"
    settings = {"expert": "human", "budget": {"base": 2, "total": 4, "cycles": 1}}
    with make_study(
        folder, write_dataset(tmp_path / "data", labelled=("p4",)), postgres.new_database(), **settings
    ) as study:
        advance(study)
        asked = list(study.store.queries()[0].slice_ids)
        token = study.store.desk.add_user("ada", "admin", 1, "test")
    with serving(folder) as served:
        for _ in asked:
            slice_id = ask(served.url, token, "POST", "next", json={"tab": "t"}).json()["slice"]
            case, _, index = slice_id.split("/")
            planes = {int(index): truth_of(case)[..., int(index)]}
            where = {"slice": slice_id, "tab": "t"}
            sent = ask(served.url, token, "POST", "submit", params=where, data=upload(planes))
            assert sent.status_code == 200, sent.text
        started = ask(served.url, token, "POST", "jobs")
        assert started.status_code == 200, started.text
        end = time.monotonic() + 300
        while (job := ask(served.url, token, "GET", "jobs").json()[0])["state"] in ("queued", "running"):
            assert time.monotonic() < end
            time.sleep(0.5)
        assert job["state"] == "waiting", job
        postgres.stop()
        try:
            down = ask(served.url, token, "POST", "next", json={"tab": "t"})
            assert down.status_code == 503
            assert "127.0.0.1" not in down.text
        finally:
            postgres.start()
        again = ask(served.url, token, "POST", "next", json={"tab": "t"})
        assert again.json()["slice"].split("/")[0] in LEARN
    with Store.open(folder) as store:
        assert {one.slice_id for one in store.annotations()} == set(asked)
        assert [one.number for one in store.cycles()] == [0]
        assert np.isin(store.read_annotation(store.annotations()[0]), (0, 1, 2)).all()


def test_the_command_line_says_what_is_wrong_in_one_line_without_the_password(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, study = write_dataset(tmp_path / "data"), str(tmp_path / "study")
    url = postgres.new_database()
    init = ["init", study, "--data", str(data), "--database"]
    assert main([*init, url.replace("@", f":{postgres.password}@")]) == 2
    with monkeypatch.context() as patch:
        patch.setenv("PGPASSWORD", "wrong-secret")
        assert main([*init, url]) == 1
    assert main([*init, url]) == 0
    assert main(["serve", study, "--database", postgres.new_database(), "--port", "0"]) == 1
    assert main(["backup", study, str(tmp_path / "b.tar")]) == 0
    assert main(["restore", str(tmp_path / "b.tar"), str(tmp_path / "moved"), "--database", url]) == 1
    assert main(["restore", str(tmp_path / "b.tar"), str(tmp_path / "moved")]) == 0
    assert main(["status", str(tmp_path / "moved"), "--json"]) == 0
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.startswith("askance:")]
    assert len(lines) == 4
    for text in ("holds a password", "authentication failed", "holds no study's tables", "holds a study already"):
        assert sum(text in line for line in lines) == 1, said
    assert "secret" not in said
    assert "Traceback" not in said


def test_a_simulated_experts_loop_runs_to_its_end_on_postgres(tmp_path: Path, postgres: Server) -> None:
    settings = {**TINY, "expert": "simulated"}
    numbers = []
    for name, url in (("here", None), ("there", postgres.new_database())):
        with make_study(tmp_path / name, write_dataset(tmp_path / f"data-{name}"), url, **settings) as study:
            advance(study)
            numbers.append([(one.number, one.record["dice"]) for one in study.store.cycles()])
            assert sorted(study.store.states().values()).count("accepted") == 7
    assert numbers[0] == numbers[1]
