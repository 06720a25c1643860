"""People of a server in one process: their logins, roles, absences, whose a request is, and their messages."""

import base64
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.engine.scene import AGENT, GOOD, HUMAN, Scene, approval, phase, refused
from tests.engine.webhooks.receiver import Receiver
from wfe_mcp.core.canonical import sha256_hex
from wfe_mcp.core.model import By, Channel
from wfe_mcp.core.paths import PhasePath
from wfe_mcp.dashboard.engines import Engines
from wfe_mcp.dashboard.pages import everything_waiting
from wfe_mcp.engine.access.people import IDLE_S, SESSION_S, Login, People, end_access, people as everyone
from wfe_mcp.engine.access.tokens import create_token, tokens
from wfe_mcp.engine.approvals import decide as approvals, pin
from wfe_mcp.engine.approvals.approvers import ApproverKey, pin_person
from wfe_mcp.engine.kernel.engine import own_key
from wfe_mcp.engine.notifications.people import Sent, has_address, send_to_people, set_address
from wfe_mcp.engine.people.absence import absences, come_back, go_away, refuse_strangers
from wfe_mcp.engine.people.deciders import MOST_NOTE, deciders, hand_over
from wfe_mcp.engine.people.presence import LASTS_S, come, present
from wfe_mcp.views.approvals.request import decision_view
from wfe_mcp.views.pages.inbox_of_person import absence_list, inbox_of, people_at, yours
from wfe_mcp.workspace.config.server_table import Role, ServerRole
from wfe_mcp.workspace.system.location import user_config_file

ISS, ORIGIN, PIN = "https://id.example", "https://wfe.example", "correct horse"
ROLES: tuple[Role, ...] = ("reader", "author", "approver", "admin")
TERMINAL = By("root", Channel.CLI)


@pytest.fixture
def team(scene: Scene) -> People:
    return People(scene.engine, ORIGIN, [ServerRole(role=role, groups=[role], projects=["*"]) for role in ROLES])


def come_in(team: People, name: str, role: str = "approver") -> Login:
    found = team.login_of(team.log_in(ISS, f"sub-{name}", name, [role], "192.0.2.1"))
    assert found is not None
    return found


def pin_keys(scene: Scene, *names: str) -> None:
    pin.set_pin(scene.engine, PIN, HUMAN)
    mine = pin.own_key(scene.engine)
    assert mine is not None
    person = pin.person_at_page(scene.engine, PIN, "owner")
    pin_person(scene.engine, person, pin.person_key("owner", mine.public_key))
    for each in names:
        key = base64.urlsafe_b64encode(each.encode()).decode().rstrip("=")
        pin_person(scene.engine, person, ApproverKey(id=key, name=each, public_key=key, origin=ORIGIN))


