"""Browsers are told to call us by HTTPS alone where we are called by HTTPS, and only there (RFC 6797)."""

import http.client
import ssl
from pathlib import Path

import pytest
from tests.authority import Authority
from tests.web.conftest import LISTENERS, listening

from orderflow.runtime.tls import ServerTls

HEADER = "strict-transport-security"


def told(port: int, client: ssl.SSLContext | None, path: str) -> str | None:
    connection = (
        http.client.HTTPConnection("localhost", port, timeout=20)
        if client is None
        else http.client.HTTPSConnection("localhost", port, context=client, timeout=20)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().getheader(HEADER)
    finally:
        connection.close()


@pytest.mark.parametrize("name", LISTENERS)
@pytest.mark.parametrize("behind_proxy", [False, True])
def test_every_answer_by_tls_says_so(
    name: str, behind_proxy: bool, tmp_path: Path, authority: Authority
) -> None:
    identity = authority.issue()
    tls = ServerTls(identity.cert, identity.key)
    with listening(name, tmp_path, tls=tls, behind_proxy=behind_proxy) as port:
        for path in ("/health/live", "/nowhere"):
            assert told(port, authority.client(), path) == "max-age=31536000"


@pytest.mark.parametrize("name", LISTENERS)
@pytest.mark.parametrize(("behind_proxy", "said"), [(False, None), (True, "max-age=31536000")])
def test_plain_text_says_so_only_behind_a_proxy_that_speaks_tls(
    name: str, behind_proxy: bool, said: str | None, tmp_path: Path
) -> None:
    with listening(name, tmp_path, behind_proxy=behind_proxy) as port:
        for path in ("/health/live", "/nowhere"):
            assert told(port, None, path) == said
