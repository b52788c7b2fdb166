"""The receivers' programs in `docs/how-to/verify-signatures.md` take what we sign and nothing else."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.mps.signing import expiry, sign, webhook_headers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "verify-signatures.md"
STANDARD = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
ODD = "whsec_not base64!"
BODY = '{"EventType":"ScheduleTask","SessionContext":"片"}'

MAINS = {
    "python": """
import json, sys
for line in sys.stdin:
    case = json.loads(line)
    good = verify(case["secret"], case["headers"], case["body"].encode())
    print(json.dumps([good, verify_sign(case["secret"], {"Timestamp": case["timestamp"], "Sign": case["sign"]})]))
""",
    "javascript": """
for (const line of require("node:fs").readFileSync(0, "utf8").trim().split("\\n")) {
  const one = JSON.parse(line);
  const good = verify(one.secret, one.headers, Buffer.from(one.body));
  console.log(JSON.stringify([good, verifySign(one.secret, { Timestamp: one.timestamp, Sign: one.sign })]));
}
""",
    "go": """package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

func main() {
	lines := json.NewDecoder(os.Stdin)
	for lines.More() {
		var one struct {
			Secret, Body, Sign string
			Timestamp          int64
			Headers            map[string]string
		}
		if err := lines.Decode(&one); err != nil {
			panic(err)
		}
		header := func(name string) string { return one.Headers[name] }
		good := Verify(one.Secret, header, []byte(one.Body), 5*time.Minute)
		fmt.Printf("[%t, %t]\\n", good, VerifySign(one.Secret, one.Timestamp, one.Sign))
	}
}
""",
}


@dataclass
class Case:
    """What a receiver has, and what it should find: of the headers, and of the contract's signature."""

    about: str
    secret: str
    headers: dict[str, str]
    timestamp: int
    sign: str
    wanted: tuple[bool, bool]
    body: str = BODY


def signed(about: str, secret: str, keys: tuple[str, ...], *wanted: bool, ago_s: int = 0, body: str = BODY) -> Case:
    """Signed with these keys so long ago; the receiver has one secret, and perhaps another body."""
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    headers = webhook_headers("run:1:URL", at, BODY.encode(), keys)
    return Case(about, secret, headers, expiry(at), sign(expiry(at), keys[0]), (wanted[0], wanted[-1]), body)


def cases() -> list[Case]:
    """Good ones and bad ones."""
    unsigned = signed("without signatures", "k", ("k",), False)
    unsigned.headers, unsigned.sign = webhook_headers("run:1:URL", datetime.now(UTC), BODY.encode(), None), ""
    nonsense = signed("with nonsense in the headers", "k", ("k",), False, True)
    nonsense.headers |= {"webhook-timestamp": "soon", "webhook-signature": "v1 , v2,x"}
    other_id = signed("under another id", "k", ("k",), False, True)
    other_id.headers["webhook-id"] = "run:2:URL"
    return [
        signed("plain text secret", "my-notify-key", ("my-notify-key",), True),
        signed("secret as the standard writes it", STANDARD, (STANDARD,), True),
        signed("secret that only looks like it", ODD, (ODD,), True),
        signed("secret beyond ASCII", "密钥", ("密钥",), True),
        signed("rotated, the receiver has the new secret", "new", ("new", "old"), True),
        signed("rotated, the receiver has the old secret", "old", ("new", "old"), True, False),
        signed("another secret", "other", ("k",), False),
        signed("changed body", "k", ("k",), False, True, body=BODY + " "),
        signed("six minutes old", "k", ("k",), False, True, ago_s=360),
        signed("from the future", "k", ("k",), False, True, ago_s=-360),
        signed("eleven minutes old", "k", ("k",), False, False, ago_s=660),
        unsigned,
        nonsense,
        other_id,
    ]


def program(language: str, folder: Path) -> list[str]:
    """Writes the page's program with a main; returns how to run it. Skips where the language is not installed."""
    (snippet,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    match language:
        case "python":
            (folder / "receiver.py").write_text(snippet + MAINS[language])
            return [sys.executable, str(folder / "receiver.py")]
        case "javascript":
            (folder / "receiver.js").write_text(snippet + MAINS[language])
            return [installed("node"), str(folder / "receiver.js")]
        case _:
            (folder / "verify.go").write_text(snippet)
            (folder / "main.go").write_text(MAINS[language])
            # Built before the cases are signed: they are to be seconds old, and the first build may take a minute.
            built = str(folder / "receiver")
            build = [installed("go"), "build", "-o", built, str(folder / "verify.go"), str(folder / "main.go")]
            env = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""}
            subprocess.run(build, capture_output=True, timeout=240, cwd=folder, check=True, env=env)
            return [built]


def installed(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: its program on the page is not run here")
    return found


@pytest.mark.parametrize("language", ["python", "javascript", pytest.param("go", marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_program_takes_what_we_sign_and_nothing_else(language: str, tmp_path: Path) -> None:
    command = program(language, tmp_path)
    tried = cases()
    given = "\n".join(json.dumps(asdict(case)) for case in tried)
    ran = subprocess.run(command, input=given, capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stderr
    found = [tuple(json.loads(line)) for line in ran.stdout.splitlines()]
    wrong = [case.about for case, verdict in zip(tried, found, strict=True) if verdict != case.wanted]
    assert wrong == []
