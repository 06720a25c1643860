"""JSON without the module ``json``, which loads ``re`` and takes 6 ms of a hook that may take 10."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_CHARS = 4_000_000


def parse_json(text: str) -> "Any":
    """The value of a JSON text. Raises ValueError or StopIteration for anything else."""
    try:
        from _json import make_scanner  # pyright: ignore[reportMissingModuleSource, reportAttributeAccessIssue, reportUnknownVariableType] - of CPython
    except ImportError:  # pragma: no cover - another Python
        import json

        return json.loads(text)
    if len(text) > MAX_CHARS:
        raise ValueError(f"more than {MAX_CHARS} characters")
    return make_scanner(_Context)(text.strip(), 0)[0]  # pyright: ignore[reportArgumentType] - its settings are attributes


def quote_json(text: str) -> str:
    """``text`` as a JSON string."""
    try:
        from _json import encode_basestring_ascii  # pyright: ignore[reportMissingModuleSource, reportAttributeAccessIssue, reportUnknownVariableType] - of CPython
    except ImportError:  # pragma: no cover - another Python
        import json

        return json.dumps(text)
    return str(encode_basestring_ascii(text))  # pyright: ignore[reportUnknownArgumentType]


def write_json(value: "dict[str, Any]") -> str:
    """An object of texts, whole numbers and such objects as JSON."""
    parts = [
        f"{quote_json(key)}: {write_json(item) if isinstance(item, dict) else item if isinstance(item, int) else quote_json(str(item))}"  # pyright: ignore[reportUnknownArgumentType]
        for key, item in value.items()
    ]
    return "{" + ", ".join(parts) + "}"


class _Context:
    """What the scanner of CPython reads its settings from."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: "dict[str, str]" = {}  # noqa: RUF012 - the scanner wants an attribute