def configure(scene: Scene, home: Path, more: str) -> None:
    """The server in the user's own configuration, which is trusted."""
    file = user_config_file()
    assert file.is_relative_to(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    role = '[server.roles.a]\nrole = "approver"\ngroups = ["approver"]\nprojects = ["*"]\n'
    file.write_text(f'[server]\norigin = "{ORIGIN}"\n{role}{more}', encoding="utf-8")
    with scene.store.tx() as tx:
        tx.trust.give(scene.engine.project_id, own_key(file), sha256_hex(file.read_bytes()), HUMAN, scene.clock())


def asked(scene: Scene) -> tuple[str, str]:
    """A run, and its request that waits for a person."""
    run = scene.start(phase("plan", approval()))
    scene.begin(run, "plan")
    scene.submit(run, "plan", artifact=GOOD)
    approvals.ask(scene.engine, AGENT, run, PhasePath("plan"))
    return run, scene.attempt(run, "plan").asked or ""


def test_people_keep_their_name_and_two_of_one_name_are_distinguished(team: People) -> None:
    first, second = come_in(team, "ada"), team.login_of(team.log_in(ISS, "other", "Ada", ["reader"], "192.0.2.2"))
    assert second is not None
    assert (first.person.name, second.person.name) == ("ada", "Ada 2")
    assert come_in(team, "ada").person.name == "ada"
    assert [(each.name, count) for each, count in everyone(team.engine)] == [("ada", 2), ("Ada 2", 1)]
    assert refused(team.log_in, ISS, "eve", "eve", ["no group of ours"], "192.0.2.3").code == "forbidden"


def test_a_session_ends_when_it_is_not_used_is_old_is_left_or_was_made_up(scene: Scene, team: People) -> None:
    text = team.log_in(ISS, "1", "ada", ["approver"], "192.0.2.1")
    scene.clock.advance(seconds=IDLE_S - 60)
    assert team.login_of(text) is not None
    scene.clock.advance(seconds=IDLE_S - 60)
    assert team.login_of(text, counts=False) is not None, "it was used"
    scene.clock.advance(seconds=61)
    assert team.login_of(text) is None
    scene.clock.advance(seconds=SESSION_S)
    login = come_in(team, "ada")
    team.log_out(login, "192.0.2.1")
    assert (team.login_of("made up"), team.login_of("")) == (None, None)
    assert [count for _, count in everyone(team.engine)] == [0, 0]


def test_the_tokens_of_a_person_count_while_their_role_does_and_end_with_them(scene: Scene, team: People) -> None:
    login, project = come_in(team, "ada", "author"), scene.engine.project_id
    token, _ = create_token(scene.engine, login.person.by, "mine", "work", project=project, person=login.person.row)
    own, _ = create_token(scene.engine, HUMAN, "other", "work", project=project)
    assert (team.allow(token), team.allow(own)) == (True, True)
    come_in(team, "ada", "reader")
    assert not team.allow(token)
    assert not team.allow(replace(token, person="unknown"))
    assert end_access(scene.engine, HUMAN, "ada") == (2, 1)
    assert [each.name for each in tokens(scene.engine)] == ["other"]
    assert refused(end_access, scene.engine, HUMAN, "adda").code == "bad_argument"


def test_logins_that_were_refused_and_changed_roles_are_in_the_log_once(scene: Scene, team: People) -> None:
    team.note_refused("forbidden", "", "192.0.2.9")
    for _ in range(2):
        team.note_roles()
    with scene.store.read() as tx:
        types = [each.type for each in tx.settings_log.events()]
    assert (types.count("LoginRefused"), types.count("RolesConfigured")) == (1, 1)


def test_an_absence_ends_on_its_day_or_before_it(scene: Scene, team: People) -> None:
    engine, day = scene.engine, (scene.clock() + timedelta(days=3)).date()
    for each in ("ada", "bob"):
        come_in(team, each)
    for until, to in (("soon", ""), (str(day - timedelta(days=3)), ""), (str(day), "ada"), (str(day), "eve")):
        assert refused(go_away, engine, TERMINAL, "ada", until, to).code == "bad_argument"
    assert go_away(engine, TERMINAL, "ada", str(day), "bob").text == f"away until {day}, deputy bob"
    with engine.store.read() as tx:
        found = absences(tx, scene.clock())
    assert [(each.name, each.to) for each in absence_list(found.values()).away] == [("ada", "bob")]
    come_back(engine, TERMINAL, "ada")
    come_back(engine, TERMINAL, "ada")
    go_away(engine, TERMINAL, "bob", str(day))
    scene.clock.advance(days=3)
    with engine.store.read() as tx:
        assert absences(tx, scene.clock()) == {}


def test_only_an_admin_says_of_others_that_they_are_away_and_no_one_of_strangers(team: People) -> None:
    ada, max_ = come_in(team, "ada"), come_in(team, "max", "admin")
    refuse_strangers(team, ada, "ada", "max")
    refuse_strangers(team, max_, "ada")
    assert refused(refuse_strangers, team, ada, "max").code == "forbidden"
    assert refused(refuse_strangers, team, max_, "eve").code == "bad_argument"


def test_the_inbox_of_a_person_says_what_is_for_others_and_for_whom(scene: Scene, team: People) -> None:
    pin_keys(scene, "ada", "bob", "ron")
    who = {"ada": "approver", "bob": "approver", "eve": "approver", "ron": "reader"}
    logins = {name: come_in(team, name, role) for name, role in who.items()}
    _, request = asked(scene)
    scene.start(phase("plan", kind="human"), name="task")
    waiting = everything_waiting(Engines(scene.engine))

    def why(me: str) -> list[str]:
        found = inbox_of(waiting, me, {str(scene.root): deciders(scene.engine, team)})
        return [each.for_others for each in found.decisions]

    assert why("ada") == [""]
    assert "ada and bob can decide it." in why("eve")[0] and "You have no passkey" in why("eve")[0]
    assert why("ron") == ["ada and bob can decide it."]
    assert len(yours(inbox_of(waiting, "ron", {})).decisions) == 0
    hand_over(scene.engine, team, logins["ada"], request, "bob", "You know it")
    waiting = everything_waiting(Engines(scene.engine))
    assert "bob" in why("ada")[0] and why("bob") == [""]
    go_away(scene.engine, TERMINAL, "bob", str((scene.clock() + timedelta(days=2)).date()))
    assert why("ada") == [""], "bob is not there, and has no deputy"
    assert "away until" in why("eve")[0]
    view = decision_view(scene.engine, request)
    assert view is not None
    here = people_at(scene.engine, team, logins["ada"], view)
    assert here.able == (), "bob has it already"
    assert "bob" in here.handed
    assert people_at(scene.engine, team, logins["ron"], view).able == ()


def test_a_request_is_handed_to_someone_who_can_decide_it_and_to_no_one_else(scene: Scene, team: People) -> None:
    pin_keys(scene, "ada", "bob")
    ada, ron = come_in(team, "ada"), come_in(team, "ron", "reader")
    for each in ("bob", "eve"):
        come_in(team, each)
    run, request = asked(scene)

    def no(giver: Login | By, to: str, note: str = "", of: str = request) -> str:
        return refused(hand_over, scene.engine, team, giver, of, to, note).code

    assert no(ron, "bob") == "forbidden"
    assert no(ada, "bobb") == "bad_argument"
    assert no(ada, "bob", "x" * (MOST_NOTE + 1)) == "bad_argument"
    assert (no(ada, "eve"), no(ada, "ron")) == ("forbidden", "forbidden")
    hand_over(scene.engine, team, TERMINAL, request, "bob")
    handed = scene.attempt(run, "plan").handed
    assert handed is not None and (handed.to, handed.by) == ("bob", "root")
    approvals.decide(scene.engine, HUMAN, run, "plan")
    assert no(ada, "bob") == "stale_revision"


def test_who_has_a_decision_open_is_there_until_they_say_nothing_or_log_out(scene: Scene, team: People) -> None:
    ada, bob, (_, request) = come_in(team, "ada"), come_in(team, "bob"), asked(scene)
    assert come(scene.engine, ada, request) == []
    assert [each.name for each in come(scene.engine, bob, request)] == ["ada"]
    team.log_out(ada, "192.0.2.1")
    assert [each.name for each in present(scene.engine, request)] == ["bob"]
    scene.clock.advance(seconds=LASTS_S + 1)
    assert present(scene.engine, request) == []


def test_a_message_goes_once_to_those_whose_the_request_is_at_an_address_that_may_be_reached(
    scene: Scene, team: People, home: Path
) -> None:
    chat = Receiver()
    chat.start()
    pin_keys(scene, "ada", "bob")
    ada, bob = come_in(team, "ada"), come_in(team, "bob")
    configure(scene, home, f'[http]\nallow = ["{chat.origin}"]\n')
    _, request = asked(scene)

    assert refused(set_address, scene.engine, ada, "http://192.168.0.1/x").code == "bad_argument"
    assert refused(set_address, scene.engine, ada, f"{chat.origin}/{'x' * 600}").code == "bad_argument"
    set_address(scene.engine, ada, f"{chat.origin}/ada")
    set_address(scene.engine, bob, f"{chat.origin}/bob")
    set_address(scene.engine, bob, "")
    assert (has_address(scene.engine, ada), has_address(scene.engine, bob)) == (True, False)

    first, second = (send_to_people(scene.engine, request, {"text": "one waits"}) for _ in range(2))
    chat.stop()

    assert (first, second) == (Sent(["ada"], [], []), Sent([], [], []))
    assert [(each.path, each.body) for each in chat.heard] == [("/ada", {"text": "one waits"})]
    assert send_to_people(scene.engine, "unknown", {}) == Sent([], [], [])
