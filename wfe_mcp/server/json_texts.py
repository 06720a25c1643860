"""Arguments that clients and models send as JSON text where an object or a list is wanted.

Any other text stays text, whatever it looks like.
"""

from collections.abc import Mapping
from typing import Any

from wfe_mcp.artifacts.parse import parse_json
from wfe_mcp.core.errors import Detail, Refused, pointer

_BEGINS = {"object": "{", "array": "["}


def read_json_texts(
    values: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, tuple[Detail, ...]]]:
    """``values`` in which such a text is what it says, and the faults of each text that only begins as if it were.

    ``known``: the schema of each value. Refuses ``too_large``.
    """
    read, faults = dict(values), dict[str, tuple[Detail, ...]]()
    for name, text in values.items():
        begins = _BEGINS.get(known[name].get("type"))
        if begins is None or not isinstance(text, str) or not text.lstrip().startswith(begins):
            continue
        try:
            read[name] = parse_json(text)
        except Refused as no:
            if no.code == "too_large":
                raise
            why = f"was sent in a text that is not {'an object' if begins == '{' else 'a list'} in JSON"
            faults[name] = tuple(Detail(pointer(name) + part.path, f"{why}: {part.message}") for part in no.details)
    return read, faults
