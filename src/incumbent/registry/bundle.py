"""A bundle's own description, `bundle.json`: how it is opened and what it takes and gives.

A bundle is a folder, and is opened in one of two ways:

    by its entry    its own code answers: whoever loads it puts its `code/` folder first on the import path, imports the module of
                    the entry point and calls `function(folder)`; what comes back is called with columns and gives columns. Format 1.
    by a loader     one of Incumbent's own opens its model file; `settings` is what that loader wants known. Format 2, which
                    releases that know no loaders refuse by its number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from incumbent.base.documents import Document, Json, document_bytes, parse_document
from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Scalar, Signature, check_columns, signature_from_json

BUNDLE_FILE = "bundle.json"
CODE_FOLDER = "code"
BUNDLE_FORMAT_ENTRY, BUNDLE_FORMAT_LOADER = 1, 2
_ENTRY = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
_LOADER = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BundleCard:
    """What `bundle.json` says.

    Attributes:
        entry: `module:function` inside the bundle's code folder; "" when a loader opens it.
        example: One row that the signature takes.
        facts: What else its maker wants known: what the label means, how it measured.
        loader: Name of the loader that opens it; "" when it has an entry.
        settings: What the loader wants known: its file, the columns' types, the classes.
        needs_pickle: Opening it unpickles a file, so whoever opens it has to allow that.
    """

    entry: str
    signature: Signature
    example: Mapping[str, Scalar]
    facts: Mapping[str, Json] = field(default_factory=dict)
    loader: str = ""
    settings: Mapping[str, Json] = field(default_factory=dict)
    needs_pickle: bool = False

    def to_json(self) -> Document:
        """Return the document form."""
        opened: Document = {"format": BUNDLE_FORMAT_ENTRY, "entry": self.entry}
        if self.loader:
            opened = {
                "format": BUNDLE_FORMAT_LOADER,
                "loader": self.loader,
                "settings": dict(self.settings),
                "needs_pickle": self.needs_pickle,
            }
        return {
            "kind": "bundle",
            **opened,
            "signature": self.signature.to_json(),
            "example": dict(self.example),
            "facts": dict(self.facts),
        }

    def to_bytes(self) -> bytes:
        """Return the bytes of `bundle.json`."""
        return document_bytes(self.to_json())


def parse_bundle_card(data: bytes) -> BundleCard:
    """Return what the bytes of a `bundle.json` say.

    Raises:
        InvalidInput: They are no bundle description of a format that we read.
    """
    return bundle_card_from_json(parse_document(data))


def bundle_card_from_json(document: Json) -> BundleCard:
    """Return the card that `BundleCard.to_json` wrote.

    Raises:
        InvalidInput: It is none, or of another format, or its example does not fit its signature.
    """
    match document:
        case {"kind": "bundle", "format": int(number), "signature": signature, "example": dict(example), **rest}:
            if isinstance(number, bool) or number not in (BUNDLE_FORMAT_ENTRY, BUNDLE_FORMAT_LOADER):
                raise InvalidInput(f"{BUNDLE_FILE} has format {number}; this release reads formats 1 and 2")
            facts = rest.get("facts", {})
            if not isinstance(facts, dict):
                raise InvalidInput(f"{BUNDLE_FILE}: facts must be an object, not {type(facts).__name__}")
            match number, rest:
                case 1, {"entry": str(entry)}:
                    return make_bundle_card(entry, signature_from_json(signature), example, facts)
                case 2, {"loader": str(loader), "settings": dict(settings), "needs_pickle": bool(needs_pickle)} if "entry" not in rest:
                    return make_loaded_card(loader, signature_from_json(signature), example, facts, settings, needs_pickle=needs_pickle)
    raise InvalidInput(
        f"{BUNDLE_FILE} is not a bundle description: it needs kind, format, signature, example, and entry (format 1) or loader, "
        "settings and needs_pickle (format 2)"
    )


def make_bundle_card(entry: str, signature: Signature, example: Mapping[str, Json], facts: Mapping[str, Json]) -> BundleCard:
    """Return a checked card of a bundle with an entry point.

    Raises:
        InvalidInput: The entry point has another form than `module:function`, or the example does not fit the signature.
    """
    if _ENTRY.fullmatch(entry) is None:
        raise InvalidInput(f"{entry[:80]!r} is not an entry point; expected module:function")
    return BundleCard(entry, signature, _check_example(signature, example), dict(facts))


def make_loaded_card(
    loader: str,
    signature: Signature,
    example: Mapping[str, Json],
    facts: Mapping[str, Json],
    settings: Mapping[str, Json],
    *,
    needs_pickle: bool,
) -> BundleCard:
    """Return a checked card of a bundle that a loader opens.

    Raises:
        InvalidInput: The loader's name has another form than a loader's name, or the example does not fit the signature.
    """
    if _LOADER.fullmatch(loader) is None:
        raise InvalidInput(f"{loader[:80]!r} is not the name of a loader; expected lower-case letters, digits and dashes")
    return BundleCard("", signature, _check_example(signature, example), dict(facts), loader, dict(settings), needs_pickle)


def _check_example(signature: Signature, example: Mapping[str, Json]) -> dict[str, Scalar]:
    plain: dict[str, Scalar] = {}
    for name, value in example.items():
        if isinstance(value, list | dict):
            raise InvalidInput(f"{BUNDLE_FILE}: the example's {name!r} is not one plain value")
        plain[name] = value
    row = check_columns(signature.inputs, {name: [value] for name, value in plain.items()})
    return {name: values[0] for name, values in row.items()}
