"""How a command comes to a service or its database, and how it says that it did not.

Addresses and tokens are looked at before anything is asked.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from shared import dsn

if TYPE_CHECKING:
    import httpx

__all__ = ["address", "asking_database", "bearer", "database", "read_answer", "refusal"]

BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
"""RFC 6750: of nothing else a header could be made."""


def bearer(token: str) -> str:
    """A token, as the callback of an option; what can be none is refused."""
    if BEARER.fullmatch(token) is None:
        raise typer.BadParameter("is no token: empty, or with blanks or other signs that no token has; copy it whole")
    return token


def address(url: str) -> str:
    """An address of a service, as the callback of an option; what can be none is refused."""
    import httpx  # a service that runs has no use for it

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise typer.BadParameter(f"{url} is no address like http://HOST:PORT or https://HOST")
    return url


def read_answer(answer: "httpx.Response", exit_code: int) -> Any:
    """The JSON that a service answered, None of none. A refusal, or what none of ours answers, ends the command."""
    if answer.is_success:
        try:
            return answer.json() if answer.content else None
        except ValueError:
            pass
    typer.echo(refusal(answer), err=True)
    raise typer.Exit(exit_code)


def refusal(answer: "httpx.Response") -> str:
    """Why a service refused and the way out, in a line; below it each field at fault, its reason, its way out."""
    try:
        problem = answer.json()
        lines = [f"Refused ({problem['code']}): {problem['detail']}"]
        for fault in problem.get("errors", ()):
            way_out = f"; {fault['fix']}" if fault.get("fix") else ""
            lines.append(f"  {fault['field']}: {fault['reason']}{way_out}")
    except (ValueError, KeyError, TypeError, AttributeError):
        url = answer.request.url
        door = f"{url.scheme}://{url.netloc.decode()}"
        return f"{door} answered {answer.status_code}, and not as our services do. Is it the right address, and up?"
    return "\n".join(lines)


def database(value: str) -> str:
    """A database's DSN, as the callback of an option; what can be none is refused, and none of it is shown."""
    try:
        return dsn.checked(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def asking_database(service: str | None, exit_code: int) -> Iterator[None]:
    """What the database of a service (None: of any) does not give ends the command with a line: the setting, why, the
    way out.
    """
    import asyncpg  # by those that come to a database only: it takes its time

    from shared.db import NotConnected

    try:
        yield
    except NotConnected as error:
        said = str(error)
    except asyncpg.UndefinedTableError as error:
        said = (
            f"{error}: this is not the database of {service or 'a service'}, or it lacks what `lapak migrate` applies."
        )
    except (ConnectionError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said = f"the database broke off: {type(error).__name__}: {error}. Look whether it is up, and try again."
    else:
        return
    typer.echo(f"{f'{service}: ' if service else ''}LAPAK_DATABASE: {said}", err=True)
    raise typer.Exit(exit_code)
