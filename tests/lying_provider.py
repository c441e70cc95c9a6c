"""An OpenID Connect provider that lies as it is told: `python tests/lying_provider.py` prints its address. PUT /lie sets the next lie.

It keeps the rules otherwise: codes count once, PKCE is checked, ID tokens are signed with RS256 and carry the nonce.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

KEY = RSAKey.generate_key(2048, {"kid": "one"})
OTHER = RSAKey.generate_key(2048, {"kid": "one"})
SECOND = RSAKey.generate_key(2048, {"kid": "two"})


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict, claims: dict) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}."


class Provider(BaseHTTPRequestHandler):
    lie = ""
    codes: ClassVar[dict[str, dict]] = {}
    spent: ClassVar[set[str]] = set()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def log_message(self, *_):
        pass

    def answer(self, document, status=200, headers=()):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def do_PUT(self):
        type(self).lie = self.body().decode()
        self.answer({})

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/.well-known/openid-configuration":
            issuer = "http://127.0.0.1:1" if self.lie == "issuer of the document" else self.issuer
            token = "http://evil.example/token" if self.lie == "token endpoint without https" else f"{self.issuer}/token"
            self.answer({"issuer": issuer, "authorization_endpoint": f"{self.issuer}/authorize", "token_endpoint": token,
                         "jwks_uri": f"{self.issuer}/keys"})  # fmt: skip
        elif parts.path == "/keys":
            keys = [SECOND, KEY] if self.lie == "new key" else [KEY]
            self.answer({"keys": [key.as_dict(private=False) for key in keys]})
        elif parts.path == "/authorize":
            code = secrets.token_urlsafe(16)
            self.codes[code] = query
            back = {"code": code, "state": query["state"], **({"iss": "http://127.0.0.1:1"} if self.lie == "iss" else {})}
            self.answer({}, 302, [("location", f"{query['redirect_uri']}?{urlencode(back)}")])
        else:
            self.answer({}, 404)

    def do_POST(self):
        form = {name: values[0] for name, values in parse_qs(self.body().decode()).items()}
        asked = self.codes.get(form.get("code", ""))
        if asked is None or form["code"] in self.spent:
            return self.answer({"error": "invalid_grant", "error_description": "code is spent"}, 400)
        if self.lie == "redirect":
            return self.answer({}, 307, [("location", f"{self.issuer}/elsewhere")])
        self.spent.add(form["code"])
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked["code_challenge_method"] != "S256"
            or asked["code_challenge"] != challenge
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return self.answer({"error": "invalid_grant", "error_description": "PKCE"}, 400)
        return self.answer({"access_token": "a", "token_type": "Bearer", "id_token": self.id_token(asked)})

    def id_token(self, asked) -> object:
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "alice", "aud": asked["client_id"], "exp": now + 300, "iat": now, "nonce": asked["nonce"]}
        CLAIMS.get(self.lie, lambda claims, now: None)(claims, now)
        return TOKENS.get(self.lie, lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY))(claims)


CLAIMS = {
    "nonce": lambda claims, now: claims.update(nonce=secrets.token_urlsafe(32)),
    "no nonce": lambda claims, now: claims.pop("nonce"),
    "audience": lambda claims, now: claims.update(aud="another client"),
    "two audiences": lambda claims, now: claims.update(aud=[claims["aud"], "another client"]),
    "authorised party": lambda claims, now: claims.update(azp="another client"),
    "expired": lambda claims, now: claims.update(exp=now - 61, iat=now - 400),
    "no expiry": lambda claims, now: claims.pop("exp"),
    "expiry is text": lambda claims, now: claims.update(exp="tomorrow"),
    "expiry is no number": lambda claims, now: claims.update(exp=float("nan")),
    "from the future": lambda claims, now: claims.update(iat=now + 3600),
    "not yet": lambda claims, now: claims.update(nbf=now + 3600),
    "issuer": lambda claims, now: claims.update(iss="https://evil.example"),
    "no issuer": lambda claims, now: claims.pop("iss"),
    "no subject": lambda claims, now: claims.pop("sub"),
    "subject is a list": lambda claims, now: claims.update(sub=["alice"]),
    "subject with a space": lambda claims, now: claims.update(sub="x alice"),
    "subject with a newline": lambda claims, now: claims.update(sub="alice\n"),
    "empty subject": lambda claims, now: claims.update(sub=""),
}
"""Lies that are signed as they should be."""


def by_hand(header: dict, claims: dict, secret: bytes) -> str:
    signed = unsigned(header, claims).rstrip(".")
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def changed_after(claims: dict) -> str:
    head, _, signature = jwt.encode({"alg": "RS256", "kid": "one"}, claims, KEY).split(".")
    return f"{head}.{b64(json.dumps({**claims, 'sub': 'mallory'}).encode())}.{signature}"


TOKENS = {
    "other key": lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, OTHER),
    "unknown key": lambda claims: jwt.encode({"alg": "RS256", "kid": "three"}, claims, KEY),
    "new key": lambda claims: jwt.encode({"alg": "RS256", "kid": "two"}, claims, SECOND),
    "key in the header": lambda claims: jwt.encode({"alg": "RS256", "jwk": OTHER.as_dict(private=False)}, claims, OTHER),
    "alg none": lambda claims: unsigned({"alg": "none"}, claims),
    "alg None": lambda claims: unsigned({"alg": "nOnE", "kid": "one"}, claims),
    "public key as secret": lambda claims: by_hand({"alg": "HS256", "kid": "one"}, claims, KEY.as_pem(private=False)),
    "client secret as key": lambda claims: by_hand({"alg": "HS256", "kid": "one"}, claims, b"s" * 32),
    "no token": lambda claims: None,
    "no jwt": lambda claims: "a.b.c",
    "payload changed": changed_after,
}
"""Lies about the signature."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
