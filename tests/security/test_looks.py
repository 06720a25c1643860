"""A look from a terminal that the agent's client opened is none of the person's."""

import sys

import pytest

from tests.security.machine import Machine, typist
from wfe_mcp.engine.people.looks import FILE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminals that a program can make")


@pytest.mark.attack("an agent looks at what is new, so that the person never sees it as new", "held", "T1")
def test_a_look_at_the_clients_terminal_does_not_count_as_the_persons(machine: Machine) -> None:
    machine.person()
    looks = machine.database.parent / FILE
    for command in (["status"], ["inbox"], ["status", "--new"]):
        assert machine.client()(*typist("never asked", "", *machine.wfe(*command))).code == 0
        assert not looks.exists()
    assert machine.run(*typist("never asked", "", *machine.wfe("status"))).code == 0
    assert looks.exists()
