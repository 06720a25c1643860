"""Builds the pydantic-ai model and the HTTP client for a connection.

Rules:
1. One request is one HTTP request: the SDKs' own retries are off and redirects are not followed, so that every call is
   counted and no key goes to another address.
2. Key, address, proxy and authorities are the connection's; ANTHROPIC_API_KEY, OPENAI_BASE_URL, HTTPS_PROXY,
   SSL_CERT_FILE and similar variables are ignored. Variables that extend a request (ANTHROPIC_CUSTOM_HEADERS, OPENAI_ORG_ID) are left to the SDK.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, assert_never

import httpx2

from wfe_mcp.providers.cancellable import LOADING
from wfe_mcp.providers.faults import VENDORS, fault
from wfe_mcp.providers.transport import client_options
from wfe_mcp.workspace.config.provider_kinds import shipped_kind

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

    from wfe_mcp.providers.call import Connection

_NO_KEY = "none"


@contextlib.asynccontextmanager
async def model_of(connection: Connection) -> AsyncGenerator[Model]:
    """The model, with its own HTTP client, which closes with it. Raises ProviderFault for an incomplete configuration."""
    options = client_options(connection, connection.base_url or "", silence_s=connection.response_s)
    async with httpx2.AsyncClient(**options) as http:
        with LOADING:
            model = _model(connection, http)
        yield model


def settings_of(connection: Connection) -> ModelSettings:
    """The settings of every request."""
    settings: ModelSettings = {"max_tokens": connection.max_tokens}
    if connection.temperature is not None:
        settings["temperature"] = connection.temperature
    return settings


def _model(connection: Connection, http: httpx2.AsyncClient) -> Model:
    key, address = connection.api_key or _NO_KEY, connection.base_url or VENDORS.get(connection.kind)
    kind = shipped_kind(connection.kind)
    match kind:
        case "anthropic":
            from anthropic import AsyncAnthropic
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            vendor = AsyncAnthropic(api_key=key, base_url=address, http_client=http, max_retries=0)
            return AnthropicModel(connection.model, provider=AnthropicProvider(anthropic_client=vendor))
        case "openai":
            from openai import AsyncOpenAI
            from pydantic_ai.models.openai import OpenAIResponsesModel
            from pydantic_ai.providers.openai import OpenAIProvider

            client = AsyncOpenAI(api_key=key, base_url=address, http_client=http, max_retries=0)
            return OpenAIResponsesModel(connection.model, provider=OpenAIProvider(openai_client=client))
        case "openai-compatible":
            from openai import AsyncOpenAI
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.profiles.openai import OpenAIModelProfile
            from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

            client = AsyncOpenAI(api_key=key, base_url=address, http_client=http, max_retries=0)
            # Local servers know max_tokens longer than its successor, and not every one knows strict tools.
            profile = OpenAIModelProfile(
                openai_chat_supports_max_completion_tokens=False, openai_supports_strict_tool_definition=False
            )
            provider = OpenAICompatibleProvider(connection.provider, openai_client=client, profile=profile)
            return OpenAIChatModel(connection.model, provider=provider)
        case "gemini":
            return _gemini(connection, key, address, http)
        case "claude-code" | "codex" | "gemini-cli" | "manual" | None:  # None: a package calls it
            raise fault("not_http", connection)
        case _:
            assert_never(kind)


def _gemini(connection: Connection, key: str, address: str | None, http: httpx2.AsyncClient) -> Model:
    try:
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider
    except ImportError as error:
        raise fault("not_installed", connection, extra="gemini") from error
    provider = GoogleProvider(api_key=key, base_url=address, http_client=http)
    return GoogleModel(connection.model, provider=provider)
