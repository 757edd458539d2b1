"""The socket: who may reach it, and the link that is printed."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from askance.errors import UsageError
from askance.server.app import create_app
from askance.server.page import is_built
from askance.store.store import Store
from askance.store.users import SERVER

_log = logging.getLogger(__name__)
_KEEP_ALIVE_S = 30


@dataclass(frozen=True)
class Address:
    """Where to listen. ``certificate`` and ``key``: PEM files; ``behind_proxy``: one that speaks TLS stands in front."""

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False


def serve(store: Store, address: Address, days: float = 1) -> None:
    """Serve until stopped; prints an admin's link that works for ``days``.

    Raises:
        UsageError: reachable from a network without TLS, a certificate that cannot be used, or the port is taken.
    """
    require_private(address)
    config = configured(store, address)
    listening = _listen(address)
    port = listening.getsockname()[1]
    token = store.desk.add_user(SERVER, "admin", days, "askance serve")
    scheme = "https" if address.certificate else "http"
    host = f"[{address.host}]" if ":" in address.host else address.host
    if not is_built():
        _log.warning("the page is not built, only the API and 3D Slicer will work; `make web` builds it, and needs Node.js")
    print(f"{scheme}://{host}:{port}/enter?token={token}", flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def configured(store: Store, address: Address) -> uvicorn.Config:
    """The server's settings, its certificate read.

    Raises:
        UsageError: the certificate or its key cannot be read, or is none.
    """
    config = uvicorn.Config(
        create_app(store), log_level="warning", access_log=False, server_header=False, timeout_keep_alive=_KEEP_ALIVE_S,
        proxy_headers=address.behind_proxy, forwarded_allow_ips="*" if address.behind_proxy else None,
        timeout_graceful_shutdown=5, ssl_certfile=address.certificate, ssl_keyfile=address.key,
    )  # fmt: skip
    files = [path for path in (address.certificate, address.key) if path is not None]
    for path in files:
        _require_readable(path)
    try:
        config.load()
    except ssl.SSLError as error:
        named = " with ".join(str(path) for path in files)
        raise UsageError(f"{named}: is no certificate with its key ({error}); give both as PEM files") from None
    return config


def _require_readable(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None


def require_private(address: Address) -> None:
    """Let an address pass that is loopback, speaks TLS, or stands behind a proxy that does.

    Raises:
        UsageError: tokens and images would cross a network in the clear.
    """
    if (address.certificate is None) != (address.key is None):
        raise UsageError("--certificate and --key go together; give both or neither")
    if not (_is_loopback(address.host) or address.certificate or address.behind_proxy):
        raise UsageError(
            f"{address.host} can be reached from other machines, and tokens and images would go there in the clear; "
            "give --certificate and --key, or say --behind-proxy where a proxy speaks TLS"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host, address.port))
        listening.listen()  # from here on, who follows the link waits instead of being refused
    except (OSError, OverflowError) as error:
        listening.close()
        raise UsageError(f"{address.host}:{address.port} cannot be listened on ({error}); choose another --port") from None
    return listening
