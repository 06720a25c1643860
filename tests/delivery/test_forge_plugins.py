"""A forge of an installed package, and what git may push with the person's own login."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.conftest import Clone
from tests.packages import install, on_the_path
from wfe_mcp.delivery.forges.channels import RestChannel
from wfe_mcp.delivery.forges.places import forge_at, place_of
from wfe_mcp.delivery.forges.protocol import Change
from wfe_mcp.delivery.git.remote import Remote, may_push
from wfe_mcp.engine.templates.versions import plugins_seen
from wfe_mcp.tools.fault import ToolFault

GITEA = """
from wfe_mcp.delivery.forges.github import github

def gitea(place, channel):
    return github(place, channel)

nothing = 1
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    with on_the_path(tmp_path / "site") as found:
        entries = {"wfe_mcp.forges": {"acme.gitea": "acme_forges:gitea", "acme.nothing": "acme_forges:nothing"}}
        install(found, "acme-forges", entries, {"acme_forges.py": GITEA})
        yield found


def test_a_package_adds_a_forge_that_sees_a_channel_and_no_token(clone: Clone, change: Change, site: Path) -> None:
    assert site.is_dir()
    stub = clone.forge
    place = place_of("origin", str(stub.bare), "acme.gitea", stub.origin)
    assert place is not None
    assert forge_at(place, RestChannel(place, stub.token)).find(change) is None
    assert stub.count("GET", "/pulls") == 1
    seen = {one.name: one for one in plugins_seen() if one.kind == "forge"}
    assert (seen["acme.gitea"].fault, "must be a function" in seen["acme.nothing"].fault) == ("", True)


def test_a_forge_that_no_package_brings_is_named_with_those_that_are_there(clone: Clone) -> None:
    stub = clone.forge
    place = place_of("origin", str(stub.bare), "acme.other", stub.origin)
    assert place is not None
    with pytest.raises(ToolFault, match=r"No forge 'acme.other'.* github, gitlab, none"):
        forge_at(place, RestChannel(place, stub.token))


def test_whether_git_may_push_is_asked_without_a_push(clone: Clone) -> None:
    bare = clone.forge.bare
    before = clone.forge.git("for-each-ref")
    assert may_push(Remote(clone.root, "origin", str(bare)))
    assert not may_push(Remote(clone.root, "origin", str(bare) + ".none"))
    assert clone.forge.git("for-each-ref") == before
