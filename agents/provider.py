"""The model behind every agent: one client for any Anthropic-compatible endpoint, or the demo."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal

import anthropic
import httpx2

from agents.demo import DemoTransport
from agents.errors import ModelFailed
from agents.usage import Usage

OFFICIAL = "https://api.anthropic.com"
DEMO = "http://demo.invalid"
CONNECT_SECONDS = 5.0
OFFICIAL_READ_SECONDS = 120.0  # its pings keep a slow stream alive
COMPATIBLE_READ_SECONDS = 300.0  # a local model may read a long prompt for minutes
THINKING_MODELS = ("claude-opus-5", "claude-fable-5", "claude-sonnet-5-5")
SPEND_LIMITS = ("contract_spend_limit_reached", "enforced_spend_limit_reached")
MID_STREAM_TRANSIENT = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class ProviderSettings:
    """What the caller read from its configuration; neither key nor base_url means the demo."""

    api_key: str | None = None
    base_url: str | None = None
    model_default: str = "claude-haiku-5-5"
    transport: httpx2.AsyncBaseTransport | None = None
    read_seconds: float | None = None
    demo_delay: float = 0.03


@dataclass(frozen=True)
class Request:
    """One model call, in plain data."""

    model: str
    system: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    max_tokens: int


@dataclass(frozen=True)
class Part:
    """A piece of an answer while it is written; thinking carries no text to show."""

    kind: Literal["text", "thinking"]
    text: str = ""


class Provider:
    """Streams answers from one endpoint. Belongs to the event loop that uses it."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.demo = not (settings.api_key or settings.base_url)
        base_url = DEMO if self.demo else settings.base_url or OFFICIAL
        host = httpx2.URL(base_url).host
        self.official = host == "anthropic.com" or host.endswith(".anthropic.com")
        self.model_default = "demo" if self.demo else settings.model_default
        self.label = self._label(base_url)
        self._client = _client(settings, base_url, demo=self.demo, official=self.official)

    def model_for(self, wanted: str | None) -> str:
        """The model of an agent, or the default; the demo has only one."""
        return self.model_default if self.demo else wanted or self.model_default

    def call(self, request: Request) -> "ModelCall":
        return ModelCall(self._client, self._arguments(request))

    async def aclose(self) -> None:
        await self._client.close()

    def _label(self, base_url: str) -> str:
        if self.demo:
            return "Demo (no AI model is connected)"
        return "Anthropic" if self.official else httpx2.URL(base_url).netloc.decode()

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_tokens,
            "messages": request.messages,
            "system": request.system,
        }
        if request.tools:
            arguments["tools"] = request.tools
        if self.official:
            cached = {"type": "text", "text": request.system, "cache_control": EPHEMERAL}
            arguments["system"] = [cached]
            if request.model.startswith(THINKING_MODELS):
                arguments["thinking"] = {"type": "adaptive", "display": "summarized"}
        return arguments


EPHEMERAL = {"type": "ephemeral"}


class ModelCall:
    """One call: iterate `parts()`, then read content, stop_reason, note and usage.

    After an error or a cancel, usage holds what was used up to then.
    """

    def __init__(self, client: anthropic.AsyncAnthropic, arguments: dict[str, Any]) -> None:
        self._client = client
        self._arguments = arguments
        self._started = False
        self.content: list[dict[str, Any]] = []
        self.stop_reason: str | None = None
        self.note = ""
        self.usage = Usage()

    async def parts(self) -> AsyncGenerator[Part]:
        """The parts of the answer as they arrive. Raises ModelFailed."""
        try:
            async with self._client.messages.stream(**self._arguments) as stream:
                try:
                    async for item in stream:
                        self._started = self._started or item.type == "message_start"
                        if item.type == "text":
                            yield Part("text", item.text)
                        elif item.type == "thinking":
                            yield Part("thinking")
                finally:
                    if self._started:
                        self._remember(stream.current_message_snapshot)
        except (anthropic.APIError, httpx2.HTTPError, ValueError) as error:
            raise failure(error) from error
        if self.stop_reason is None:
            raise ModelFailed("The model's answer broke off.", transient=True, kind="stream")

    def _remember(self, message: Any) -> None:
        self.content = [block.to_dict() for block in message.content]
        self.stop_reason = message.stop_reason
        self.note = (message.stop_details and message.stop_details.explanation) or ""
        used = message.usage
        ended = message.stop_reason is not None
        self.usage = Usage(
            input=used.input_tokens or 0,
            output=used.output_tokens if ended else max(used.output_tokens, self._written()),
            cache_read=used.cache_read_input_tokens or 0,
            cache_write=used.cache_creation_input_tokens or 0,
            estimated=not ended,
        )

    def _written(self) -> int:
        """An estimate: the true count comes only with the last event of an answer."""
        return len(json.dumps(self.content, ensure_ascii=False)) // CHARACTERS_PER_TOKEN


