"""Which catalogue of lineage is told of runs, as the settings say."""

from incumbent.base.errors import InvalidInput
from incumbent.config import Settings
from incumbent.usecases.openlineage import Catalogue, make_catalogue

OFF = "off"


def open_catalogue(settings: Settings) -> Catalogue | None:
    """Return the catalogue that the settings name, or None.

    Raises:
        InvalidInput: Its address is none, or there is a key and no address.
    """
    if settings.lineage_url in {"", OFF}:
        if settings.lineage_key:
            raise InvalidInput("INCUMBENT_LINEAGE_KEY is set, and INCUMBENT_LINEAGE_URL names no server that it is for")
        return None
    return make_catalogue(settings.lineage_url, settings.lineage_key)
