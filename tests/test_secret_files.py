"""A secret from a file of its own, named by a variable that ends in _FILE."""

from pathlib import Path

import pytest

from orderflow.settings import Loaded, SettingsError, load_with_origins, shown

URL = "postgresql://orders:geheim@database/orders"
VARIABLE = "ORDERFLOW_DATABASE_URL_FILE"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "database-url"
    file.write_text(f"{URL}\n")
    file.chmod(0o600)
    return file


def refusal(**environment: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load_with_origins(environment)
    (line,) = str(refused.value).splitlines()
    assert "geheim" not in line
    return line


def named(file: Path) -> Loaded:
    return load_with_origins({VARIABLE: str(file)})


def test_a_secret_is_read_from_the_file_without_white_space_around_it(secret: Path) -> None:
    loaded = named(secret)
    assert loaded.settings.orders_database == URL
    assert (loaded.origin("database_url").source, loaded.origin("database_url").where) == (
        "file",
        str(secret),
    )
    assert loaded.warnings == ()
    assert "geheim" not in str(shown(loaded.settings))


@pytest.mark.parametrize("name", ["DATABASE_URL", "FULFILLMENT_DATABASE_URL", "API_KEY"])
def test_every_secret_may_come_from_a_file(secret: Path, name: str) -> None:
    found = load_with_origins({f"ORDERFLOW_{name}_FILE": str(secret)})
    assert found.origin(name.lower()).source == "file"


def test_what_is_no_secret_comes_from_no_file_of_its_own(secret: Path) -> None:
    line = refusal(ORDERFLOW_PORT_FILE=str(secret))
    assert line == "ORDERFLOW_PORT_FILE: there is no such setting; did you mean ORDERFLOW_PORT?"


def test_a_secret_that_is_given_twice_is_refused(secret: Path) -> None:
    line = refusal(**{VARIABLE: str(secret), "ORDERFLOW_DATABASE_URL": "postgresql://u:geheim@h/d"})
    assert line == f"{VARIABLE}: ORDERFLOW_DATABASE_URL is given as well; leave one of them out"


def test_a_file_wins_over_the_secrets_directory_and_the_toml_file(secret: Path, tmp_path: Path) -> None:
    (tmp_path / "orderflow_database_url").write_text("postgresql://directory/d")
    (tmp_path / "own.toml").write_text('database_url = "postgresql://toml/d"')
    environment = {"ORDERFLOW_SECRETS_DIR": str(tmp_path), "ORDERFLOW_CONFIG": str(tmp_path / "own.toml")}
    found = load_with_origins({VARIABLE: str(secret), **environment})
    assert found.settings.orders_database == URL


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"geheim" * 20_000, "it has more than 65536 bytes"),
    ],
)
def test_a_file_without_a_secret_is_refused_with_its_name(secret: Path, content: bytes, reason: str) -> None:
    secret.write_bytes(content)
    assert refusal(**{VARIABLE: str(secret)}) == f"{VARIABLE}: {secret} cannot be used: {reason}"


def test_a_file_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert (
        refusal(**{VARIABLE: str(missing)})
        == f"{VARIABLE}: {missing} cannot be used: No such file or directory"
    )
    assert refusal(**{VARIABLE: str(tmp_path)}) == f"{VARIABLE}: {tmp_path} cannot be used: it is no file"
    assert refusal(**{VARIABLE: "x" * 5_000}).endswith("File name too long")


def test_a_secret_that_everybody_may_read_is_warned_of(secret: Path, tmp_path: Path) -> None:
    secret.chmod(0o644)
    (warning,) = named(secret).warnings
    assert (
        warning
        == f"{VARIABLE}: everybody on this machine may read {secret}; `chmod o-r {secret}` keeps its secret"
    )
    toml = tmp_path / "own.toml"
    toml.write_text(f'database_url = "{URL}"\n')
    toml.chmod(0o644)
    (warning,) = load_with_origins({"ORDERFLOW_CONFIG": str(toml)}).warnings
    assert warning.startswith("ORDERFLOW_CONFIG: everybody")
    toml.write_text("port = 9000\n")
    assert load_with_origins({"ORDERFLOW_CONFIG": str(toml)}).warnings == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('prot = 1\nurl = "geheim"\n', None),
        ("port = \n", "it is no TOML"),
        ("[carrier]\nurl = 1\n", None),
        ('port = "geheim"\n', None),
    ],
)
def test_a_wrong_file_is_refused_without_what_is_in_it(
    tmp_path: Path, content: str, words: str | None
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(content)
    with pytest.raises(SettingsError) as refused:
        load_with_origins({"ORDERFLOW_CONFIG": str(file)})
    assert "geheim" not in str(refused.value)
    assert (words or "ORDERFLOW_") in str(refused.value)


def test_a_misspelt_name_in_a_file_is_told_with_what_may_be_meant(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("prot = 9000\n")
    line = refusal(ORDERFLOW_CONFIG=str(file))
    assert line == f"ORDERFLOW_CONFIG: {file} has `prot`, and there is no such setting; did you mean port?"


def test_a_name_that_nobody_can_guess_is_refused_as_well() -> None:
    line = refusal(ORDERFLOW_QQQQQQ="1")
    assert line == "ORDERFLOW_QQQQQQ: there is no such setting; `orderflow config show` lists them"


def test_variables_of_compose_and_of_tests_are_no_settings() -> None:
    load_with_origins(
        {"ORDERFLOW_PUBLISH_PORT": "8080", "ORDERFLOW_VERSION": "1.4", "ORDERFLOW_TEST_CRASH_POINT": "x:1"}
    )
