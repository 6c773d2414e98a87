"""Secrets from files: what a container platform mounts is read, and never shown."""

from pathlib import Path

import pytest

from orderflow import settings

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
    assert settings.unknown_variables() == []


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
