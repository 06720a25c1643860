"""Files attached to work items: kept with the item that names them, found by name, number or digest."""

from collections.abc import Sequence

from wfe_mcp.core.errors import Refused
from wfe_mcp.core.items import Item, ItemFile
from wfe_mcp.core.limits import ATTACHMENT_BYTES, ATTACHMENTS, ATTACHMENTS_BYTES
from wfe_mcp.engine.kernel.engine import Engine
from wfe_mcp.store import Tx
from wfe_mcp.workspace.files.given_files import FileToAttach, media_type, refuse_above, refuse_name


def with_files(
    engine: Engine, tx: Tx, item: Item, files: Sequence[FileToAttach], detach: str = ""
) -> tuple[ItemFile, ...]:
    """The files of ``item`` with ``files``, whose bytes are kept, and without ``detach``: the name, sha256 or number of one.

    Refuses ``too_large``, a name that no file can have, and ``unknown_artifact`` where ``detach`` is none of them or several.
    """
    gone = _find_file(item, detach) if detach else None
    kept = [file for file in item.files if file != gone]
    for file in files:
        refuse_name(file.name)
        refuse_above(ATTACHMENT_BYTES, len(file.content), f"'{file.name}'")
        sha256 = tx.items.keep_file(engine.project_id, file.content)
        item_file = ItemFile(file.name, media_type(file.content), len(file.content), sha256)
        kept += [item_file] if item_file not in kept else []
    refuse_above(ATTACHMENTS, len(kept), item.id)
    refuse_above(ATTACHMENTS_BYTES, sum(file.size_bytes for file in kept), item.id)
    return tuple(kept)


def _find_file(item: Item, which: str) -> ItemFile:
    called = [file for file in item.files if which in {file.name, file.sha256}]
    if not called and which.isdecimal():
        called = [file for nth, file in enumerate(item.files, 1) if nth == int(which)]
    if len(called) != 1:
        raise _unknown(item, f"{'several files' if called else 'no file'} {which!r}")
    return called[0]


def file_of(engine: Engine, name: str, number: int) -> tuple[ItemFile, bytes]:
    """A file attached to the item called ``name``, by its number from 1, and its bytes. Refuses ``unknown_artifact``."""
    with engine.store.read() as tx:
        item = tx.items.get(engine.project_id, name)
        if not 0 < number <= len(item.files):
            raise _unknown(item, f"no file {number}")
        file = item.files[number - 1]
        content = tx.items.file(engine.project_id, file.sha256)
    if content is None:
        missing = f"The bytes of '{file.name}' are missing."
        raise Refused("unknown_artifact", missing, "See what is missing: wfe-mcp verify")
    return file, content


def _unknown(item: Item, what: str) -> Refused:
    listed = ", ".join(f"{nth} ({file.name})" for nth, file in enumerate(item.files, 1))
    return Refused("unknown_artifact", f"{item.id} has {what}.", f"Attached files: {listed or 'none'}.")
