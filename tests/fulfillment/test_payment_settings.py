"""Which payment provider the settings name, and what they refuse."""

import asyncio
import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from orderflow import settings
from orderflow.fulfillment.parties.connect import close_parties
from orderflow.fulfillment.payments import (
    PaymentDeclined,
    PaymentProvider,
    PaymentRequest,
    PaymentUnavailable,
)
from orderflow.fulfillment.payments.connect import open_payments
from orderflow.runtime.settings_error import SettingsError
from orderflow.settings import Settings


def opened(**given: str) -> tuple[str, list[str]] | None:
    """The names of the current and of the former parties."""

    async def scenario() -> tuple[str, list[str]] | None:
        payments = open_payments(
            settings.load({f"ORDERFLOW_{name.upper()}": value for name, value in given.items()})
        )
        if payments is None:
            return None
        provider: PaymentProvider = payments.current.adapter
        await provider.close()
        await close_parties(payments)
        return payments.current.name, [party.name for party in payments.former]

    return asyncio.run(scenario())


def test_payments_are_simulated_in_dev_and_there_are_none_elsewhere_unless_named() -> None:
    assert opened() == opened(env="dev") == ("simulated seed 0", [])
    elsewhere: list[Literal["staging", "prod"]] = ["staging", "prod"]
    for env in elsewhere:
        assert opened(env=env) is None
        assert opened(env=env, payments="simulated") == ("simulated seed 0", [])
    assert opened(payments="none") is None


def test_the_settings_in_force_say_which_payments_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.shown(settings.load())["ORDERFLOW_PAYMENTS"] == "simulated"
    monkeypatch.setenv("ORDERFLOW_ENV", "prod")
    assert settings.shown(settings.load())["ORDERFLOW_PAYMENTS"] == "none"


def test_former_providers_are_named_by_a_setting() -> None:
    assert opened(
        payments="http",
        payments_url="https://New.example:443/",
        former_payments="https://new.example http://old.example, simulated:0 http://old.example/",
    ) == ("http https://new.example", ["http http://old.example", "simulated seed 0"])


def test_the_simulated_provider_declines_and_fails_as_the_settings_say() -> None:
    async def authorized(settings: Settings) -> str:
        payments = open_payments(settings)
        assert payments is not None
        assert payments.current.name == f"simulated seed {settings.payments_seed}"
        try:
            granted = await payments.current.adapter.authorize(PaymentRequest("o-1", "k-1", 500, "EUR"))
        except (PaymentDeclined, PaymentUnavailable) as error:
            return type(error).__name__
        return granted.authorization_id

    def with_settings(**given: Any) -> str:
        return asyncio.run(authorized(Settings(payments="simulated", **given)))

    assert with_settings(payments_decline_rate=1) == "PaymentDeclined"
    assert with_settings(payments_error_rate=1) == "PaymentUnavailable"
    seven = with_settings(payments_seed=7)
    assert seven == with_settings(payments_seed=7) != with_settings(payments_seed=8)


OWN = """
class Provider:
    identity = "account 7"
    async def authorize(self, request): ...
    async def find_payments(self, order_id): ...
    async def capture(self, authorization_id): ...
    async def void(self, authorization_id): ...
    async def refund(self, authorization_id): ...
    async def close(self): ...

class Half:
    async def authorize(self, request): ...
    async def void(self, authorization_id): ...
    async def close(self): ...

class Broken:
    def __init__(self):
        raise RuntimeError("no account\\nis configured")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_provider.py").write_text(OWN)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "own_provider", raising=False)


@pytest.mark.usefixtures("own")
def test_an_own_provider_is_known_by_its_class_and_by_what_it_says_of_itself() -> None:
    assert opened(payments="own_provider:Provider") == ("own_provider:Provider account 7", [])


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("no_such:Thing", "ModuleNotFoundError"),
        ("own_provider:Nothing", "AttributeError"),
        ("own_provider:Broken", "RuntimeError: no account is configured"),
        (
            "own_provider:Half",
            "which is no payment provider: it has no find_payments and no capture and no refund",
        ),
    ],
)
def test_a_provider_that_cannot_be_made_is_a_setting_that_is_wrong(named: str, words: str) -> None:
    for variable, given in (
        ("ORDERFLOW_PAYMENTS", {"payments": named}),
        ("ORDERFLOW_FORMER_PAYMENTS", {"former_payments": named}),
    ):
        with pytest.raises(SettingsError) as refused:
            opened(**given)
        assert str(refused.value).startswith(f"{variable} names {named}")
        assert words in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("PAYMENTS", "cash", "PAYMENTS: must be none, simulated, http or package.module:Class"),
        ("PAYMENTS", "http", "PAYMENTS_URL: needed when payments is http"),
        ("PAYMENTS_URL", "ftp://provider", "PAYMENTS_URL: "),
        ("PAYMENTS_URL", "http://user:geheim@provider", "PAYMENTS_URL: "),
        ("PAYMENTS_URL", "http://provider?key=geheim", "PAYMENTS_URL: "),
        ("PAYMENTS_DECLINE_RATE", "1.1", "PAYMENTS_DECLINE_RATE: "),
        ("PAYMENTS_ERROR_RATE", "-1", "PAYMENTS_ERROR_RATE: "),
        ("PAYMENTS_SEED", "x", "PAYMENTS_SEED: "),
        ("FORMER_PAYMENTS", "none", "FORMER_PAYMENTS: each must be"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_that_names_it_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    monkeypatch.setenv(f"ORDERFLOW_{variable}", value)
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert str(refused.value).startswith(f"ORDERFLOW_{named}")
    assert len(str(refused.value).splitlines()) == 1
    assert "geheim" not in str(refused.value)
