"""The page at `/docs` comes whole from the service itself."""

import hashlib
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from tests.conftest import missing
from tests.orders.conftest import Service

FOLDER = files("orderflow.web") / "swagger_ui"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'orders.db'}"


def test_the_page_asks_no_other_host_for_anything(service: Service) -> None:
    page = service.send("GET", "/docs")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    linked = re.findall(rb'(?:src|href)="([^"]+)"', page.body)
    assert all(link.startswith((b"/docs/", b"data:")) for link in linked)
    for link in linked:
        if link.startswith(b"/"):
            answer = service.send("GET", link.decode())
            assert answer.status == 200
            assert answer.headers["x-content-type-options"] == "nosniff"


def test_nothing_else_of_the_folder_is_served(service: Service) -> None:
    for name in ("LICENSE", "page.html", "..%2fdocs_page.py", "%2e%2e", ""):
        assert service.send("GET", f"/docs/{name}").status == 404


def test_the_files_are_those_of_the_release() -> None:
    for line in (FOLDER / "SHA256SUMS").read_text().splitlines():
        wanted, name = line.split()
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == wanted


def test_a_browser_shows_every_operation(service: Service, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or missing("chromium", "sudo apt-get install chromium")
    shown = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=15000",
            "--dump-dom",
            f"http://127.0.0.1:{service.port}/docs",
        ],
        capture_output=True,
        timeout=100,
        check=True,
    ).stdout
    assert shown.count(b'class="opblock ') >= 10
    assert b"Place an order" in shown
