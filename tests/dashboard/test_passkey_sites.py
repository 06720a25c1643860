"""A passkey belongs to the site at which it was made, and at a server to the person who is logged in."""

import json

from tests.dashboard.browser import Browser, asked
from tests.dashboard.soft_key import Signer, SoftKey
from tests.engine.scene import Scene, approval, phase, refused
from wfe_mcp.engine.approvals.approvers import Signer as At
from wfe_mcp.engine.approvals.passkey_decisions import statement_to_sign
from wfe_mcp.engine.approvals.passkeys import (
    Assertion,
    Site,
    asking_for_key,
    asking_for_signature,
    created_key,
    stored_fault,
    verify_assertion,
)
from wfe_mcp.views.approvals.approvers import approvers_path


def test_a_key_of_a_server_is_made_and_signs_at_its_address_alone() -> None:
    site, statement = Site("https://wfe.example"), {"kind": "approve"}
    key, once = SoftKey("badge", party="wfe.example"), bytes(16)
    options = asking_for_key(site, "ada", bytes(16), once, [])
    assert (options["rp"]["id"], site.of_key, Site.here(8765).of_key) == ("wfe.example", site.origin, None)
    made = created_key(key.create(options, site.origin), once, site)
    asked_of_key = asking_for_signature(site, statement, [made.id])
    signature = Assertion.of_browser(json.loads(key.get(asked_of_key, site.origin)))
    assert verify_assertion(signature, statement, made.public_key, site) == 0
    assert stored_fault(signature, statement, made.public_key, site.origin) == ""
    assert "not at http://localhost" in stored_fault(signature, statement, made.public_key)
    for elsewhere in (Site("https://wfe.example:8443"), Site.here(8765)):
        assert refused(verify_assertion, signature, statement, made.public_key, elsewhere).code == "needs_human"
        assert refused(created_key, key.create(options, site.origin), once, elsewhere).code == "bad_argument"


def test_a_key_of_a_server_with_tls_at_localhost_is_no_key_of_the_page_of_one_person() -> None:
    site, statement, key = Site("https://localhost:8443"), {"kind": "approve"}, SoftKey("badge")
    made = created_key(key.create(asking_for_key(site, "ada", bytes(16), bytes(16), []), site.origin), bytes(16), site)
    options = asking_for_signature(site, statement, [made.id])
    signature = Assertion.of_browser(json.loads(key.get(options, site.origin)))
    assert stored_fault(signature, statement, made.public_key, site.of_key) == ""
    assert site.of_key != Site.here(8765).of_key


def test_a_person_who_is_logged_in_signs_with_their_own_keys(scene: Scene, browser: Browser) -> None:
    """The keys of one project are of several people, and a page at a server knows who uses it."""
    person = Signer(browser, "/" + approvers_path(scene.engine))
    assert person.pin(SoftKey("laptop")).status == 200
    run = scene.start(phase("plan", approval("passkey")))
    scene.do(run, "plan")
    request = asked(scene, run)
    with scene.store.read() as tx:
        stored = tx.approvals.get(request)
    assert stored is not None
    here = Site.here(person.browser.port)
    assert len(statement_to_sign(scene.engine, stored, "approve", At(here, "laptop"))[1]) == 1
    for other in (At(here, "ada"), At(Site("https://wfe.example"), "laptop"), At(Site("https://wfe.example"))):
        no_key = refused(statement_to_sign, scene.engine, stored, "approve", other)
        assert (no_key.code, other.site.origin in no_key.message) == ("needs_human", True)
