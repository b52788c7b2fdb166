"""The MPS face: one HTTP request in, one answer out, always HTTP 200 (contract MPS_API §1)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.api.actions.registry import find_action
from services.api.credentials import NO_KEY, Known
from services.api.dependencies import Dependencies
from services.api.domain.access import RoleTooLow
from services.api.domain.errors import ApiError, auth_failure
from services.api.domain.language import localised
from services.api.domain.signature import SignedRequest, check_tc3, check_v1, read_tc3
from services.api.domain.wire import Call, common_and_own, failure, read_form, read_json, success, unflatten
from services.api.entering import entered
from services.api.metrics import CALL_SECONDS, CALLS, OK, UNKNOWN_ACTION
from services.api.rates import RateExceeded
from shared.errors import ReelwayError
from shared.model.audit import Actor
from shared.ports.objects import ObjectError
from shared.ports.state import StateError

MAX_BODY_BYTES = 10 * 1024 * 1024
"""The platform's limit of a request."""
_DRAIN_BYTES = 4 * MAX_BODY_BYTES
ACTION_TIMEOUT_S = 30.0
"""Half of the SDK's read timeout."""
BODY_TIMEOUT_S = 30.0
"""For the whole body to arrive."""
MAX_CALLS = 256
"""Calls at the same time, each with a body in memory; one more is refused, and the SDK's users may try again."""

log = structlog.get_logger(__name__)


class MpsFace:
    """Checks who is calling, finds the action, answers."""

    def __init__(
        self, deps: Dependencies, *, body_timeout_s: float = BODY_TIMEOUT_S, max_calls: int = MAX_CALLS
    ) -> None:
        self._deps = deps
        self._body_timeout_s = body_timeout_s
        self._max_calls = max_calls
        self._calls = 0

    async def handle(self, request: Request) -> Response:
        """Answers any request; what goes wrong becomes the contract's error body and never another HTTP status."""
        request_id = self._deps.new_id()
        language = request.headers.get("x-tc-language", "")
        # Exactly this content type: with a charset the Python SDK takes a failure for a success.
        headers = {
            "content-type": "application/json",
            "x-content-type-options": "nosniff",
            "x-request-id": request_id,
        }
        address = request.client.host if request.client else ""
        signed: SignedRequest | None = None
        self._calls += 1
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                signed = await self._read(request)
                language = language or _v1_params(signed).get("Language", "")
                async with asyncio.timeout(ACTION_TIMEOUT_S):
                    body = success(await self._answer(signed, request_id, address), request_id)
            except ClientDisconnect:
                body = b""
            except Exception as error:  # noqa: BLE001 - the boundary: every failure has the contract's shape
                code, message = _outcome(error)
                if signed is None:
                    headers["connection"] = "close"  # whatever of the body is still to come has no reader
                log.info("call refused", code=code, message=message)
                body = failure(code, localised(code, message, language), request_id)
            finally:
                self._calls -= 1
        return Response(body, headers=headers)

    async def _read(self, request: Request) -> SignedRequest:
        """Raises ApiError if there are too many calls, or the body is too large or too slow."""
        if self._calls > self._max_calls:
            raise ApiError("RequestLimitExceeded", f"more than {self._max_calls} calls at the same time; try again")
        try:
            async with asyncio.timeout(self._body_timeout_s):
                return await _read_body(request)
        except TimeoutError:
            raise ApiError("InvalidRequest", f"the body did not arrive within {self._body_timeout_s:g} s") from None

    async def _answer(self, signed: SignedRequest, request_id: str, address: str) -> dict[str, Any]:
        known = UNKNOWN_ACTION
        code = "InternalError"
        try:
            call, credential = await self._authenticate(signed)
            action = find_action(call.action, call.version)
            known = call.action
            actor = Actor(
                secret_id=credential.id, role=credential.role, face="mps", address=address, request_id=request_id
            )
            with (
                structlog.contextvars.bound_contextvars(action=known, tenant=credential.tenant, actor=actor.secret_id),
                CALL_SECONDS.labels(known).time(),
            ):
                async with entered(
                    self._deps, credential.tenant, actor, action.access, known, _target(call.params)
                ) as context:
                    answer = await action(call.params, context)
            code = OK
        except RateExceeded as error:
            code = "RequestLimitExceeded"
            raise ApiError(code, str(error)) from None
        except RoleTooLow as error:
            code = "UnauthorizedOperation"
            raise ApiError(code, str(error)) from None
        except ApiError as error:
            code = error.wire_code
            raise
        else:
            return answer
        finally:
            CALLS.labels(known, code).inc()

    async def _authenticate(self, signed: SignedRequest) -> tuple[Call, Known]:
        if "authorization" in signed.headers:
            return await self._authenticate_tc3(signed)
        params = _v1_params(signed)
        if not params.get("Signature"):
            raise auth_failure("InvalidAuthorization", "the request is not signed")
        return await self._authenticate_v1(signed, params)

    async def _authenticate_tc3(self, signed: SignedRequest) -> tuple[Call, Known]:
        claim = read_tc3(signed)
        now = self._deps.clock.now()
        known = await self._checked(
            claim.secret_id,
            signed.headers.get("x-tc-token", ""),
            lambda secret_keys: check_tc3(signed, claim, secret_keys, now),
        )
        params = unflatten(read_form(signed.query)) if signed.method == "GET" else read_json(signed.body)
        return Call(signed.headers.get("x-tc-action", ""), signed.headers.get("x-tc-version", ""), params), known

    async def _authenticate_v1(self, signed: SignedRequest, params: Mapping[str, str]) -> tuple[Call, Known]:
        common, own = common_and_own(params)
        now = self._deps.clock.now()
        known = await self._checked(
            common.get("SecretId", ""),
            common.get("Token", ""),
            lambda secret_keys: check_v1(signed, params, secret_keys, now),
        )
        return Call(common.get("Action", ""), common.get("Version", ""), unflatten(own)), known

    async def _checked(self, secret_id: str, token: str, check: Callable[[Sequence[str]], None]) -> Known:
        """The credential, if the signature is its own. A SecretId that is not there takes the same way and as long."""
        if token:
            raise auth_failure("TokenFailure", "temporary credentials are not supported by this version")
        known = await self._deps.credentials.find(secret_id)
        if known is None:
            with contextlib.suppress(ApiError):
                check((NO_KEY,))
            raise auth_failure("SecretIdNotFound", "there is no such SecretId")
        check(known.secret_keys)
        return known


