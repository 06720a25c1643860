"""The product's server with the tools, resources and prompts that the official suite looks for.

Everything else is the product: its wire, its fast start, its transport, its application. A call of one of the suite's tools
goes to the SDK; a call of any other to the product's own tools.
"""

import base64
import json
import tempfile
from pathlib import Path
from typing import Any, Literal

from mcp.server.mcpserver import Context, UserMessage
from mcp_types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from wfe_mcp.server import entry, stdio
from wfe_mcp.server.app import WfeServer
from wfe_mcp.server.project_session import ProjectSession

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
Any_ = Context[None, Any]

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}


class Said(BaseModel):
    """The form of a question."""

    response: str = Field(description="The user's answer")


class Defaults(BaseModel):
    """A form whose fields have defaults."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field("active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = True


def _titled(*names: str) -> Any:
    return [{"const": name, "title": name.title()} for name in names]


class Choices(BaseModel):
    """A form with each kind of choice; the suite prescribes the names."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})  # noqa: N815
    titledSingle: str = Field(json_schema_extra={"oneOf": [*_titled("value1", "value2", "value3")]})  # noqa: N815
    legacyEnum: str = Field(json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]})  # noqa: N815
    untitledMulti: list[Literal["option1", "option2", "option3"]] = Field()  # noqa: N815
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": [*_titled("value1", "value2", "value3")]}})  # noqa: N815


def embedded(uri: str, mime: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime, text=text))


def image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


async def test_simple_text() -> str:
    """A text."""
    return "This is a simple text response for testing."


async def test_image_content() -> list[ImageContent]:
    """An image."""
    return [image()]


async def test_audio_content() -> list[AudioContent]:
    """A sound."""
    return [AudioContent(type="audio", data=WAV, mime_type="audio/wav")]


async def test_embedded_resource() -> list[EmbeddedResource]:
    """A resource."""
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """A text, an image and a resource."""
    mixed = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return [TextContent(type="text", text="Multiple content types test:"), image(), mixed]


async def test_tool_with_progress(ctx: Any_) -> str:
    """Progress."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100, f"{progress} of 100")
    return "done"


async def test_error_handling() -> str:
    """An error."""
    raise RuntimeError("This tool intentionally returns an error for testing")


async def test_elicitation(message: str, ctx: Any_) -> str:
    """A question to the user."""
    answer = await ctx.elicit(message, Said)
    return f"User response: action={answer.action}"


async def test_elicitation_sep1034_defaults(ctx: Any_) -> str:
    """A form with defaults."""
    answer = await ctx.elicit("With defaults", Defaults)
    return f"Elicitation completed: action={answer.action}"


async def test_elicitation_sep1330_enums(ctx: Any_) -> str:
    """A form with choices."""
    answer = await ctx.elicit("With choices", Choices)
    return f"Elicitation completed: action={answer.action}"


async def json_schema_2020_12_tool() -> str:
    """Any value of its schema."""
    return "done"


TOOLS = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_tool_with_progress,
    test_error_handling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    json_schema_2020_12_tool,
)


class FixtureServer(WfeServer):
    """The product's server, and the names that the suite looks for."""

    def __init__(self, place: ProjectSession) -> None:
        super().__init__(place)
        self._suite = {tool.__name__ for tool in TOOLS}
        for tool in TOOLS:
            self.add_tool(tool, description=tool.__doc__)
        self._tool_manager.get_tool("json_schema_2020_12_tool").parameters = SCHEMA  # type: ignore[union-attr]
        self._resources()
        self._prompts()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        if name in self._suite:
            return await super(WfeServer, self).call_tool(name, arguments, context)
        return await super().call_tool(name, arguments, context)

    def _resources(self) -> None:
        async def text() -> str:
            return "This is the content of the static text resource."

        async def binary() -> bytes:
            return base64.b64decode(PNG)

        async def data(id: str) -> str:
            return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

        self.resource("test://static-text", mime_type="text/plain")(text)
        self.resource("test://static-binary", mime_type="image/png")(binary)
        self.resource("test://template/{id}/data", mime_type="application/json")(data)

    def _prompts(self) -> None:
        async def test_simple_prompt() -> str:
            return "This is a simple prompt for testing."

        async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
            return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

        async def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
            found = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
            return [UserMessage(found), UserMessage("Please process the embedded resource above.")]

        async def test_prompt_with_image() -> list[UserMessage]:
            return [UserMessage(image()), UserMessage("Please analyze the image above.")]

        for prompt in (
            test_simple_prompt,
            test_prompt_with_arguments,
            test_prompt_with_embedded_resource,
            test_prompt_with_image,
        ):
            self.prompt(description=prompt.__name__)(prompt)


def main(project: str) -> int:
    """Serve as ``wfe-mcp serve`` does. The fast start answers the handshake only: the lists are this server's own."""
    front = json.loads(Path(entry.CACHE).read_text(encoding="utf-8"))
    kept = {**front, "handshake": {"initialize": front["handshake"]["initialize"]}, "stateless": {}}
    with tempfile.TemporaryDirectory() as folder:
        entry.CACHE = str(Path(folder, "front.json"))
        Path(entry.CACHE).write_text(json.dumps(kept), encoding="utf-8")
        stdio.WfeServer = FixtureServer
        return entry.serve(project)
