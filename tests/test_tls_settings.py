"""A certificate and its key are looked at when the settings are loaded."""

import shutil
import subprocess
from pathlib import Path

import pytest

from orderflow.settings import SettingsError, load, load_with_origins, refusals

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")


def certificate(directory: Path, name: str, *, encrypted: bool = False) -> dict[str, str]:
    """Settings with a new certificate and its key."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    protection = ["-passout", "pass:geheim"] if encrypted else ["-noenc"]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", "/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(cert), *protection),
        ],
        check=True,
        capture_output=True,
    )
    return {"ORDERFLOW_TLS_CERT": str(cert), "ORDERFLOW_TLS_KEY": str(key)}


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        load(environment)
    (line,) = str(refused.value).splitlines()
    return line


def test_a_certificate_with_its_key_is_valid_but_not_served_by_this_version(tmp_path: Path) -> None:
    loaded = load_with_origins(certificate(tmp_path, "one"))
    assert [refusal.variable for refusal in refusals(loaded, "up")] == ["ORDERFLOW_TLS_CERT"]


def test_a_certificate_and_its_key_are_named_together(tmp_path: Path) -> None:
    both = certificate(tmp_path, "one")
    for name in both:
        (missing,) = both.keys() - {name}
        assert refusal({name: both[name]}) == f"{missing}: needed beside {name}"


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    one, other = certificate(tmp_path, "one"), certificate(tmp_path, "other")
    line = refusal({**one, "ORDERFLOW_TLS_KEY": other["ORDERFLOW_TLS_KEY"]})
    assert line.startswith("ORDERFLOW_TLS_CERT: ")
    assert "do not work together" in line


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    assert "not encrypted" in refusal(certificate(tmp_path, "one", encrypted=True))


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path, content: str) -> None:
    both = certificate(tmp_path, "one")
    Path(both["ORDERFLOW_TLS_CERT"]).write_text(content)
    assert refusal(both).startswith("ORDERFLOW_TLS_CERT: ")


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    both = certificate(tmp_path, "one")
    missing = str(tmp_path / "missing")
    for name in both:
        assert refusal({**both, name: missing}) == f"{name}: {missing} cannot be read: it is no file"
