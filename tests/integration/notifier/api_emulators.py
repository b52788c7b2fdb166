"""Small servers that speak as CMQ, SCF and Lambda do, and believe only what is signed as those want it.

The real ones cannot be had without an account: these check the signature, the parameters and the length, and answer in
the shapes of the providers' documentation.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from services.api.domain.errors import ApiError
from services.api.domain.signature import SignedRequest, check_tc3, check_v1, read_tc3
from tests.integration.notifier.scripted_server import Request, ScriptedServer, answer, serving

SECRET_ID = "AKIDexample"
SECRET_KEY = "a-secret-key"


@dataclass
class Emulator(ScriptedServer):
    """Answers each request by what it asks; keeps what it took."""

    taken: list[dict[str, Any]] = field(default_factory=list)

    def respond(self, request: Request) -> bytes:
        raise NotImplementedError


def _signed(request: Request) -> SignedRequest:
    method, target, _ = request.line.split(" ")
    parts = urlsplit(target)
    return SignedRequest(method, parts.path, parts.query, request.headers, request.body)


class Cmq(Emulator):
    """CMQ's HTTP API: queues and topics that exist, messages up to a length."""

    queues: frozenset[str] = frozenset({"media-done"})
    topics: frozenset[str] = frozenset({"media-news"})
    longest = 1_048_576

    def respond(self, request: Request) -> bytes:
        params = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
        if params.get("SecretId") != SECRET_ID:
            return self._say(4104, "the secret id is not found")
        try:
            check_v1(_signed(request), params, [SECRET_KEY], datetime.now(UTC))
        except ApiError as refused:
            return self._say(4100, str(refused))
        places = {"SendMessage": ("queueName", self.queues), "PublishMessage": ("topicName", self.topics)}
        name, known = places[params["Action"]]
        if params[name] not in known:
            return self._say(4440, f"{name} is not existed")
        if not 0 < len(params["msgBody"].encode()) <= self.longest:
            return self._say(4000, "msgBody is too long")
        self.taken.append(params)
        return self._say(0, "", msgId=f"Msg-{len(self.taken)}")

    def _say(self, code: int, message: str, **more: str) -> bytes:
        return answer(200, json.dumps({"code": code, "message": message, "requestId": "r", **more}).encode())


class Scf(Emulator):
    """SCF's Invoke: one function."""

    def respond(self, request: Request) -> bytes:
        signed = _signed(request)
        try:
            claim = read_tc3(signed)
            if claim.secret_id != SECRET_ID or claim.service != "scf":
                return self._error("AuthFailure.SecretIdNotFound", claim.secret_id)
            check_tc3(signed, claim, [SECRET_KEY], datetime.now(UTC))
        except ApiError as refused:
            return self._error(refused.wire_code, str(refused))
        headers = request.headers
        if (headers["x-tc-action"], headers["x-tc-version"]) != ("Invoke", "2018-04-16"):
            return self._error("InvalidAction", headers["x-tc-action"])
        asked = json.loads(request.body)
        if asked["FunctionName"] != "on-media":
            return self._error("ResourceNotFound.Function", "the function is not there")
        if len(asked["ClientContext"].encode()) > 128 * 1024:
            return self._error("LimitExceeded.ClientContext", "too long")
        self.taken.append({**asked, "Region": headers["x-tc-region"]})
        result = {"FunctionRequestId": "f-1", "InvokeResult": 0, "Log": "", "RetMsg": ""}
        return answer(200, json.dumps({"Response": {"Result": result, "RequestId": "r-1"}}).encode())

    def _error(self, code: str, message: str) -> bytes:
        error = {"Code": code, "Message": message}
        return answer(200, json.dumps({"Response": {"Error": error, "RequestId": "r-1"}}).encode())


class Lambda(Emulator):
    """Lambda's Invoke: one function; the signature is made again with botocore and compared."""

    def respond(self, request: Request) -> bytes:
        method, target, _ = request.line.split(" ")
        if not self._is_signed(method, target, request):
            return self._error(403, "InvalidSignatureException", "the signature does not match")
        if unquote(target) != "/2015-03-31/functions/on-media/invocations":
            return self._error(404, "ResourceNotFoundException", "Function not found")
        if len(request.body) > 262_144:
            return self._error(413, "RequestTooLargeException", "too long")
        self.taken.append({"type": request.headers["x-amz-invocation-type"], "event": json.loads(request.body)})
        return answer(202, b"")

    def _is_signed(self, method: str, target: str, request: Request) -> bool:
        given = request.headers["authorization"]
        names = given.split("SignedHeaders=")[1].split(",")[0].split(";")
        again = AWSRequest(
            method=method,
            url=f"http://{request.headers['host']}{target}",
            data=request.body,
            headers={name: request.headers[name] for name in names if name != "host"},
        )
        again.context["timestamp"] = request.headers["x-amz-date"]
        region = given.split("/")[2]
        auth = SigV4Auth(Credentials(SECRET_ID, SECRET_KEY), "lambda", region)
        canonical = auth.canonical_request(again)
        signature = auth.signature(auth.string_to_sign(again, canonical), again)
        return bool(signature == given.rpartition("Signature=")[2])

    def _error(self, status: int, kind: str, message: str) -> bytes:
        body = json.dumps({"Type": "User", "Message": message}).encode()
        return answer(status, body, x_amzn_ErrorType=kind)


@asynccontextmanager
async def emulating(emulator: Emulator) -> AsyncIterator[Emulator]:
    """The emulator on a free port of the loopback."""
    async with serving(server=emulator):
        yield emulator
