"""Makes what log-ins need: the slow hash of passwords, and the company's provider if one is set."""

from incumbent.base.errors import InvalidInput
from incumbent.config import Settings
from incumbent.execution.passwords import Argon2Passwords
from incumbent.usecases.account_ports import IdentityProvider, Passwords


def open_passwords() -> Passwords:
    """Return the slow hash."""
    return Argon2Passwords()


def open_provider(settings: Settings) -> IdentityProvider | None:
    """Return the provider that the settings name, or None.

    Raises:
        InvalidInput: The settings name it by halves, its address is not https, or the extra `oidc` is not installed.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise InvalidInput("INCUMBENT_OIDC_ISSUER is set, and INCUMBENT_OIDC_CLIENT_ID is not: the provider knows this server by it")
    try:
        from incumbent.execution.oidc_provider import OidcProvider  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise InvalidInput(f"log-in at a provider needs the extra oidc: pip install 'incumbent[oidc]' ({error})") from error
    return OidcProvider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
