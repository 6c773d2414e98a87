"""Secrets from files: what a container platform mounts is read, and never shown."""

from contextlib import suppress
from pathlib import Path

import pytest

from orderflow import settings
from orderflow.database.errors import DatabaseMisconfigured
from orderflow.database.urls import parse_url
from orderflow.fulfillment.carriers.connect import open_carriers
from orderflow.fulfillment.payments.connect import open_payments

URL = "postgresql://orders:s3cret@database/orders"


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a database URL in a file, named in the environment."""
    (tmp_path / "orderflow_database_url").write_text(f"{URL}\n")
    monkeypatch.setenv("ORDERFLOW_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_secret_comes_from_the_file_named_as_its_variable(secrets: Path) -> None:
    loaded = settings.load()
    assert loaded.orders_database == URL
    assert "s3cret" not in str(settings.shown(loaded))


def test_the_environment_wins_over_a_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_DATABASE_URL", "postgresql://other/orders")
    assert settings.load().orders_database == "postgresql://other/orders"


def test_a_secret_file_wins_over_the_toml_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = secrets / "settings.toml"
    toml.write_text('database_url = "postgresql://other/orders"\nport = 9000\n')
    monkeypatch.setenv("ORDERFLOW_CONFIG", str(toml))
    loaded = settings.load()
    assert (loaded.orders_database, loaded.port) == (URL, 9000)


def test_files_of_others_in_the_directory_are_no_settings(secrets: Path) -> None:
    (secrets / "another_program_password").write_text("x")
    assert settings.load().orders_database == URL


def test_secrets_mounted_by_symbolic_links_are_followed_within_their_directory(secrets: Path) -> None:
    (secrets / "..2026").mkdir()
    (secrets / "orderflow_database_url").rename(secrets / "..2026" / "orderflow_database_url")
    (secrets / "orderflow_database_url").symlink_to(Path("..2026") / "orderflow_database_url")
    assert settings.load().orders_database == URL


def test_a_secrets_directory_that_is_not_there_is_refused(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_SECRETS_DIR", str(secrets / "missing"))
    with pytest.raises(settings.SettingsError, match=r"ORDERFLOW_SECRETS_DIR names .*missing"):
        settings.load()


def test_a_secret_that_cannot_be_decoded_is_refused_without_its_content(secrets: Path) -> None:
    (secrets / "orderflow_database_url").write_bytes(b"\xff\xfe")
    with pytest.raises(settings.SettingsError, match="database_url") as refused:
        settings.load()
    assert "xff" not in str(refused.value)


TEXTS = {
    *(
        "allowed_hosts",
        "api_key",
        "archive_dir",
        "carrier",
        "consumer_group",
        "data_dir",
        "database_url",
        "fulfillment_database_url",
        "kafka_password",
        "kafka_username",
    ),
    *("host", "jwt_audience", "jwt_issuer", "orders_topic", "payments"),
}
"""Settings that may be almost any text, but not longer than this."""


@pytest.mark.parametrize("name", sorted(settings.Settings.model_fields))
def test_every_setting_refuses_what_is_out_of_bounds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value beyond either bound, or one that is not a number, is refused in one line that names the
    variable."""
    variable = f"ORDERFLOW_{name.upper()}"
    for value in ("x" * 10_000,) if name in TEXTS else ("x" * 10_000, "-1e30", "1e30", "nan", "inf"):
        monkeypatch.setenv(variable, value)
        with pytest.raises(settings.SettingsError) as refused:
            settings.load()
        assert str(refused.value).startswith(f"{variable}: ")
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["ORDERFLOW_ORDERS_KEPT_S", "ORDERFLOW_SHIPMENTS_KEPT_S"])
def test_orders_and_shipments_are_kept_for_ever_without_an_archive(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "31536000")
    with pytest.raises(settings.SettingsError, match=f"^ORDERFLOW_ARCHIVE_DIR: needed beside {name}$"):
        settings.load()
    monkeypatch.setenv("ORDERFLOW_ARCHIVE_DIR", str(tmp_path))
    assert settings.load().archive_dir == tmp_path


