"""The page shows the files attached to an attempt: pictures as pictures, and nothing that a browser could run."""

import pytest

from tests.dashboard.browser import Browser, asked
from tests.engine.scene import AGENT, Scene, approval, phase
from wfe_mcp.engine.phases.attach import attach
from wfe_mcp.workspace.files.given_files import FileToAttach

PICTURES = [
    (b"\x89PNG\r\n\x1a\n..", "image/png"),
    (b"\xff\xd8\xff..", "image/jpeg"),
    (b"GIF89a..", "image/gif"),
    (b"RIFF....WEBPVP8 ", "image/webp"),
]


def waiting(scene: Scene, *files: FileToAttach) -> str:
    """A run whose phase ``plan`` waits for a person with ``files``: the id of the request."""
    run = scene.start(phase("plan", approval()))
    scene.do(run, "plan")
    attach(scene.engine, AGENT, run, "plan", files, "What a <b>user</b> sees")
    return asked(scene, run)


@pytest.mark.requirement("S4-26")
@pytest.mark.parametrize(("content", "kind"), PICTURES)
def test_a_picture_is_shown_on_the_page_of_the_decision(
    scene: Scene, browser: Browser, content: bytes, kind: str
) -> None:
    request = waiting(scene, FileToAttach("shot", content))
    page = browser.get(f"/decide/{request}")
    assert f'<img src="/attachment/{request}/1"' in page.text
    assert ("What a <b>user</b> sees" in page.words, "<b>user" in page.text) == (True, False)
    assert "img-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("name", "content", "kind", "how"),
    [
        ("said.txt", b"All <i>green</i>.", "text/plain; charset=utf-8", ""),
        ("page.html", b"<script>alert(1)</script>", "text/plain; charset=utf-8", ""),
        ("drawing.svg", b"<svg onload='alert(1)'/>", "text/plain; charset=utf-8", ""),
        ("data.bin", b"\x00\x01", "application/octet-stream", "attachment; filename*=UTF-8''data.bin"),
        ("latin", b"\xe4\xf6", "application/octet-stream", "attachment; filename*=UTF-8''latin"),
    ],
)
def test_what_is_no_picture_is_text_or_only_saved(
    scene: Scene, browser: Browser, name: str, content: bytes, kind: str, how: str
) -> None:
    request = waiting(scene, FileToAttach(name, content))
    found = browser.get(f"/attachment/{request}/1")
    assert (found.status, found.headers["content-type"], found.headers.get("content-disposition", "")) == (
        200,
        kind,
        how,
    )
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "<img" not in browser.get(f"/decide/{request}").text


def test_a_number_or_a_request_that_is_not_there_shows_nothing(scene: Scene, browser: Browser) -> None:
    request = waiting(scene, FileToAttach("said.txt", b"All green."))
    other = waiting(scene)
    for path in (f"/attachment/{request}/2", f"/attachment/{other}/1", "/attachment/rq-nothing/1"):
        assert browser.get(path).status == 404
