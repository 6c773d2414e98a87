"""`config show` says where each value comes from; `config check` what keeps a role from starting."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.authority import Authority
from tests.issuer import AUDIENCE, NAME, Issuer

from orderflow import cli

pytestmark = pytest.mark.usefixtures("logging_restored")


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def given(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"ORDERFLOW_{name}", value)


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert cli.run(["config", "show", "--json"]) == 0
    return {row["name"].removeprefix("ORDERFLOW_"): row for row in json.loads(capsys.readouterr().out)}


def checked(capsys: pytest.CaptureFixture[str], *role: str) -> tuple[int, dict[str, dict[str, Any]]]:
    code = cli.run(["config", "check", *role, "--json"])
    return code, {row["part"]: row for row in json.loads(capsys.readouterr().out)}


def test_show_says_where_each_value_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toml, key = tmp_path / "own.toml", tmp_path / "key"
    toml.write_text("api_workers = 3\n")
    key.write_text("geheim")
    given(monkeypatch, CONFIG=str(toml), API_KEY_FILE=str(key), ENV="staging")
    given(monkeypatch, DATABASE_URL="postgresql://u:geheim@h/d?sslpassword=geheim")
    rows = shown(capsys)
    assert {
        name: (rows[name]["source"], rows[name]["where"]) for name in ("PORT", "AUTH", "API_WORKERS")
    } == {
        "PORT": ("default", None),
        "AUTH": ("profile", "staging.toml"),
        "API_WORKERS": ("file", str(toml)),
    }
    assert (rows["API_KEY"]["source"], rows["API_KEY"]["where"]) == ("file", str(key))
    assert rows["ENV"]["source"] == "environment"
    assert rows["DATABASE_URL"]["value"] == "postgresql://u:***@h/d?sslpassword=***"
    assert cli.run(["config", "show"]) == 0
    told = capsys.readouterr().out
    assert "geheim" not in told + str(rows)
    assert f"file {toml}" in told


def test_check_names_every_variable_that_keeps_a_role_from_starting_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, ENV="prod", HOST="0.0.0.0", AUTH="off")  # noqa: S104
    code, findings = checked(capsys)
    assert code == 1
    wrong = {part for part, finding in findings.items() if finding["level"] == "wrong"}
    assert wrong == {
        f"ORDERFLOW_{name}"
        for name in ("AUTH", "TLS_CERT", "DATABASE_URL", "FULFILLMENT_DATABASE_URL", "BUS_URL", "CARRIER")
    }
    assert not any(findings[part]["ok"] for part in wrong)
    assert "leave it out" in findings["ORDERFLOW_AUTH"]["text"]


def test_check_looks_only_at_what_the_role_needs(capsys: pytest.CaptureFixture[str]) -> None:
    code, findings = checked(capsys, "fulfillment")
    assert code == 1
    assert set(findings) == {"settings", "ORDERFLOW_FULFILLMENT_DATABASE_URL", "fulfillment database", "bus"}
    assert checked(capsys)[0] == 0


def test_check_reports_wrong_settings_as_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, PORT="99999", DATABSE_URL="geheim")
    code, findings = checked(capsys)
    assert code == 1
    assert findings.keys() == {"ORDERFLOW_PORT", "ORDERFLOW_DATABSE_URL"}
    assert "geheim" not in str(findings)


def test_check_warns_of_a_secret_that_everybody_may_read_and_lets_the_role_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text("geheim")
    key.chmod(0o644)
    given(monkeypatch, API_KEY_FILE=str(key))
    code, findings = checked(capsys)
    assert (code, findings["ORDERFLOW_API_KEY_FILE"]["level"]) == (0, "warning")
    assert cli.run(["config", "check"]) == 0
    assert "WARNING ORDERFLOW_API_KEY_FILE: everybody" in capsys.readouterr().out


def tokens(issuer: Issuer, **others: str) -> dict[str, str]:
    named = {"JWT_ISSUER": NAME, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS_URL": issuer.url}
    return {"AUTH": "on", **named, **others}


def test_check_fetches_the_keys_of_tokens(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Issuer(authority) as issuer:
        given(monkeypatch, **tokens(issuer, CA=str(authority.file)))
        for role in ("up", "api", "fulfillment"):
            finding = checked(capsys, role)[1]["token keys"]
            assert (finding["level"], finding["text"]) == ("ok", f"1 at {issuer.url}")
        assert "token keys" not in checked(capsys, "relay")[1]


def test_check_says_why_the_keys_of_tokens_cannot_be_fetched(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found() -> tuple[str, str]:
        code, findings = checked(capsys)
        assert code == 0, "the role starts all the same"
        return findings["token keys"]["level"], findings["token keys"]["text"]

    with Issuer(authority) as issuer:
        given(monkeypatch, **tokens(issuer))
        level, text = found()
        assert level == "warning"
        assert "put the certificate of its authority into ORDERFLOW_CA" in text
        given(monkeypatch, CA=str(authority.file), JWT_JWKS_URL=issuer.url.replace("/keys", "/key"))
        assert found() == (
            "warning",
            f"cannot be fetched: {issuer.url[:-1]} answers with 404; no token is taken until they can",
        )
    assert found()[0] == "warning"


@pytest.mark.parametrize("days_left", [10, 40])
def test_check_warns_of_a_certificate_of_ours_that_expires_soon(
    days_left: int,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    identity = authority.issue(days_left=days_left)
    cert, key = str(identity.cert), str(identity.key)
    given(monkeypatch, TLS_CERT=cert, TLS_KEY=key)
    given(monkeypatch, KAFKA_SECURITY="ssl", KAFKA_CERT=cert, KAFKA_KEY=key)
    code, findings = checked(capsys)
    assert code == 0
    warned = {part for part, finding in findings.items() if finding["level"] == "warning"}
    assert warned == ({"ORDERFLOW_TLS_CERT", "ORDERFLOW_KAFKA_CERT"} if days_left == 10 else set())
    if warned:
        assert f"the certificate in {cert} expires in 10 days" in findings["ORDERFLOW_TLS_CERT"]["text"]


def test_check_warns_of_a_certificate_that_has_expired(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = authority.issue(expired=True)
    given(monkeypatch, TLS_CERT=str(identity.cert), TLS_KEY=str(identity.key))
    code, findings = checked(capsys)
    assert (code, findings["ORDERFLOW_TLS_CERT"]["level"]) == (0, "warning")
    assert f"the certificate in {identity.cert} has expired" in findings["ORDERFLOW_TLS_CERT"]["text"]


@pytest.mark.parametrize("role", ["up", "api", "relay", "fulfillment"])
def test_a_role_ends_with_a_line_per_variable_before_it_announces_anything(
    role: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, ENV="prod", AUTH="off")
    assert cli.run([role]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("ORDERFLOW_AUTH: ")
    assert all(line.startswith("ORDERFLOW_") for line in told.err.splitlines())
    assert list(tmp_path.iterdir()) == []