def test_an_order_is_kept_for_as_long_as_its_idempotency_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_ARCHIVE_DIR", str(tmp_path))
    monkeypatch.setenv("ORDERFLOW_ORDERS_KEPT_S", "86400")
    with pytest.raises(settings.SettingsError, match=r"^ORDERFLOW_ORDERS_KEPT_S: must be at least"):
        settings.load()
    monkeypatch.setenv("ORDERFLOW_IDEMPOTENCY_KEY_LIFETIME_S", "86400")
    assert settings.load().orders_kept_s == 86_400


def test_a_time_that_no_calendar_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_IDEMPOTENCY_KEY_LIFETIME_S", "100000000000")
    with pytest.raises(settings.SettingsError, match=r"^ORDERFLOW_IDEMPOTENCY_KEY_LIFETIME_S: .*315360000$"):
        settings.load()


LINKS = {
    "ORDERFLOW_PORT": "tcp://10.0.0.1:8080",
    "ORDERFLOW_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "ORDERFLOW_PORT_8080_TCP_ADDR": "10.0.0.1",
    "ORDERFLOW_PORT_8080_TCP_PORT": "8080",
    "ORDERFLOW_PORT_8080_TCP_PROTO": "tcp",
    "ORDERFLOW_SERVICE_HOST": "10.0.0.1",
    "ORDERFLOW_SERVICE_PORT": "8080",
    "ORDERFLOW_SERVICE_PORT_HTTP": "8080",
    "ORDERFLOW_FULFILLMENT_PORT": "tcp://[fd00::1]:8081",
    "ORDERFLOW_FULFILLMENT_PORT_8081_TCP_ADDR": "fd00::1",
    "ORDERFLOW_FULFILLMENT_SERVICE_HOST": "fd00::1",
    "ORDERFLOW_RELAY_PORT": "tcp://10.0.0.2:9000",
    "ORDERFLOW_MY_CARRIER_SERVICE_PORT": "80",
}
"""The variables that Kubernetes sets in every container if there are services with such names."""


def test_what_kubernetes_says_about_services_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    found = settings.load_with_origins()
    loaded = found.settings
    assert (loaded.port, loaded.fulfillment_port, loaded.relay_port) == (8080, 8081, None)
    assert {origin.source for origin in found.origins.values()} == {"profile"}
    assert settings.service_links() == sorted(LINKS)


def test_a_port_that_is_misspelt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_PORT", "tcp://here")
    with pytest.raises(settings.SettingsError, match="ORDERFLOW_PORT: "):
        settings.load()


def test_a_link_does_not_hide_the_port_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = tmp_path / "settings.toml"
    toml.write_text("port = 9000\n")
    monkeypatch.setenv("ORDERFLOW_CONFIG", str(toml))
    monkeypatch.setenv("ORDERFLOW_PORT", "tcp://10.0.0.1:8080")
    assert settings.load().port == 9000


NONSENSE = [
    *("", " ", "x", "-1", "1e99", "nan", "inf", "9" * 400, "\x7f", "ü", "://", "a:b:c", "[", "{}", "'"),
    *("http://", "[::1", "%00", "/dev/null", "kafka://", "postgresql://", "sqlite:///", "1-2-3", "9-1"),
]


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", sorted(settings.Settings.model_fields))
def test_nonsense_in_any_setting_is_taken_or_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """It is refused by the settings or by the part that they are for, and never causes another error."""
    variable = f"ORDERFLOW_{name.upper()}"
    monkeypatch.setenv(variable, value)
    try:
        loaded = settings.load()
    except settings.SettingsError as error:
        refusal = str(error)
    else:
        refusal = variable
        _open_parts(loaded)
    assert variable in refusal


