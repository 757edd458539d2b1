"""Who may what, and what a bad guest gets: a clear refusal, nothing changed, no path and no traceback."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from served import People, people_of
from starlette.testclient import TestClient

from askance.active.study import Study
from askance.cli import main
from askance.errors import UsageError
from askance.server import guarding, page, serving
from askance.server.app import create_app
from askance.server.guarding import HEADERS
from askance.server.serving import Address, require_private, serve
from askance.store.store import Store

ADMINS = [
    ("GET", "/api/jobs"),
    ("POST", "/api/jobs"),
    ("GET", "/api/users"),
    ("GET", "/api/audit"),
    ("GET", "/api/jobs/1/log"),
]
REVIEWERS = [("POST", "/api/review/next"), ("GET", "/api/review/disagreements"), ("POST", "/api/review/accept")]


def test_without_a_working_token_nothing_is_told(people: People) -> None:
    for path in ("/api/me", "/api/progress", "/api/view?slice=p1/2/0"):
        assert people.anna.client.get(path).status_code == 401
    people.store.desk.revoke_user("anna", "ada")
    people.ben.token = people.store.desk.add_user("ben", "expert", 1e-9, "ada")
    for person in (people.anna, people.ben):
        assert person.ask("GET", "/api/me").status_code == 401


@pytest.mark.parametrize(("method", "path"), ADMINS + REVIEWERS)
def test_an_expert_may_not_do_what_is_an_admins_or_a_reviewers(people: People, method: str, path: str) -> None:
    answer = people.anna.ask(method, path, json={"tab": "t", "slice": "p1/2/0"})
    assert answer.status_code == 403
    assert "anna is expert" in answer.json()["error"]


def test_a_link_signs_a_browser_in_and_the_cookie_is_kept_from_scripts(people: People) -> None:
    client = people.anna.client
    answer = client.get("/enter", params={"token": people.anna.token}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert client.get("/api/me").json()["user"] == "anna"
    assert client.get("/enter", params={"token": "wrong"}).status_code == 401


def test_two_studies_of_one_name_have_keys_of_their_own(people: People, tmp_path: Path) -> None:
    key = people.anna.ask("GET", "/api/me").json()["study"]["key"]
    copied = tmp_path / "copied"
    shutil.copytree(people.store.folder, copied)
    with Store.open(copied) as store, TestClient(create_app(store), base_url="http://127.0.0.1") as client:
        me = people_of(store, client).anna.ask("GET", "/api/me").json()
    assert me["study"]["name"] == people.store.config.name
    assert me["study"]["key"] != key


def test_a_page_of_another_site_changes_nothing(people: People) -> None:
    client = people.anna.client
    client.get("/enter", params={"token": people.anna.token}, follow_redirects=False)
    other_site, basic = {"X-Askance": "1", "Sec-Fetch-Site": "cross-site"}, {"Authorization": "Basic eDp5"}
    for headers in ({}, other_site, {"Sec-Fetch-Site": "same-site"}, basic, basic | other_site):
        answer = client.post("/api/next", json={"tab": "t"}, headers=headers)
        assert answer.status_code == 403, headers
    assert "leased" not in people.store.desk.counts()
    assert client.post("/api/next", json={"tab": "t"}, headers={"X-Askance": "1"}).status_code == 200


def test_every_answer_forbids_framing_and_foreign_scripts(people: People) -> None:
    for path in ("/", "/api/health", "/api/me", "/nowhere"):
        headers = people.anna.client.get(path).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "name", ["p1/2/99", "../../etc/passwd", "/etc/passwd/2/0", "p4/2/0", "p1/0/1", "a/b", "p1/2/x", "p1/2/\0", "p1/2/-1"]
)
def test_a_slice_that_is_none_is_refused_without_a_path(people: People, name: str) -> None:
    for method, path in (("GET", "/api/view"), ("GET", "/api/versions"), ("PUT", "/api/draft"), ("POST", "/api/submit")):
        answer = people.ada.ask(method, path, params={"slice": name, "tab": "t"})
        assert answer.status_code == 422, (path, answer.text)
        assert str(people.store.folder) not in answer.text
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["../secret.py", "x/../../secret.py", "..\\secret.py", "SECRET", "/SECRET", "link.py"])
def test_no_file_beside_the_page_is_served(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assets, secret = tmp_path / "page" / "assets", tmp_path / "page" / "secret.py"
    (assets / "x").mkdir(parents=True)
    (assets / "page.js").write_text("")
    secret.write_text("")
    (assets / "link.py").symlink_to(secret)
    monkeypatch.setattr(page, "ASSETS", assets)
    client = TestClient(create_app(people.store), base_url="http://127.0.0.1")
    assert client.get("/assets/page.js").status_code == 200
    hidden = path.replace("SECRET", str(secret)).replace("/", "%2f").replace(".", "%2e")  # else the client tidies it up
    assert client.get(f"/assets/{hidden}").status_code == 404


def test_a_body_larger_than_allowed_is_refused(people: People) -> None:
    where = {"slice": people.anna.next(), "tab": people.anna.tab}
    assert people.anna.ask("POST", "/api/submit", params=where, content=b"\0" * (8 * 2**20 + 1)).status_code == 413


@pytest.mark.parametrize("path", ["/api/next", "/api/submit", "/t/TOKEN/datastore/label?image=p1"])
def test_a_body_sent_in_pieces_is_refused_at_its_limit(people: People, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(guarding, "MAX_UPLOAD", 16 * 2**20)
    limit = 16 * 2**20 if path.startswith("/t/") else 8 * 2**20
    sent, head = 0, b'--x\r\nContent-Disposition: form-data; name="label"; filename="a.nii"\r\n\r\n'

    async def receive() -> dict[str, object]:
        nonlocal sent
        assert sent <= limit, "more is read than may be"
        sent += 2**20
        return {"type": "http.request", "body": (head if sent == 2**20 else b"").ljust(2**20, b"\0"), "more_body": True}

    assert asyncio.run(answered(people, path.replace("TOKEN", people.anna.token), receive)) == 413


def test_a_volume_from_somebody_unknown_is_not_read(people: People) -> None:
    async def receive() -> dict[str, object]:
        raise AssertionError("the body is read")

    for path in ("/t/wrong/datastore/label?image=p1", "/t//session/label", f"/t/{'x' * 500}/infer/askance/label"):
        assert asyncio.run(answered(people, path, receive)) == 401


async def answered(people: People, path: str, receive: Callable[[], Awaitable[dict[str, object]]]) -> int:
    """Status for a body of unknown length."""
    where, _, query = path.partition("?")
    kind = b"multipart/form-data; boundary=x" if "label" in path else b"application/json"
    scope = {"type": "http", "method": "PUT" if "label" in path else "POST", "path": where, "query_string": query.encode()}
    headers = [(b"content-type", kind), (b"transfer-encoding", b"chunked"), (b"x-askance", b"1")]
    told: list[int] = []

    async def send(message: dict[str, object]) -> None:
        told.extend([int(str(message["status"]))] if "status" in message else [])

    await people.anna.client.app({**scope, "headers": headers, "http_version": "1.1"}, receive, send)
    return told[0]


def test_a_missing_source_is_told_without_its_path(people: People, tmp_path: Path) -> None:
    for case in people.store.cases("learn"):
        gone = tuple(replace(one, path=tmp_path / "gone" / "x_0000.nii.gz") for one in case.images)
        people.store.replace_case(replace(case, images=gone))
    answer = people.anna.ask("GET", "/api/view", params={"slice": people.anna.next()})
    assert answer.status_code == 503
    assert "gone" not in answer.text


@pytest.mark.parametrize(
    ("address", "open_to_all"),
    [
        (Address(), False),
        (Address(host="::1"), False),
        (Address(host="0.0.0.0"), True),
        (Address(host="example.org"), True),
        (Address(host="0.0.0.0", behind_proxy=True), False),
        (Address(host="0.0.0.0", certificate=Path("c"), key=Path("k")), False),
        (Address(certificate=Path("c")), True),
    ],
)
def test_the_server_does_not_stand_open_on_a_network(address: Address, open_to_all: bool) -> None:
    if not open_to_all:
        require_private(address)
        return
    with pytest.raises(UsageError, match="--"):
        require_private(address)


@pytest.mark.parametrize("wrong", ["certificate", "key", "pem"])
def test_a_certificate_that_cannot_be_used_is_told_before_anything_is_printed(
    asking_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    paths = [tmp_path / name for name in ("certificate.pem", "key.pem")]
    for path in paths:
        path.write_text("no PEM at all")
    named = paths[0] if wrong == "pem" else tmp_path / f"{wrong}.pem"
    if wrong != "pem":
        named.unlink()
    study = str(asking_study.store.folder)
    assert main(["serve", study, "--port", "0", "--certificate", str(paths[0]), "--key", str(paths[1])]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"askance: {named}")
    assert told.err.count("\n") == 1


def test_the_only_admin_is_not_revoked_through_the_page_either(people: People) -> None:
    answer = people.ada.post("users/revoke", name="ada")
    assert answer.status_code == 422
    assert "ada is the only admin whose link works" in answer.json()["error"]
    assert people.ada.ask("GET", "/api/me").status_code == 200


def test_a_page_that_is_not_built_is_told_where_the_server_starts(
    asking_study: Study,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(uvicorn.Server, "run", lambda _, sockets: sockets[0].close())
    for built in (True, False):
        monkeypatch.setattr(serving, "is_built", lambda built=built: built)
        caplog.clear()
        serve(asking_study.store, Address(port=0))
        assert "/enter?token=" in capsys.readouterr().out
        assert ("make web" in caplog.text) is not built
