"""An issuer of tokens with a key set of its own, which it publishes by HTTPS."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from tests.authority import Authority

NAME, AUDIENCE = "https://login.example", "orderflow"


class Issuer:
    """Publishes its key at `url` as long as the block runs. Its certificate is by this authority."""

    def __init__(self, authority: Authority) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        published = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        document = json.dumps({"keys": [{**published, "kid": "one", "alg": "ES256"}]}).encode()

        class Publishing(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/keys" else 404)
                self.send_header("content-length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        identity = authority.issue()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.cert, identity.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Publishing)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Issuer":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, scope: str, *, audience: str = AUDIENCE) -> str:
        claims = {"iss": NAME, "aud": audience, "sub": "ada", "exp": time.time() + 300, "scope": scope}
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "one"})
