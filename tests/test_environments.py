"""What each environment asks for: profiles, and what a role refuses to start with."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest
from tests.authority import Authority

from orderflow.settings import Role, Settings, load, load_with_origins, plain_text, refusals

ROLES: list[Role] = ["up", "api", "relay", "fulfillment"]
SERVER = "postgresql://orders:4f1b09@db/orders"
PROD = {
    "ENV": "prod",
    "DATABASE_URL": SERVER,
    "FULFILLMENT_DATABASE_URL": SERVER,
    "BUS_URL": "kafka://kafka:9092",
    "CARRIER": "http",
    "CARRIER_URL": "http://carrier",
    "API_KEY": f"of_4f1b09a2c7_{'x' * 43}",
}
"""Settings with which every role starts in prod."""


def refused(role: Role, **given: str) -> list[str]:
    """The variables, without the prefix, that keep the role from starting."""
    environment = {f"ORDERFLOW_{name}": value for name, value in given.items()}
    found = refusals(load_with_origins(environment), role)
    return [refusal.variable.removeprefix("ORDERFLOW_") for refusal in found]


@pytest.mark.parametrize("env", ["dev", "staging", "prod"])
def test_every_environment_has_a_profile_in_the_package_that_sets_what_there_is(env: str) -> None:
    profile = tomllib.loads(resources.files("orderflow").joinpath("config", f"{env}.toml").read_text())
    assert profile
    assert profile.keys() <= Settings.model_fields.keys()
    loaded = load_with_origins({"ORDERFLOW_ENV": env})
    for name, value in profile.items():
        assert getattr(loaded.settings, name) == value
        assert loaded.origin(name).source == "profile"


def test_the_profile_is_that_of_the_environment_whoever_names_it_and_everything_wins_over_it(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own.toml"
    own.write_text('env = "prod"\npayments = "simulated"\n')
    loaded = load_with_origins({"ORDERFLOW_CONFIG": str(own), "ORDERFLOW_LOG_FORMAT": "console"})
    settings = loaded.settings
    assert (settings.env, settings.auth, settings.payments, settings.log_format) == (
        *("prod", "on", "simulated", "console"),
    )
    assert [loaded.origin(name).source for name in ("env", "auth", "payments", "log_format", "port")] == [
        *("file", "profile", "file", "environment", "default"),
    ]


def test_a_worker_has_a_key_where_callers_are_asked_who_they_are() -> None:
    without = {name: value for name, value in PROD.items() if name != "API_KEY"}
    assert refused("fulfillment", **without) == ["API_KEY"]
    assert refused("fulfillment", **{**without, "ENV": "dev"}) == []
    assert refused("fulfillment", **{**without, "ENV": "dev", "AUTH": "on"}) == ["API_KEY"]
    assert refused("up", **without) == refused("api", **without) == refused("relay", **without) == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("env", ["staging", "prod"])
def test_with_everything_named_every_role_starts(role: Role, env: str) -> None:
    assert refused(role, **{**PROD, "ENV": env}) == []


def test_dev_starts_with_nothing_said() -> None:
    assert refused("up") == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("env", ["staging", "prod"])
def test_authentication_cannot_be_switched_off_beyond_dev(role: Role, env: str) -> None:
    assert refused(role, **{**PROD, "ENV": env, "AUTH": "off"}) == ["AUTH"]


BEYOND = ["0.0.0.0", "::", "203.0.113.7"]  # noqa: S104
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "localhost"]


@pytest.mark.parametrize(
    ("host", "is_beyond"), [(host, True) for host in BEYOND] + [(host, False) for host in LOOPBACK]
)
def test_beyond_loopback_a_listener_needs_tls_or_a_proxy_in_front(
    host: str, is_beyond: bool, tmp_path: Path
) -> None:
    identity = Authority(tmp_path).issue()
    certificate = {"TLS_CERT": str(identity.cert), "TLS_KEY": str(identity.key)}
    prod = {**PROD, "HOST": host}
    listening: list[Role] = ["up", "api", "fulfillment"]
    for role in listening:
        assert refused(role, **prod) == (["TLS_CERT"] if is_beyond else [])
        assert refused(role, **prod, BEHIND_PROXY="on") == []
        assert refused(role, **prod, **certificate) == []
    assert refused("relay", **prod) == []  # it does not listen
    assert refused("relay", **prod, RELAY_PORT="8082") == (["TLS_CERT"] if is_beyond else [])


def test_a_listener_beyond_loopback_needs_the_environment_and_in_dev_also_authentication_said() -> None:
    for host in BEYOND:
        assert refused("up", HOST=host) == ["ENV", "AUTH"]
        assert refused("up", HOST=host, ENV="dev") == ["AUTH"]
        for auth in ("on", "off"):
            assert refused("up", HOST=host, ENV="dev", AUTH=auth) == []


@pytest.mark.parametrize("env", ["staging", "prod"])
def test_beyond_dev_embedded_and_simulated_parts_are_used_only_if_they_are_named(env: str) -> None:
    assert refused("up", ENV=env) == ["DATABASE_URL", "FULFILLMENT_DATABASE_URL", "BUS_URL", "CARRIER"]
    named = {
        "DATABASE_URL": "sqlite:///o.db",
        "FULFILLMENT_DATABASE_URL": "sqlite:///f.db",
        "BUS_URL": "embedded:",
        "CARRIER": "simulated",
        "PAYMENTS": "simulated",
    }
    assert refused("up", ENV=env, **named) == []
    assert refused("fulfillment", **{**PROD, "ENV": env, "CARRIER": "simulated"}) == []
    del named["CARRIER"]
    assert refused("up", ENV=env, **named) == ["CARRIER"]
    assert refused("api", ENV=env, DATABASE_URL=SERVER, BUS_URL="kafka://k:1") == []


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_only_up_takes_embedded_parts(env: str) -> None:
    kafka = {"ENV": env, "BUS_URL": "kafka://k:1", "CARRIER": "simulated", "API_KEY": PROD["API_KEY"]}
    databases: list[tuple[Role, str]] = [
        ("api", "DATABASE_URL"),
        ("relay", "DATABASE_URL"),
        ("fulfillment", "FULFILLMENT_DATABASE_URL"),
    ]
    for role, variable in databases:
        assert refused(role, **kafka) == [variable]
        assert refused(role, **kafka, **{variable: "sqlite:///x.db"}) == [variable]
        assert refused(role, **kafka, **{variable: SERVER}) == []
        assert refused(role, **{**kafka, variable: SERVER, "BUS_URL": "embedded:"}) == ["BUS_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://orders:postgres@db/orders",
        "postgresql://orders:Change-Me@db/orders",
        "postgresql://orders:orders@db/orders",
        "postgresql://my%2Dname:my-name@db/orders",
        "postgresql://orders@db/orders?password=secret",
    ],
)
def test_a_sample_secret_is_refused_beyond_dev_and_not_shown(url: str) -> None:
    assert refused("api", **{**PROD, "DATABASE_URL": url}) == ["DATABASE_URL"]
    assert refused("fulfillment", **{**PROD, "DATABASE_URL": url}) == []
    assert refused("fulfillment", **{**PROD, "FULFILLMENT_DATABASE_URL": url}) == ["FULFILLMENT_DATABASE_URL"]
    assert refused("up", DATABASE_URL=url) == []
    found = refusals(load_with_origins({"ORDERFLOW_ENV": "prod", "ORDERFLOW_DATABASE_URL": url}), "api")
    assert url not in " ".join(map(str, found))


def test_a_sample_key_is_refused_beyond_dev() -> None:
    assert refused("fulfillment", **{**PROD, "API_KEY": "changeme"}) == ["API_KEY"]
    assert refused("fulfillment", **PROD) == []


@pytest.mark.parametrize(
    "url", [SERVER, "postgresql://orders@db/orders", "postgresql://u:9f@h1:1,h2:2/d?sslmode=verify-full"]
)
def test_a_secret_of_ones_own_is_taken(url: str) -> None:
    assert refused("api", **{**PROD, "DATABASE_URL": url}) == []


def open_to_others(role: Role, **given: str) -> list[str]:
    """The variables, without the prefix, of connections that are not protected."""
    settings = load({f"ORDERFLOW_{name}": value for name, value in given.items()})
    return [each.variable.removeprefix("ORDERFLOW_") for each in plain_text(settings, role)]


def test_beyond_dev_connections_that_others_could_read_are_named() -> None:
    plain = {**PROD, "ORDERS_URL": "http://api:8080"}
    servers = ["KAFKA_SECURITY", "DATABASE_URL"]
    assert open_to_others("api", **plain) == servers
    worker = ["ORDERS_URL", "CARRIER_URL", "KAFKA_SECURITY", "FULFILLMENT_DATABASE_URL"]
    assert open_to_others("fulfillment", **plain) == worker
    assert open_to_others("fulfillment", **{**plain, "ENV": "dev"}) == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://o:4f1b09@db/orders", ["DATABASE_URL"]),
        ("postgresql://o:4f1b09@db/orders?sslmode=require", ["DATABASE_URL"]),
        ("postgresql://o:4f1b09@db/orders?sslmode=verify-ca", ["DATABASE_URL"]),
        ("postgresql://o:4f1b09@one,two/orders", ["DATABASE_URL"]),
        ("postgresql://o:4f[b09@db/orders", ["DATABASE_URL"]),
        ("postgresql://o:4f1b09@db/orders?sslmode=verify-full&sslrootcert=/ca.pem", []),
        ("postgresql://o:4f1b09@127.0.0.1/orders", []),
        ("postgresql://o:4f1b09@[::1]/orders", []),
        ("postgresql://o:4f1b09@/orders?host=/run/postgresql", []),
        ("sqlite:////var/lib/orders.db", []),
    ],
)
def test_a_database_server_is_verified_by_its_certificate_or_is_on_this_machine(
    url: str, expected: list[str]
) -> None:
    given = {**PROD, "DATABASE_URL": url, "KAFKA_SECURITY": "ssl"}
    assert open_to_others("api", **given) == expected


def test_connections_within_this_machine_need_no_encryption() -> None:
    near = {**PROD, "BUS_URL": "kafka://localhost:9092,127.0.0.1:9093", "CARRIER_URL": "http://localhost:1"}
    database = "postgresql://o:4f1b09@localhost/orders"
    given = {**near, "DATABASE_URL": database, "FULFILLMENT_DATABASE_URL": database}
    assert open_to_others("up", **given) == []
