"""Tokens of an issuer that publishes its keys by HTTPS, in real processes."""

from pathlib import Path

from conftest import StartRole
from processes import Answer, ask, eventually, order
from tests.authority import Authority
from tests.issuer import AUDIENCE, NAME, Issuer


def test_a_token_places_an_order_and_one_for_somebody_else_does_not(start: StartRole, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    with Issuer(authority) as issuer:
        url = start(
            "up",
            AUTH="on",
            CA=str(authority.file),
            CARRIER_DELAY_MS="0-0",
            CARRIER_FAILURE_RATE="0",
            DATA_DIR=str(tmp_path / "data"),
            FULFILLMENT_PORT="0",
            JWT_AUDIENCE=AUDIENCE,
            JWT_ISSUER=NAME,
            JWT_JWKS_URL=issuer.url,
            PORT="0",
        ).url()

        def asked(token: str, method: str = "GET", body: object = None) -> Answer:
            headers = {"authorization": f"Bearer {token}"}
            return ask(f"{url}/api/orders", method=method, body=body, headers=headers)

        buyer = issuer.token("orders:read orders:write")
        # Until the keys have been fetched for the first time, the answer is 503.
        eventually(lambda: asked(buyer).status == 200, "the issuer's keys are known")
        placed = asked(buyer, "POST", order(1))
        assert placed.status == 201
        refused = asked(issuer.token("orders:read orders:write", audience="another"), "POST", order(2))
        assert refused.status == 401
        assert "Bearer" in refused.headers["www-authenticate"]
        assert asked(issuer.token("orders:read"), "POST", order(3)).status == 403
        with Issuer(authority) as stranger:
            assert asked(stranger.token("orders:write"), "POST", order(4)).status == 401
        listed = asked(buyer)
        assert [each["orderId"] for each in listed.body["items"]] == [placed.body["orderId"]]
