"""The files of TLS are looked at when the settings are loaded."""

from pathlib import Path

import pytest
from tests.authority import Authority

from orderflow.settings import SettingsError, load, load_with_origins, refusals


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def certificate(authority: Authority) -> dict[str, str]:
    """Settings with a new certificate and its key."""
    identity = authority.issue()
    return {"ORDERFLOW_TLS_CERT": str(identity.cert), "ORDERFLOW_TLS_KEY": str(identity.key)}


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        load(environment)
    (line,) = str(refused.value).splitlines()
    return line


def test_a_certificate_with_its_key_is_valid(authority: Authority) -> None:
    authorities = {f"ORDERFLOW_{name}": str(authority.file) for name in ("CA", "TLS_CLIENT_CA")}
    loaded = load_with_origins({**certificate(authority), **authorities})
    assert refusals(loaded, "up") == []
    assert loaded.settings.ca == loaded.settings.tls_client_ca == authority.file


def test_a_certificate_and_its_key_are_named_together(authority: Authority) -> None:
    both = certificate(authority)
    for name in both:
        (missing,) = both.keys() - {name}
        assert refusal({name: both[name]}) == f"{missing}: needed beside {name}"
    clients = {"ORDERFLOW_TLS_CLIENT_CA": str(authority.file)}
    assert refusal(clients) == "ORDERFLOW_TLS_CERT: needed beside ORDERFLOW_TLS_CLIENT_CA"


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    one, other = certificate(authority), certificate(authority)
    line = refusal({**one, "ORDERFLOW_TLS_KEY": other["ORDERFLOW_TLS_KEY"]})
    assert line.startswith("ORDERFLOW_TLS_KEY: ")
    assert "is not the key of the certificate" in line


@pytest.mark.parametrize("content", ["", "no certificate"])
@pytest.mark.parametrize("name", ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "CA"])
def test_a_file_that_is_no_certificate_or_key_is_refused(
    authority: Authority, tmp_path: Path, name: str, content: str
) -> None:
    file = tmp_path / "other"
    file.write_text(content)
    line = refusal({**certificate(authority), f"ORDERFLOW_{name}": str(file)})
    assert f"ORDERFLOW_{name}" in line
    assert "is no PEM file" in line


@pytest.mark.parametrize("name", ["TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "CA"])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(
    authority: Authority, tmp_path: Path, name: str
) -> None:
    for file, why in ((tmp_path / "missing", "No such file or directory"), (tmp_path, "it is no file")):
        line = refusal({**certificate(authority), f"ORDERFLOW_{name}": str(file)})
        assert line == f"ORDERFLOW_{name}: {file} cannot be read: {why}"


def kafka(**given: str) -> dict[str, str]:
    return {f"ORDERFLOW_KAFKA_{name}": value for name, value in given.items()}


def test_what_means_nothing_to_kafka_is_refused_so_that_nobody_believes_in_encryption(
    authority: Authority,
) -> None:
    identity = authority.issue()
    pair = kafka(CERT=str(identity.cert), KEY=str(identity.key))
    user = kafka(USERNAME="orders", PASSWORD="geheim")
    for given, variable, remedy in (
        (kafka(CA=str(authority.file)), "CA", "ssl"),
        (pair, "CERT", "ssl"),
        (user, "USERNAME", "sasl_ssl"),
        ({**user, **kafka(SECURITY="ssl")}, "USERNAME", "sasl_ssl"),
    ):
        line = refusal(given)
        assert line.startswith(f"ORDERFLOW_KAFKA_{variable}: means nothing")
        assert line.endswith(f"set that to {remedy}")
    assert load({**pair, **kafka(SECURITY="ssl")}).kafka_cert == identity.cert
    assert load({**pair, **user, **kafka(SECURITY="sasl_ssl")}).kafka_username == "orders"


def test_kafkas_settings_are_named_together(authority: Authority) -> None:
    missing = "needed where ORDERFLOW_KAFKA_SECURITY is sasl_ssl"
    assert refusal(kafka(SECURITY="sasl_ssl")) == f"ORDERFLOW_KAFKA_USERNAME: {missing}"
    alone = kafka(SECURITY="sasl_ssl", USERNAME="orders")
    assert refusal(alone) == "ORDERFLOW_KAFKA_PASSWORD: needed beside ORDERFLOW_KAFKA_USERNAME"
    cert = kafka(SECURITY="ssl", CERT=str(authority.issue().cert))
    assert refusal(cert) == "ORDERFLOW_KAFKA_KEY: needed beside ORDERFLOW_KAFKA_CERT"


def test_kafkas_files_are_looked_at(authority: Authority, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for given in (kafka(CA=missing), kafka(CERT=missing, KEY=str(authority.issue().key))):
        line = refusal({**given, **kafka(SECURITY="ssl")})
        assert line == f"{next(iter(given))}: {missing} cannot be read: No such file or directory"
