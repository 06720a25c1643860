"""The page works in a real browser, with a virtual authenticator."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium, Error, Route, expect

from tests.dashboard.browser import PIN, asked, last
from tests.dashboard.chromium import Tab
from tests.engine.scene import Scene, approval, command, phase
from wfe_mcp.dashboard.serving import Page
from wfe_mcp.engine.approvals.approvers import pinned_here
from wfe_mcp.views.approvals.approvers import approvers_path
from wfe_mcp.views.approvals.trust import trust_path

LONG = {"title": "A title that goes on " * 8, "body": "/a/path/without/any/space/" * 40 + "\nx = 1\n" * 30}


def waiting(scene: Scene, *gates: dict[str, object], artifact: dict[str, str] | None = None) -> tuple[str, str]:
    run = scene.start(phase("plan", *gates))
    scene.do(run, "plan", artifact)
    return run, asked(scene, run)


def pin_key(scene: Scene, page: Page, tab: Tab, name: str) -> None:
    """Pin a new key as a person does; the first with the PIN."""
    first = not (scene.root / ".wfe/approvers.json").exists()
    tab.page.goto(page.url + approvers_path(scene.engine, name))
    if first:
        tab.page.fill("#pin-add", PIN)
    press(tab, "Pin a passkey")


def names(scene: Scene) -> list[str]:
    return [key.name for key in pinned_here(scene.engine, scene.root).keys.values()]


def press(tab: Tab, label: str) -> None:
    """Press a button and see what it leads to; where it leads nowhere, what the page says of it."""
    try:
        with tab.page.expect_navigation():
            tab.page.click(f"button:has-text('{label}')")
    except Error as error:
        raise AssertionError(f"{tab.words}\n{tab.console}") from error


def test_a_person_approves_with_the_pin(scene: Scene, page: Page, tab: Tab) -> None:
    scene.check("ok", "print('fine')")
    run, request = waiting(scene, command("ok"), approval())
    tab.page.goto(f"{page.url}decide/{request}")
    tab.page.check("#c-yes")
    tab.page.fill("#comment", "well done")
    tab.page.fill("#pin-approve", PIN)
    press(tab, "Sign approval")
    assert "Approved by" in tab.words
    assert last(scene, run).status == "completed"
    assert tab.console == [], "no violation of the policy, nothing that does not load"


def test_the_list_links_to_what_waits_and_a_rejection_returns_to_it(scene: Scene, page: Page, tab: Tab) -> None:
    run, _ = waiting(scene, approval())
    tab.page.goto(page.url)
    tab.page.fill("#pin", PIN)
    press(tab, "Show")
    with tab.page.expect_navigation():
        tab.page.click("text=plan")
    tab.page.check("#c-back")
    tab.page.fill("#feedback", "say more")
    tab.page.fill("#pin-reject", PIN)
    press(tab, "Sign and send back")
    assert "Rejected by" in tab.words
    assert last(scene, run).number == 2
    assert tab.console == []


def test_a_key_is_pinned_and_a_second_one_by_the_first(scene: Scene, page: Page, tab: Tab) -> None:
    first = tab.add_key()
    pin_key(scene, page, tab, "laptop")
    assert names(scene) == ["laptop"]
    second = tab.add_key()

    def now_the_first(route: Route) -> None:
        tab.touch(second, at_once=False)
        tab.touch(first, at_once=True)
        route.continue_()

    tab.touch(first, at_once=False)
    tab.page.route("**/add/sign?*", now_the_first)
    pin_key(scene, page, tab, "phone")
    assert names(scene) == ["laptop", "phone"]
    assert "pinned by laptop" in tab.words
    press(tab, "Remove laptop")
    assert names(scene) == ["phone"]
    assert tab.console == []


def test_a_second_key_does_not_come_in_without_the_first(scene: Scene, page: Page, tab: Tab) -> None:
    first = tab.add_key()
    pin_key(scene, page, tab, "laptop")
    tab.unplug(first)
    tab.add_key()
    tab.page.goto(page.url + approvers_path(scene.engine, "phone"))
    tab.page.click("button:has-text('Pin a passkey')")
    tab.page.wait_for_function("() => [...document.querySelectorAll('p.report')].some(each => each.textContent)")
    assert "Nothing was done" in tab.words
    assert names(scene) == ["laptop"]


def test_a_passkey_approves_and_the_server_refuses_another_and_a_replay(scene: Scene, page: Page, tab: Tab) -> None:
    mine = tab.add_key()
    pin_key(scene, page, tab, "laptop")
    run, request = waiting(scene, approval("passkey"))
    _, other = waiting(scene, approval("passkey"))
    tab.page.goto(f"{page.url}decide/{request}")
    assert tab.page.locator("#pin-approve").count() == 0
    replayed = tab.page.evaluate(SIGN, [f"/decide/{request}", None])
    again = tab.page.evaluate(SEND, [f"/decide/{other}", replayed])
    assert "The signature of the passkey does not hold" in again
    tab.unplug(mine)
    tab.add_key()
    tab.page.goto(f"{page.url}decide/{request}")
    foreign = tab.page.evaluate(SIGN, [f"/decide/{request}", "a key of my own"])
    assert "not pinned" in tab.page.evaluate(SEND, [f"/decide/{request}", foreign])
    assert last(scene, run).status == "awaiting"


def test_a_passkey_approves(scene: Scene, page: Page, tab: Tab) -> None:
    tab.add_key()
    pin_key(scene, page, tab, "laptop")
    run, request = waiting(scene, approval("passkey"))
    tab.page.goto(f"{page.url}decide/{request}")
    tab.page.check("#c-yes")
    tab.page.fill("#comment", "well done")
    press(tab, "Approve with a passkey")
    assert "Approved by laptop (passkey)" in tab.words
    assert last(scene, run).status == "completed"
    assert tab.console == []


def test_a_double_click_asks_for_one_signature_of_the_passkey(scene: Scene, page: Page, tab: Tab) -> None:
    tab.add_key()
    pin_key(scene, page, tab, "laptop")
    run, request = waiting(scene, approval("passkey"))
    tab.page.goto(f"{page.url}decide/{request}")
    tab.page.check("#c-yes")
    sent: list[str] = []
    tab.page.on("request", lambda each: sent.append(each.url.removeprefix(page.url)))
    tab.page.dblclick("button:has-text('Approve with a passkey')")
    expect(tab.page.get_by_role("status")).to_contain_text("Approved by laptop")
    assert sent.count(f"decide/{request}/approve/sign") == sent.count(f"decide/{request}/approve") == 1
    assert last(scene, run).status == "completed"
    assert tab.console == []


def test_under_its_number_the_page_says_where_passkeys_work(scene: Scene, page: Page, tab: Tab) -> None:
    tab.add_key()
    pin_key(scene, page, tab, "laptop")
    _, request = waiting(scene, approval("passkey"))
    tab.page.goto(f"http://127.0.0.1:{page.port}/decide/{request}")
    tab.page.check("#c-yes")
    tab.page.click("button:has-text('Approve with a passkey')")
    assert f"open http://localhost:{page.port}/decide/{request}" in tab.words


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_is_wider_than_the_window(scene: Scene, page: Page, chromium: Chromium, width: int) -> None:
    tab = Tab.open(chromium, width)
    tab.add_key()
    pin_key(scene, page, tab, "ada's laptop")
    scene.check("ok", "print('fine')")
    _, request = waiting(scene, command("ok"), approval("passkey", phrase="ship it"), artifact=LONG)
    seen: list[str] = []
    for number, path in enumerate((f"decide/{request}", approvers_path(scene.engine), "", "approvers/p-0")):
        tab.page.goto(page.url + path)
        if not path:
            tab.page.fill("#pin", PIN)
            press(tab, "Show")
        shot(tab, f"{width}-{number}")
        seen += [path] if tab.overflow > 0 else []
    tab.close()
    assert seen == []


def shot(tab: Tab, name: str) -> None:
    """A picture for people, where they ask for one."""
    folder = os.environ.get("WFE_SCREENSHOTS")
    if folder:
        tab.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


SIGN = """async ([path, own]) => {
  const form = document.querySelector(`form[action="${path}/approve"]`);
  const headers = {"Content-Type": "application/x-www-form-urlencoded"};
  const body = new URLSearchParams(new FormData(form)).toString();
  const asked = await (await fetch(`${path}/approve/sign`, {method: "POST", headers, body})).json();
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options);
  if (own) {
    const made = await navigator.credentials.create({publicKey: {
      challenge: new Uint8Array(32), rp: {id: "localhost", name: "x"}, pubKeyCredParams: [{type: "public-key", alg: -7}],
      user: {id: new Uint8Array(8), name: own, displayName: own}}});
    publicKey.allowCredentials = [{type: "public-key", id: made.rawId}];
  }
  const got = await navigator.credentials.get({publicKey});
  return {ceremony: asked.ceremony, assertion: JSON.stringify(got.toJSON())};
}"""
"""Has a request signed as our script does, by the pinned key or by one that is made for it."""

SEND = """async ([path, signed]) => {
  const headers = {"Content-Type": "application/x-www-form-urlencoded"};
  const page = new DOMParser().parseFromString(await (await fetch(path)).text(), "text/html");
  const fields = new URLSearchParams(new FormData(page.querySelector(`form[action="${path}/approve"]`)));
  if (!location.pathname.startsWith(path)) {
    const asked = await (await fetch(`${path}/approve/sign`, {method: "POST", headers, body: fields.toString()})).json();
    signed.ceremony = asked.ceremony;
  }
  fields.set("ceremony", signed.ceremony);
  fields.set("assertion", signed.assertion);
  return await (await fetch(`${path}/approve`, {method: "POST", headers, body: fields.toString()})).text();
}"""
"""Sends a signature with the form of a request; with that request's own ceremony where it was signed for another."""


@pytest.mark.parametrize("width", [400, 1280])
def test_a_person_reviews_and_trusts_without_a_script(scene: Scene, page: Page, chromium: Chromium, width: int) -> None:
    program = "/a/path/without/any/space/" * 20
    scene.write(".wfe/config.toml", f'[checks.test]\nargv = ["{program}"]\n')
    tab = Tab.open(chromium, width)
    try:
        tab.page.goto(page.url + trust_path(scene.engine))
        tab.page.fill("#pin", PIN)
        press(tab, "Show")
        assert program in tab.words
        assert tab.overflow == 0
        tab.page.fill("#pin", PIN)
        press(tab, "Sign trust")
        assert "Nothing needs your trust" in tab.words
        assert scene.engine.settings().untrusted == []
        assert tab.console == []
    finally:
        tab.close()
