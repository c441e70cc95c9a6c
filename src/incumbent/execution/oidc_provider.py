"""The `IdentityProvider` port: OpenID Connect's authorization code flow with PKCE, through Authlib. Needs the extra `oidc`.

    1. the discovery document names the issuer that is set, and https addresses (OpenID Connect Discovery 1.0, 4.3)
    2. state, nonce and a PKCE challenge go along (RFC 7636 S256); the code is exchanged with its verifier
    3. the ID token is signed by a key of the provider's, with an asymmetric algorithm: `none`, and a secret passed off as a key, never
    4. issuer, audience, authorised party, expiry, issue time and nonce are what they must be (OpenID Connect Core 1.0, 3.1.3.7)

Nothing is fetched from an address that a token or a browser names, and no redirect is followed.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from incumbent.base.errors import InvalidInput, Refused, Unavailable

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""How an ID token may be signed: by a private key, each."""
TIMEOUT_S = 10.0
LEEWAY_S = 60
DOCUMENT_BYTES_MAX = 1 << 20
DOCUMENT_KEPT_S = 3600.0
KEYS_ANEW_EVERY_S = 60.0
AT_ONCE = 3
"""How many threads of the server may wait for the provider: it may be slow, and others ask for other things."""
REST_AFTER_FAILURE_S = 5.0
_SUBJECT = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class OidcProvider:
    """A provider, known by its issuer. What it publishes is read at the first log-in, and again after an hour."""

    def __init__(self, issuer: str, client_id: str, client_secret: str = "") -> None:
        self.issuer = _check_address(issuer, "the issuer")
        self._client_id = client_id
        self._client_secret = client_secret
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._failed_at = float("-inf")
        self._document: dict[str, Any] = {}
        self._document_at = float("-inf")
        self._keys: KeySet | None = None
        self._keys_at = float("-inf")

    def begin(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address to send the browser to. Raises Unavailable."""
        with self._place(), self._open(redirect_uri) as client:
            address: str = client.create_authorization_url(
                self._read_document()["authorization_endpoint"], state=state, code_verifier=verifier, nonce=nonce
            )[0]
        return address

    def check_issuer(self, issuer: str | None) -> None:
        """Pass if an answer that names its issuer (RFC 9207) comes from the one that is set. Raises Refused."""
        if issuer is not None and issuer != self.issuer:
            raise Refused(f"this answer comes from {issuer[:200]!r}, and people log in here at {self.issuer}")

    def finish(self, *, redirect_uri: str, code: str, nonce: str, verifier: str, now: datetime) -> str:
        """Exchange a code and return who it is, as "issuer subject". Raises Refused (what it says does not hold), Unavailable."""
        with self._place():
            token = self._fetch_token(redirect_uri, code, verifier)
            id_token = token.get("id_token")
            if not isinstance(id_token, str):
                raise Refused(f"the provider {self.issuer} sent no ID token: its client has to ask for the scope openid")
            return f"{self.issuer} {self._check(id_token, str(token.get('access_token', '')), nonce, now)}"

    @contextmanager
    def _place(self) -> Iterator[None]:
        if time.monotonic() - self._failed_at < REST_AFTER_FAILURE_S or not self._places.acquire(blocking=False):
            raise Unavailable(f"the provider {self.issuer} is slow or away; try again in a few seconds")
        try:
            yield
        except Unavailable:
            self._failed_at = time.monotonic()
            raise
        finally:
            self._places.release()

    def _fetch_token(self, redirect_uri: str, code: str, verifier: str) -> dict[str, Any]:
        document = self._read_document()
        try:
            with self._open(redirect_uri) as client:
                token: dict[str, Any] = client.fetch_token(
                    document["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=verifier,
                    timeout=TIMEOUT_S, allow_redirects=False,
                )  # fmt: skip
        except requests.RequestException as error:
            raise Unavailable(f"the provider {self.issuer} does not answer: {type(error).__name__}; try again") from error
        except (AuthlibBaseError, ValueError, TypeError) as error:
            raise Refused(f"the provider {self.issuer} did not take the code: {str(error)[:200]}; begin again") from error
        return token

    def _check(self, id_token: str, access_token: str, nonce: str, now: datetime) -> str:
        options = {"iss": {"essential": True, "value": self.issuer}, "aud": {"essential": True, "value": self._client_id},
                   "nonce": {"essential": True, "value": nonce}}  # fmt: skip
        params = {"nonce": nonce, "client_id": self._client_id, "access_token": access_token}
        try:
            decoded = self._verify(id_token)
            claims = CodeIDToken(decoded.claims, decoded.header, options, params)
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
            raise Refused(f"what {self.issuer} says of you does not hold: {str(error)[:200]}; begin again") from error
        subject = claims["sub"]
        if _SUBJECT.fullmatch(subject) is None:
            raise Refused(f"{self.issuer} names you by {subject[:80]!r}, which is no subject: 1 to 255 printable characters without spaces")
        return str(subject)

    def _verify(self, id_token: str) -> jwt.Token:
        try:
            return jwt.decode(id_token, self._read_keys(), algorithms=ALGORITHMS)
        except InvalidKeyIdError:  # the provider may have a new key
            return jwt.decode(id_token, self._read_keys(is_anew=True), algorithms=ALGORITHMS)

    def _open(self, redirect_uri: str) -> OAuth2Session:
        return OAuth2Session(
            self._client_id, self._client_secret or None, scope="openid", redirect_uri=redirect_uri, code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if self._client_secret else "none",
        )  # fmt: skip

    def _read_document(self) -> dict[str, Any]:
        with self._turn:
            if time.monotonic() - self._document_at >= DOCUMENT_KEPT_S:
                document = self._fetch(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if document.get("issuer") != self.issuer:
                    raise Unavailable(
                        f"{self.issuer} says that it is {str(document.get('issuer'))[:200]!r}: set that, or mend the provider"
                    )
                for name in _ENDPOINTS:
                    _check_address(document.get(name), f"{name} of {self.issuer}", Unavailable)
                self._document, self._document_at = document, time.monotonic()
            return self._document

    def _read_keys(self, *, is_anew: bool = False) -> KeySet:
        document = self._read_document()
        with self._turn:
            age_s = time.monotonic() - self._keys_at
            if self._keys is None or age_s >= (KEYS_ANEW_EVERY_S if is_anew else DOCUMENT_KEPT_S):
                found = self._fetch(document["jwks_uri"])
                try:
                    self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # it judges what it is given
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise Unavailable(f"the keys of {self.issuer} cannot be read: {error}") from error
                self._keys_at = time.monotonic()
            return self._keys

    def _fetch(self, address: str) -> dict[str, Any]:
        try:
            with requests.get(address, timeout=TIMEOUT_S, allow_redirects=False, stream=True) as answer:
                body = answer.raw.read(DOCUMENT_BYTES_MAX + 1, decode_content=True)
            document = json.loads(body) if answer.status_code == 200 and len(body) <= DOCUMENT_BYTES_MAX else None
        except (requests.RequestException, OSError, ValueError, RecursionError) as error:
            raise Unavailable(f"the provider's {address} cannot be read: {type(error).__name__}; try again") from error
        if not isinstance(document, dict):
            raise Unavailable(
                f"the provider's {address} answers {answer.status_code}, or no JSON object of at most {DOCUMENT_BYTES_MAX} bytes"
            )
        return document


def _check_address(address: object, what: str, kind: type[InvalidInput] | type[Unavailable] = InvalidInput) -> str:
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
        is_good = (
            parts is not None
            and bool(parts.hostname)
            and (parts.scheme == "https" or (parts.scheme, parts.hostname in _LOOPBACK) == ("http", True))
        )
    except ValueError:
        is_good = False
    if not is_good:
        raise kind(f"{what} is {str(address)[:200]!r}; it has to be an https address")
    return str(address)
