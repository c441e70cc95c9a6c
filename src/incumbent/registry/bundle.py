"""A bundle's own description, `bundle.json`: how it is entered and what it takes and gives.

A bundle is a folder. Whoever loads it puts its `code/` folder first on the import path, imports the module of the entry
point and calls `function(folder)`; what comes back is called with columns and gives columns. Format 1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from incumbent.base.documents import Document, Json, document_bytes, parse_document
from incumbent.base.errors import InvalidInput
from incumbent.registry.signature import Scalar, Signature, check_columns, signature_from_json

BUNDLE_FILE = "bundle.json"
CODE_FOLDER = "code"
BUNDLE_FORMAT = 1
_ENTRY = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class BundleCard:
    """What `bundle.json` says.

    Attributes:
        entry: `module:function` inside the bundle's code folder.
        example: One row that the signature takes.
        facts: What else its maker wants known: what the label means, how it measured.
    """

    entry: str
    signature: Signature
    example: Mapping[str, Scalar]
    facts: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "kind": "bundle",
            "format": BUNDLE_FORMAT,
            "entry": self.entry,
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
        case {"kind": "bundle", "format": int(number), "entry": str(entry), "signature": signature, "example": dict(example), **rest}:
            if number != BUNDLE_FORMAT:
                raise InvalidInput(f"{BUNDLE_FILE} has format {number}; this release reads format {BUNDLE_FORMAT}")
            facts = rest.get("facts", {})
            if not isinstance(facts, dict):
                raise InvalidInput(f"{BUNDLE_FILE}: facts must be an object, not {type(facts).__name__}")
            return make_bundle_card(entry, signature_from_json(signature), example, facts)
    raise InvalidInput(f"{BUNDLE_FILE} is not a bundle description: it needs kind, format, entry, signature and example")


def make_bundle_card(entry: str, signature: Signature, example: Mapping[str, Json], facts: Mapping[str, Json]) -> BundleCard:
    """Return a checked card.

    Raises:
        InvalidInput: The entry point has another form than `module:function`, or the example does not fit the signature.
    """
    if _ENTRY.fullmatch(entry) is None:
        raise InvalidInput(f"{entry[:80]!r} is not an entry point; expected module:function")
    plain: dict[str, Scalar] = {}
    for name, value in example.items():
        if isinstance(value, list | dict):
            raise InvalidInput(f"{BUNDLE_FILE}: the example's {name!r} is not one plain value")
        plain[name] = value
    row = check_columns(signature.inputs, {name: [value] for name, value in plain.items()})
    return BundleCard(entry, signature, {name: values[0] for name, values in row.items()}, dict(facts))