def provider_from(settings: ProviderSettings) -> Provider:
    return Provider(settings)


def failure(error: Exception) -> ModelFailed:
    """A raw error of the client as a plain sentence, with what may be done about it.

    Errors in the middle of a stream arrive as raw httpx2 or JSON errors, or with status 200.
    """
    if isinstance(error, anthropic.APIStatusError):
        return ModelFailed(_sentence(error), transient=_transient(error), retry_after=_retry_after(error))
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return ModelFailed("The model did not answer in time.", transient=True, kind="stream")
    if isinstance(error, anthropic.APIConnectionError | httpx2.TransportError):
        sentence = "The connection to the model was lost."
        return ModelFailed(sentence, transient=True, kind="connection")
    if isinstance(error, json.JSONDecodeError) or "tool parameter JSON" in str(error):
        sentence = "The model's answer could not be read."
        return ModelFailed(sentence, transient=True, kind="stream")
    return ModelFailed(f"The model's endpoint gave an answer that does not fit: {error}.")


def _sentence(error: anthropic.APIStatusError) -> str:
    said = error.api_message or ""
    match error:
        case anthropic.AuthenticationError():
            return "The API key was refused by the model provider."
        case anthropic.PermissionDeniedError():
            return "The API key may not use this model."
        case anthropic.NotFoundError():
            return f"The model or its endpoint was not found. {said}".strip()
        case anthropic.RateLimitError():
            return "The model provider limits how often it may be asked."
    if error.type == "overloaded_error":
        return "The model provider is overloaded."
    if error.type == "request_too_large":
        return "The conversation is too long for the model provider."
    shown = error.type if error.status_code == 200 else error.status_code
    return f"The model provider answered with an error ({shown}). {said}".strip()


def _transient(error: anthropic.APIStatusError) -> bool:
    if error.error_code in SPEND_LIMITS:
        return False
    if error.response.headers.get("x-should-retry") == "false":
        return False
    if error.status_code == 200:  # `event: error` inside a stream that began well
        return error.type in MID_STREAM_TRANSIENT
    return error.status_code in (408, 409, 429) or error.status_code >= 500


def _retry_after(error: anthropic.APIStatusError) -> float | None:
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _client(
    settings: ProviderSettings, base_url: str, *, demo: bool, official: bool
) -> anthropic.AsyncAnthropic:
    """The client; the loop retries, so that a wait can be cancelled and is never an hour long."""
    transport = settings.transport
    if transport is None and demo:
        transport = DemoTransport(delay=settings.demo_delay)
    read = settings.read_seconds
    if read is None:
        read = OFFICIAL_READ_SECONDS if official else COMPATIBLE_READ_SECONDS
    headers = {}
    if settings.api_key and not official:  # many gateways read only this header
        headers["X-Api-Key"] = settings.api_key
    return anthropic.AsyncAnthropic(
        # Always a value: without one the client would look for credentials by itself.
        api_key=settings.api_key or "none",
        base_url=base_url,
        max_retries=0,
        timeout=anthropic.Timeout(read, connect=CONNECT_SECONDS),
        default_headers=headers,
        open_telemetry=False,
        http_client=anthropic.DefaultAsyncHttpxClient(transport=transport) if transport else None,
    )