_TARGETS = ("ScheduleId", "TaskId", "Definition", "WorkflowId", "PersonId", "Keywords", "ScheduleName", "Name")


def _target(params: Mapping[str, Any]) -> str:
    """What a call is about, for the audit log, as the caller named it."""
    return next((f"{name} {params[name]}" for name in _TARGETS if params.get(name)), "")


async def _read_body(request: Request) -> SignedRequest:
    """Raises ApiError if the body is too large; what is too much is read and dropped, so that the answer arrives."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > _DRAIN_BYTES:
            break
        else:
            chunks.clear()
    if size > MAX_BODY_BYTES:
        raise ApiError("RequestSizeLimitExceeded", f"the body has more than {MAX_BODY_BYTES} bytes")
    return SignedRequest(
        method=request.method,
        path=request.scope["raw_path"].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        headers=dict(request.headers),
        body=b"".join(chunks),
    )


def _v1_params(signed: SignedRequest) -> dict[str, str]:
    """The query of a GET, or the form of a POST; empty for TC3 calls."""
    if "authorization" in signed.headers:
        return {}
    if signed.method == "GET":
        return read_form(signed.query)
    if signed.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        try:
            return read_form(signed.body.decode())
        except UnicodeDecodeError:
            raise ApiError("InvalidParameter", "the form is not valid UTF-8") from None
    return {}


def _outcome(error: Exception) -> tuple[str, str]:
    """Code and text for the caller. What is not the caller's business is logged and not told."""
    match error:
        case ApiError():
            return error.wire_code, error.message
        case StateError():
            log.warning("state store failed", error=str(error))
            return "InternalError.AccessDBError", "the state store cannot be used now; try again"
        case ObjectError():
            log.warning("object storage failed", error=str(error))
            return "InternalError", "the object storage cannot be used now; try again"
        case ReelwayError() | TimeoutError():
            log.error("call failed", error=repr(error))
            return "InternalError", "the call could not be completed; try again"
        case _:
            log.error("call failed", exc_info=error)
            return "InternalError", "an internal error; the request id is in the server's log"
