"""The server, its people and its jobs, and a study kept safe: serve, users, backup, restore, work."""

from __future__ import annotations

import argparse
from pathlib import Path

from askance.commands.printing import print_rows
from askance.errors import UsageError
from askance.options import command, database_option, json_option, study_argument

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from typing import Any

Arguments = argparse.Namespace


def add_commands(group: Any) -> None:
    """What the server needs."""
    serve = command(group, "serve", _serve, "the expert's page, and the MONAI Label API for 3D Slicer")
    study_argument(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on (8000; 0: any free one)")
    serve.add_argument("--certificate", type=Path, metavar="PEM", help="speak TLS with this certificate")
    serve.add_argument("--key", type=Path, metavar="PEM", help="the certificate's key")
    serve.add_argument("--behind-proxy", action="store_true", help="a proxy that speaks TLS stands in front")
    serve.add_argument("--days", type=float, default=1, help="days that the printed link works (1)")
    database_option(serve, "where the study's PostgreSQL database is now, for this and every later command")

    users = command(group, "users", _users, "who may work on a study: a link a person")
    users.add_argument("action", choices=["add", "list", "revoke"])
    study_argument(users)
    users.add_argument("name", nargs="?", help="the person; add again for a new link")
    users.add_argument("--role", choices=["expert", "reviewer", "admin"], default="expert", help="what they may (expert)")
    users.add_argument("--days", type=float, default=30, help="days that the link works (30)")
    users.add_argument("--url", default="http://127.0.0.1:8000", help="where they reach the server")
    json_option(users)

    backup = command(group, "backup", _backup, "a study in one file, also while it is served")
    study_argument(backup)
    backup.add_argument("file", type=Path, help="the archive, made anew (.tar)")

    restore = command(group, "restore", _restore, "a study from a backup, every label checked")
    restore.add_argument("file", type=Path, help="what `askance backup` wrote")
    restore.add_argument("study", type=Path, help="the study's folder, made anew")
    database_option(restore, "put its state into this empty PostgreSQL database (SQLite in the folder)")

    work = command(group, "work", _work, "what a job of the server does; the server starts it")
    study_argument(work)
    work.add_argument("--job", type=int, required=True, metavar="N", help="the job's number")


def _serve(arguments: Arguments) -> None:
    """Serve a study until stopped."""
    from askance.server.serving import Address, serve
    from askance.store.place import readdress
    from askance.store.store import Store

    if arguments.database:
        readdress(arguments.study, arguments.database)
    address = Address(arguments.host, arguments.port, arguments.certificate, arguments.key, arguments.behind_proxy)
    with Store.open(arguments.study) as store:
        serve(store, address, arguments.days)


def _users(arguments: Arguments) -> None:
    """Give a person a link, list people, or end a person's links."""
    from dataclasses import asdict

    from askance.store.store import Store

    with Store.open(arguments.study) as store:
        if arguments.action == "list":
            print_rows([asdict(one) for one in store.desk.users()], arguments.json)
            return
        if not arguments.name:
            raise UsageError(f"askance users {arguments.action}: wanted the person's name after the study")
        if arguments.action == "revoke":
            print(f"{store.desk.revoke_user(arguments.name, 'command line')} links of {arguments.name} ended")
            return
        token = store.desk.add_user(arguments.name, arguments.role, arguments.days, "command line")
    print(f"{arguments.url.rstrip('/')}/enter?token={token}")


def _backup(arguments: Arguments) -> None:
    """Write a study to one file."""
    from askance.store.backup import backup
    from askance.store.store import Store

    with Store.open(arguments.study) as store:
        print(f"{backup(store, arguments.file)} files in {arguments.file}")


def _restore(arguments: Arguments) -> None:
    """Make a study from a backup."""
    from askance.store.backup import restore

    checked = restore(arguments.file, arguments.study, arguments.database)
    print(f"{checked} labels checked; the study is in {arguments.study}")


def _work(arguments: Arguments) -> None:
    """Do a job of the server's."""
    from askance.worker import work

    work(arguments.study, arguments.job)
