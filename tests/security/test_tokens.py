"""Tokens are believed if the issuer has signed them for us, and never for what they say about themselves."""

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from orderflow.contracts.scopes import EVERY_SCOPE, Scope
from orderflow.runtime.health import Health
from orderflow.security.signing_keys import SigningKeys
from orderflow.security.tokens import LEEWAY_S, TOKEN_BYTES_MAX, Tokens, name_of
from orderflow.web.front_door import Denial

ISSUER, AUDIENCE = "https://login.example", "orderflow"
RSA = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65_537, 2_048)


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half of a private key."""
    algorithms: dict[type[Any], Any] = {
        rsa.RSAPrivateKey: RSAAlgorithm,
        ec.EllipticCurvePrivateKey: ECAlgorithm,
    }
    of = next((a for kind, a in algorithms.items() if isinstance(key, kind)), OKPAlgorithm)
    return {**of.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


KEYS = key_set(jwk(RSA, "rsa", alg="RS256"), jwk(EC, "ec"), jwk(ED, "ed", use="sig"))


@pytest.fixture
def tokens() -> Tokens:
    async def fetch() -> bytes:
        return KEYS

    keys = SigningKeys(fetch, Health())
    asyncio.run(keys.refresh())
    return Tokens(keys, issuer=ISSUER, audience=AUDIENCE)


def claims(**changes: Any) -> dict[str, Any]:
    """Right claims, with these instead; None leaves one out."""
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "exp": time.time() + 300,
        "scope": "orders:read orders:write",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def signed(
    *, by: Any = RSA, algorithm: str = "RS256", header: dict[str, Any] | None = None, **changes: Any
) -> bytes:
    head = {"kid": "rsa", **(header or {})}
    return jwt.encode(claims(**changes), by, algorithm=algorithm, headers=head).encode()


def forged(header: dict[str, Any], signature: bytes = b"") -> bytes:
    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    return b".".join([part(header), part(claims()), base64.urlsafe_b64encode(signature).rstrip(b"=")])


def is_invalid(tokens: Tokens, token: bytes) -> bool:
    principal = tokens.find(token)
    return principal.denial is Denial.INVALID and not principal.scopes


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec"), (ED, "EdDSA", "ed")]
)
def test_a_token_of_the_issuer_tells_who_calls_and_what_for(
    tokens: Tokens, key: Any, algorithm: str, kid: str
) -> None:
    token = signed(by=key, algorithm=algorithm, header={"kid": kid})
    principal = tokens.find(token)
    assert (principal.name, principal.customer_id, principal.denial) == ("jwt:ada", None, None)
    assert principal.scopes == {Scope.ORDERS_READ, Scope.ORDERS_WRITE}
    assert tokens.find(token) == principal


def test_an_audience_among_several_is_enough(tokens: Tokens) -> None:
    assert tokens.find(signed(aud=["another", AUDIENCE])).denial is None


def test_the_scopes_are_those_that_we_know(tokens: Tokens) -> None:
    assert tokens.find(signed(scope="email orders:read")).scopes == {Scope.ORDERS_READ}
    assert tokens.find(signed(scope="admin")).scopes == EVERY_SCOPE
    assert tokens.find(signed(scope=None)).scopes == frozenset()
    assert is_invalid(tokens, signed(scope=["orders:read"]))


def test_a_token_with_a_customer_is_bound_to_it(tokens: Tokens) -> None:
    bound = tokens.find(signed(customer_id="c-1", scope="admin"))
    assert (bound.customer_id, bound.scopes) == ("c-1", {Scope.ORDERS_READ, Scope.ORDERS_WRITE})


@pytest.mark.parametrize("customer_id", ["", " ", 7, ["c-1"], {}, "x" * 201, "a\nb", "c-1 "])
def test_a_customer_that_is_none_never_becomes_all_customers(tokens: Tokens, customer_id: Any) -> None:
    assert is_invalid(tokens, signed(customer_id=customer_id))


def test_a_customer_of_null_never_becomes_all_customers(tokens: Tokens) -> None:
    token = jwt.encode({**claims(), "customer_id": None}, RSA, algorithm="RS256", headers={"kid": "rsa"})
    assert is_invalid(tokens, token.encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.evil"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"exp": None},
        {"exp": 1},
        {"exp": "never"},
        {"sub": None},
        {"sub": 7},
        {"sub": "\ud800"},
        {"nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(tokens: Tokens, changes: dict[str, Any]) -> None:
    assert is_invalid(tokens, signed(**changes))


def test_clocks_may_differ_a_little(tokens: Tokens) -> None:
    now = time.time()
    assert tokens.find(signed(exp=now - LEEWAY_S + 5)).denial is None
    assert is_invalid(tokens, signed(exp=now - LEEWAY_S - 5))
    assert tokens.find(signed(nbf=now + LEEWAY_S - 5)).denial is None
    assert is_invalid(tokens, signed(nbf=now + LEEWAY_S + 5))


def test_a_remembered_token_expires_too(tokens: Tokens) -> None:
    now = 1_800_000_000
    with time_machine.travel(now, tick=False) as traveller:
        token = signed(exp=now + 10)
        assert tokens.find(token).denial is None
        traveller.move_to(now + 10 + LEEWAY_S - 1)
        assert tokens.find(token).denial is None
        traveller.move_to(now + 10 + LEEWAY_S)
        assert is_invalid(tokens, token)


def test_an_unsigned_token_is_refused(tokens: Tokens) -> None:
    for name in ("none", "None", "NONE", "nOnE"):
        assert is_invalid(tokens, forged({"alg": name, "kid": "rsa", "typ": "JWT"}))
    assert is_invalid(tokens, forged({"kid": "rsa"}))
    assert is_invalid(tokens, signed().rpartition(b".")[0] + b".")


def test_a_public_key_is_no_secret_to_sign_with(tokens: Tokens) -> None:
    """The classic confusion: HMAC with the public key of RSA as its secret."""
    import hashlib
    import hmac

    spellings = [
        RSA.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    ]
    for secret in (*spellings, json.dumps(jwk(RSA, "rsa")).encode(), b""):
        unsigned = forged({"alg": "HS256", "kid": "rsa"}).rpartition(b".")[0]
        mac = hmac.new(secret, unsigned, hashlib.sha256).digest()
        assert is_invalid(tokens, unsigned + b"." + base64.urlsafe_b64encode(mac).rstrip(b"="))


def test_a_key_is_used_with_its_own_algorithm_only(tokens: Tokens) -> None:
    for algorithm in ("RS512", "PS256"):
        assert is_invalid(tokens, signed(algorithm=algorithm))
    assert is_invalid(tokens, signed(by=EC, algorithm="ES256", header={"kid": "rsa"}))


def test_a_signature_of_somebody_else_is_refused(tokens: Tokens) -> None:
    assert is_invalid(tokens, signed(by=STRANGER))
    token = signed()
    assert tokens.find(token).denial is None
    head, body, signature = token.split(b".")
    other_body = signed(sub="bob").split(b".")[1]
    assert is_invalid(tokens, b".".join([head, other_body, signature]))
    assert is_invalid(tokens, b".".join([head, body, signature[:-6] + b"AAAAAA"]))


def test_keys_that_a_token_brings_along_are_not_looked_at(tokens: Tokens) -> None:
    own = jwk(STRANGER, "rsa")
    for header in (
        {"jwk": own},
        {"jwk": own, "kid": "own"},
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "x"},
    ):
        assert tokens.find(signed(by=STRANGER, header=header)).denial in (Denial.INVALID, Denial.UNDECIDED)


def test_critical_extensions_are_refused(tokens: Tokens) -> None:
    for crit in (["exp"], ["b64"], [], "b64"):
        head = {"alg": "RS256", "kid": "rsa", "crit": crit, "exp": 1, "b64": True}
        unsigned = forged(head).rpartition(b".")[0]
        signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(unsigned, RSA)
        assert is_invalid(tokens, unsigned + b"." + base64.urlsafe_b64encode(signature).rstrip(b"="))


@pytest.mark.parametrize("kid", [None, 7, ["rsa"], {}])
def test_a_token_names_its_key(tokens: Tokens, kid: Any) -> None:
    assert is_invalid(tokens, forged({"alg": "RS256"} | ({} if kid is None else {"kid": kid})))


NESTED = base64.urlsafe_b64encode(b"[" * 5_000).rstrip(b"=")


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"..",
        b"a.b.c",
        b"....",
        b"\xff.\xfe.\xfd",
        b"e30.e30.e30",
        NESTED + b".e30.e30",
        b"bnVsbA.bnVsbA.bnVsbA",
        b"W10.W10.W10",
    ],
    ids=range(10),
)
def test_nonsense_is_refused(tokens: Tokens, token: bytes) -> None:
    assert is_invalid(tokens, token)


def test_a_long_token_is_refused_unread(tokens: Tokens) -> None:
    assert tokens.find(signed(note="x" * 3_000)).denial is None
    long = signed(note="x" * TOKEN_BYTES_MAX)
    assert len(long) > TOKEN_BYTES_MAX
    assert is_invalid(tokens, long)


def test_names_are_short_and_of_one_subject_each() -> None:
    assert name_of("auth0|5f1") == "jwt:auth0|5f1"
    long = [name_of("x" * 60), name_of("x" * 61), name_of("x" * 62), name_of("Ada Lovelace"), name_of("")]
    assert len(set(long)) == len(long)
    assert all(len(name) <= 64 for name in long)
    hashed = name_of("x" * 61)
    assert name_of(hashed.removeprefix("jwt:")) != hashed