def _open_parts(loaded: settings.Settings) -> None:
    with suppress(settings.SettingsError):
        open_carriers(loaded)
    with suppress(settings.SettingsError):
        open_payments(loaded)
    for url in (loaded.orders_database, loaded.fulfillment_database):
        with suppress(DatabaseMisconfigured):
            parse_url(url)


def test_a_setting_that_is_shown_keeps_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.Settings.model_fields:
        if name.endswith("_url") and name != "bus_url":
            scheme = "postgresql" if name == "database_url" else "http"
            monkeypatch.setenv(f"ORDERFLOW_{name.upper()}", f"{scheme}://u:s3cret@h:1/d?password=s3cret")
    for name in ("CARRIER_URL", "PAYMENTS_URL", "JWT_JWKS_URL"):  # these may hold no secrets
        monkeypatch.delenv(f"ORDERFLOW_{name}")
    shown = str(settings.shown(settings.load()))
    assert "s3cret" not in shown
    assert "postgresql://u:***@h:1/d" in shown


@pytest.mark.parametrize("name", sorted(settings.Settings.model_fields))
def test_bytes_that_are_no_text_are_refused_in_every_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    variable = f"ORDERFLOW_{name.upper()}"
    assert refusal_of(monkeypatch, variable, "/data/\udcff\udcfe") == f"{variable}: is not UTF-8"


def refusal_of(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> str:
    monkeypatch.setenv(variable, value)
    with pytest.raises(settings.SettingsError) as refused:
        settings.load()
    return str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["kafka://h:abc", "kafka://h:0", "kafka://h:65536", "kafka://h", "kafka://u:s3cret@h:1", "amqp://h:1"],
)
def test_a_wrong_broker_is_refused_with_the_settings(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """It is refused before anything is waited for, and without showing a password that may be in it."""
    refusal = refusal_of(monkeypatch, "ORDERFLOW_BUS_URL", url)
    assert refusal.startswith("ORDERFLOW_BUS_URL: ")
    assert "s3cret" not in refusal


@pytest.mark.parametrize(
    "seed", [str(10**23), str(2**63), str(-(2**63) - 1), "9" * 4_000, "--1", "-", "\u0661"]
)
def test_a_former_partys_seed_has_the_bounds_of_the_present_ones(
    monkeypatch: pytest.MonkeyPatch, seed: str
) -> None:
    for variable in ("ORDERFLOW_FORMER_CARRIERS", "ORDERFLOW_FORMER_PAYMENTS"):
        assert f"{variable}: " in refusal_of(monkeypatch, variable, f"simulated:{seed}")


@pytest.mark.parametrize("hosts", ["http://h", "h:80", "*", "a/b", "[::1]", "ü"])
def test_an_allowed_host_is_a_name_alone(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    assert refusal_of(monkeypatch, "ORDERFLOW_ALLOWED_HOSTS", hosts).startswith("ORDERFLOW_ALLOWED_HOSTS: ")
    monkeypatch.setenv("ORDERFLOW_ALLOWED_HOSTS", "a.example, b.example")
    assert settings.load().own_hosts == ("127.0.0.1", "a.example", "b.example")


@pytest.mark.parametrize(
    "origins",
    ["*", "null", "https://shop.example/", "shop.example", "https://SHOP.example", "https://a@b.example"],
)
def test_an_origin_that_no_browser_sends_is_refused(origins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERFLOW_CORS_ORIGINS", origins)
    with pytest.raises(settings.SettingsError, match="origins as browsers send them"):
        settings.load()


def test_origins_are_listed_like_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    origins = "https://shop.example, http://localhost:3000 http://[::1]:80"
    monkeypatch.setenv("ORDERFLOW_CORS_ORIGINS", origins)
    assert settings.load().cors_origin_list == [
        "https://shop.example",
        "http://localhost:3000",
        "http://[::1]:80",
    ]
