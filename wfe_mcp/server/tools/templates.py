"""The tools that list and save workflow templates."""

from typing import Annotated, Any

from pydantic import Field

from wfe_mcp import views
from wfe_mcp.server.tool_request import ToolRequest
from wfe_mcp.views.envelope import Envelope


async def list_templates(call: ToolRequest, query: str = "", name: str = "") -> Envelope:
    """List workflow templates with one line and the inputs of each. Use before start_run to choose one; with name: the
    whole definition.
    """
    return await call.answer(views.reading.list_templates, query=query, name=name)


async def save_template(
    call: ToolRequest,
    definition: Annotated[dict[str, Any], Field(description="wfe/1; list_templates name=quick_fix shows one")],
    dry_run: Annotated[bool, Field(description="only validate")] = False,
) -> Envelope:
    """Create or change a workflow template: validate it and store a new version. Runs start from it once the user
    trusts it.
    """
    return await call.answer(views.tool_answers.save_template, definition=definition, dry_run=dry_run)
