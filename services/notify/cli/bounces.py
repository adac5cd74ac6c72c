"""`lapak notify bounces`: brings the service what came back by mail. Mail servers call it: it ends as they expect."""

import hashlib
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, BinaryIO

import httpx
import typer

from services.notify.cli.asking import NOTIFY_URL, say
from shared.command_doors import refusal

__all__ = ["bounces"]

EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL = 65, 66, 75
"""sysexits.h. Of all others a mail server makes a bounce, and of a bounce nothing at all: the report would be lost."""
BYTES_MAX = 1024 * 1024
"""What the service takes. The report comes before the letter it returns, so the end may be missing."""
CHUNK_BYTES = 64 * 1024
NOT_A_MAIL = (413, 415)
STDIN = "-"


def bounces(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Mails that came back, one in each file; - reads one from stdin."),
    ],
    token: Annotated[
        str, typer.Option(envvar="LAPAK_TOKEN", help="Bearer token of an operator or a service.", show_envvar=True)
    ] = "",
    provider: Annotated[str, typer.Option(help="The mail server they came back to.")] = "smtp",
    url: Annotated[str, typer.Option(envvar="LAPAK_NOTIFY_URL", help="Address of the notify service.")] = NOTIFY_URL,
) -> None:
    """Take bounces and complaints, as a mail server pipes them: |lapak notify bounces -

    Exit code: 0 taken, whatever they were found to be; 65 a file is no mail; 66 a file cannot be read; 75 to be brought
    again later: the service is away or busy, or does not accept the token. The same mail counts once.
    """
    if not token:
        say("LAPAK_TOKEN or --token is missing: the service takes mail from an operator or a service only.")
        raise typer.Exit(EX_TEMPFAIL)
    became: Counter[str] = Counter()
    failures = set()
    with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
        for name in files:
            try:
                raw = _read(name)
            except OSError as error:
                say(f"{name} cannot be read: {error.strerror}.")
                failures.add(EX_NOINPUT)
                continue
            try:
                answer = client.post(
                    f"{url.rstrip('/')}/v1/providers/{provider}/reports",
                    content=raw,
                    headers={
                        "Authorization": f"Bearer {token}",
                        "Content-Type": "message/rfc822",
                        "Idempotency-Key": f"mail-{hashlib.sha256(raw).hexdigest()}",
                    },
                )
                found = str(answer.json()["became"]) if answer.is_success else None
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
                # among them a token that is none, a proxy that answers for the service
                say(f"{url} did not take it ({type(error).__name__}); to be brought again.")
                failures.add(EX_TEMPFAIL)
                break  # nor would it the next one
            if found is not None:
                became[found] += 1
            else:
                say(f"{name} was not taken: {refusal(answer)}")
                failures.add(EX_DATAERR if answer.status_code in NOT_A_MAIL else EX_TEMPFAIL)
    if became:
        typer.echo(", ".join(f"{number} {what}" for what, number in sorted(became.items())))
    if failures:
        raise typer.Exit(max(failures))


def _read(name: str) -> bytes:
    """The beginning of a mail. A pipe is read to its end: its writer would take a closed one for a failure."""
    if name != STDIN:
        with Path(name).open("rb") as file:
            return file.read(BYTES_MAX)
    stdin: BinaryIO = sys.stdin.buffer
    raw = stdin.read(BYTES_MAX)
    while stdin.read(CHUNK_BYTES):
        pass
    return raw
