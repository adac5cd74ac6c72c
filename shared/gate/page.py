"""The page of a gate, for phones: it loads the keys and who is expected, then needs no network.

It is served under `<thing>/gate`, for example `/v1/bazaars/<id>/gate`, beside `gate-worker.js`, `gate/list` and
`check-ins/sync` of the same thing. The page is one file with its script and style in it; what differs between services
is a `GateSetting`.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastapi import Response

__all__ = ["GatePage", "GateSetting", "worker"]

FOLDER = Path(__file__).parent
SETTING = b"/*SETTING*/ null"


@dataclass(frozen=True, kw_only=True)
class GateSetting:
    """What a service's gate is about.

    `kind`: of the tickets it takes. `name`, `subject`, `spot`: the fields of its list that hold what the thing is
    called, who is expected (the ticket's subject, also the field of a scan whose number was typed), and the number that
    may be typed. `words`: language -> the words that are not the same for every gate.
    """

    kind: int
    name: str
    subject: str
    spot: str
    words: Mapping[Literal["id", "en"], Mapping[str, str]]


class GatePage:
    """The page, and what its browser may do: run the one script and style in it, ask this service, use the camera."""

    def __init__(self, setting: GateSetting) -> None:
        told = {
            "kind": setting.kind,
            "name": setting.name,
            "subject": setting.subject,
            "spot": setting.spot,
            "words": {language: dict(words) for language, words in setting.words.items()},
        }
        # `<` could end the script early; as an escape it is the same text in JSON
        written = json.dumps(told, ensure_ascii=False).replace("<", "\\u003c").encode()
        self._content = (FOLDER / "gate.html").read_bytes().replace(SETTING, written)
        allowed = {name: self._hashes(name) for name in ("script", "style")}
        policy = (
            f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; connect-src 'self'; "
            "worker-src 'self'; media-src blob: mediastream:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        self._headers = {
            "Content-Security-Policy": policy,
            "Permissions-Policy": "camera=(self)",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
            "ETag": f'"{hashlib.sha256(self._content).hexdigest()[:32]}"',
        }

    def _hashes(self, name: str) -> str:
        inside = re.findall(rb"<%s>(.*?)</%s>" % (name.encode(), name.encode()), self._content, re.DOTALL)
        return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(part).digest()).decode()}'" for part in inside)

    def answer(self) -> Response:
        """The page. It holds no data."""
        return Response(self._content, media_type="text/html; charset=utf-8", headers=self._headers)


def worker() -> Response:
    """The script that keeps a gate's page on the phone; its address bounds what it may touch."""
    content = (FOLDER / "gate-worker.js").read_bytes()
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type="text/javascript; charset=utf-8", headers=headers)
