"""file_bundle@1: text files that are written all or none."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from wfe_mcp.artifacts.completeness import select
from wfe_mcp.artifacts.models.base import Artifact, BundlePath, Part, example
from wfe_mcp.artifacts.parse import clash_key
from wfe_mcp.core.errors import Detail, pointer


class BundleFile(Part):
    """One text file of any language."""

    path: BundlePath = Field(description="Relative, with /; no '..', no hidden file; unique")
    content: str = Field(description="The whole text of the file")


class FileBundle(Artifact):
    """Whole files; all of them are written or none."""

    model_config = example({"files": [{"path": "src/hello.py", "content": 'print("hello")\n'}]})

    files: list[BundleFile] = Field(min_length=1)

    @classmethod
    def contradictions(cls, value: dict[str, Any]) -> Iterator[Detail]:
        """Two files that would be one on some system, and a file that is another one's folder."""
        yield from super().contradictions(value)
        places = [
            (pointer(*parts), file_path)
            for parts, file_path in select(value, "files.*.path")
            if isinstance(file_path, str)
        ]
        first: dict[str, str] = {}
        for where, path in places:
            if first.setdefault(clash_key(path), where) != where:
                message = (
                    f"{path[:80]!r} is the same file as {first[clash_key(path)]} (upper and lower case do not count)"
                )
                yield Detail(where, message, "a path used once", path[:80])
        for where, path in places:
            parts = clash_key(path).split("/")
            for depth in range(1, len(parts)):
                if other := first.get("/".join(parts[:depth])):
                    yield Detail(where, f"{path[:80]!r} lies below {other}, which is a file", "another path", path[:80])
