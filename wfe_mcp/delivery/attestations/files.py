"""The files that a decision is about: a commit's tree without the project's own ``.wfe/``."""

from collections.abc import Sequence
from pathlib import Path

from wfe_mcp.workspace.git.batch import read_objects
from wfe_mcp.workspace.git.objects import object_id

_OWN = b"40000 .wfe\0"


def files_tree(root: Path, names: Sequence[str], hash_name: str) -> list[tuple[str, str]]:
    """For each tree that ``names`` names: the id it has without its folder ``.wfe``, and the id of that folder, or empty."""
    return [
        _without_own(object_[1] if object_ is not None and object_[0] == "tree" else b"", hash_name)
        for object_ in read_objects(root, names)
    ]


def _without_own(tree: bytes, hash_name: str) -> tuple[str, str]:
    length, at, kept, own = len(object_id("tree", b"", hash_name)) // 2, 0, b"", ""
    while at < len(tree):
        end = tree.index(b"\0", at) + 1 + length
        if tree[at:end].startswith(_OWN):
            own = tree[end - length : end].hex()
        else:
            kept += tree[at:end]
        at = end
    return object_id("tree", kept, hash_name), own
