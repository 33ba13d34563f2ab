"""Servers on loopback, shared by the integration tests; nothing else of a network is asked."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.support.servers.fault_server import FaultServer

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and certificates of the surroundings must not reach the tests."""
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """An HTTP server with every fault; `serve()` adds files, `hits` counts requests."""
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts unless told to."""
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA, tmp_path: Path) -> Iterator[FaultServer]:
    """The same over HTTPS, with a certificate for localhost and 127.0.0.1."""
    with FaultServer(
        tls=serving_context(authority, "localhost", "127.0.0.1"),
        ca_pem=_write_authority(authority, tmp_path),
        ssl_context=_trusting_context(authority),
    ) as server:
        yield server


@pytest.fixture
def misnamed_tls_server(authority: trustme.CA) -> Iterator[FaultServer]:
    """HTTPS with a certificate for another host."""
    with FaultServer(
        tls=serving_context(authority, "other.example"), ssl_context=_trusting_context(authority)
    ) as server:
        yield server


def serving_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def _trusting_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _write_authority(authority: trustme.CA, folder: Path) -> Path:
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
