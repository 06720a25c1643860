"""Files attached to work items: kept with the item that names them, found by name, number or digest."""

from collections.abc import Sequence

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import Item, ItemFile
from wfe_mcp.core.limits import ATTACHMENT_BYTES, ATTACHMENTS, ATTACHMENTS_BYTES
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.workspace.files.given_files import Given, media_type, refuse_above, refuse_name


def with_files(engine: Engine, tx: Tx, item: Item, files: Sequence[Given], detach: str = "") -> tuple[ItemFile, ...]:
    """The files of ``item`` with ``files``, whose bytes are kept, and without ``detach``: the name, sha256 or number of one.

    Refuses ``too_large``, a name that no file can have, and ``unknown_artifact`` where ``detach`` is none of them or several.
    """
    gone = _called(item, detach) if detach else None
    kept = [each for each in item.files if each != gone]
    for file in files:
        refuse_name(file.name)
        refuse_above(ATTACHMENT_BYTES, len(file.content), f"'{file.name}'")
        sha256 = tx.items.keep_file(engine.project_id, file.content)
        made = ItemFile(file.name, media_type(file.content), len(file.content), sha256)
        kept += [made] if made not in kept else []
    refuse_above(ATTACHMENTS, len(kept), item.id)
    refuse_above(ATTACHMENTS_BYTES, sum(each.size_bytes for each in kept), item.id)
    return tuple(kept)


def _called(item: Item, which: str) -> ItemFile:
    called = [each for each in item.files if which in {each.name, each.sha256}]
    if not called and which.isdecimal():
        called = [each for nth, each in enumerate(item.files, 1) if nth == int(which)]
    if len(called) != 1:
        raise _unknown(item, f"{'several files' if called else 'no file'} {which!r}")
    return called[0]


def file_of(engine: Engine, name: str, number: int) -> tuple[ItemFile, bytes]:
    """A file attached to the item called ``name``, by its number from 1, and its bytes. Refuses ``unknown_artifact``."""
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
        if not 0 < number <= len(item.files):
            raise _unknown(item, f"no file {number}")
        found = item.files[number - 1]
        content = tx.items.file(engine.project_id, found.sha256)
    if content is None:
        missing = f"The bytes of '{found.name}' are missing."
        raise Refused("unknown_artifact", missing, "See what is missing: wfe-mcp verify")
    return found, content


def _unknown(item: Item, what: str) -> Refused:
    listed = ", ".join(f"{nth} ({each.name})" for nth, each in enumerate(item.files, 1))
    return Refused("unknown_artifact", f"{item.id} has {what}.", f"Attached files: {listed or 'none'}.")
