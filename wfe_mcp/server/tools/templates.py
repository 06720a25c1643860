"""Which workflows can be started?"""

from wfe_mcp.server.call import Call
from wfe_mcp.views import answers
from wfe_mcp.views.envelope import Envelope

__all__ = ["list_templates"]


async def list_templates(call: Call, query: str = "", name: str = "") -> Envelope:
    """List workflow templates with one line and the inputs of each. Use before start_run to choose one; with name: the
    whole definition.
    """
    return await call.answer(answers.list_templates, query=query, name=name)
