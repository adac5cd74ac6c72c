"""The `lapak` command: serve and migrate a service, and the commands that each part brings."""

import asyncio
import base64
import importlib.util
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_group

from services import SERVICES
from shared.command_doors import asking_database, database

__all__ = ["main"]

DATABASE_WAIT_SECONDS = 60
ROLES = ("vendor", "officer", "registrar", "mentor", "provider", "bank", "service", "operator")

PARTS = {
    "allocate": "services.bazaar.allocation.cli:allocate",
    "match": "services.training.matching.cli:match",
    "receipt": "services.bazaar.cli.receipt:receipt",
    "seed": "services.bazaar.cli.seed:seed",
    "contracts": "shared.contracts.cli:contracts",
    "rotate-keys": "services.rotation:rotate_keys",
    "dead-letters": "shared.dead_letters_cli:app",
    "ticket": "shared.tickets_cli:app",
    "certificate": "services.training.cli.certificate:app",
    "visits": "services.training.cli.visits:app",
    "sales": "services.bazaar.cli.sales:app",
    "vendors": "services.vendor.cli:app",
    "audit": "services.vendor.cli.audit:app",
    "rights": "services.vendor.cli.rights:app",
    "rounds": "services.bazaar.cli.rounds:app",
    "lab": "services.bazaar.lab.cli:app",
    "notify": "services.notify.cli:app",
}
"""Commands that each part brings: the module, and in it a function or a group."""


class Commands(TyperGroup):
    """Imports what a part brings when it is asked for: a service that runs needs none of it in its memory."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; for a name that is none all are brought, so that one like it is suggested."""
        if cmd_name not in self.commands:
            self._bring([cmd_name] if cmd_name in PARTS else PARTS)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        """Every name."""
        self._bring(PARTS)
        return super().list_commands(ctx)

    def _bring(self, names: Iterable[str]) -> None:
        brought = typer.Typer()
        for name in names:
            module, _, attribute = PARTS[name].partition(":")
            part = getattr(import_module(module), attribute)
            if isinstance(part, typer.Typer):
                brought.add_typer(part, name=name)
            else:
                brought.command(name)(part)
        self.commands.update(get_group(brought).commands)


app = typer.Typer(
    name="lapak",
    cls=Commands,
    help="Runs a city's programme for small vendors: registry, training, bazaars in fair rotation, messages.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
console = Console(stderr=True)

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="vendor, bazaar, training or notify.")]


def _known(name: str) -> str:
    if name not in SERVICES:
        console.print(f"There is no service {name!r}; there are {', '.join(SERVICES)}.")
        raise typer.Exit(2)
    return name


@app.command()
def run(
    name: ServiceName,
    migrate_first: Annotated[bool, typer.Option("--migrate", help="Bring the database up to date first.")] = False,
) -> None:
    """Serve one service until SIGTERM, then drain. Settings come from LAPAK_* variables; a wrong one is named.

    Exit code: 0 it was told to stop and has drained, 2 a setting is wrong or missing, 3 it cannot start: the database
    does not let it in or is not up to date, or its port is taken.
    """
    from shared.db import MigrationError
    from shared.service import StartRefused

    service = import_module(f"services.{_known(name)}.app").create()
    try:
        with asking_database(name, 3):
            if migrate_first:
                _migrate(name, service.settings.database)
            service.serve()
    except (MigrationError, StartRefused) as error:
        console.print(f"{error}", markup=False, soft_wrap=True)
        raise typer.Exit(3) from error


@app.command()
def migrate(
    name: ServiceName,
    dsn: Annotated[
        str,
        typer.Option("--database", envvar="LAPAK_DATABASE", help="DSN of the service's database.", callback=database),
    ],
) -> None:
    """Bring one service's database up to date; replicas may call it at once. Prints what was applied.

    Older processes that still serve leave from then on what this release alone handles to its own processes: start them
    within ten minutes.

    Exit code: 0 it is up to date, 1 it is not (the database does not let us in, or a migration failed), 2 wrong
    argument.
    """
    from shared.db import MigrationError

    try:
        with asking_database(_known(name), 1):
            _migrate(name, dsn)
    except MigrationError as error:
        console.print(f"{name}: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


def _migrate(name: str, dsn: str) -> None:
    applied = asyncio.run(_make_ready(name, dsn))
    for migration in applied:
        console.print(f"applied {migration}")
    if not applied:
        console.print(f"{name}: up to date")


async def _make_ready(name: str, dsn: str) -> list[str]:
    """Apply what is missing, and have older processes leave to this release what it alone handles."""
    import asyncpg

    from shared import releases
    from shared.crypto import Sealer
    from shared.db import migrate as apply

    applied = await apply(dsn, name, wait_seconds=DATABASE_WAIT_SECONDS, on_wait=_say)
    no_keys = Sealer({"none": base64.b64encode(bytes(32)).decode()})  # what is subscribed to hangs on none
    conn = await asyncpg.connect(dsn)
    try:
        await releases.announce(
            conn, releases.handled(import_module(f"services.{name}.consumers").subscriptions(no_keys))
        )
    finally:
        await conn.close()
    return applied


@app.command()
def topics(
    kafka: Annotated[str, typer.Option(envvar="LAPAK_KAFKA", help="Address of a broker, host:port.")],
    replication: Annotated[
        int | None, typer.Option(min=1, help="Copies of each partition; as many as brokers, at most 3, when not said.")
    ] = None,
) -> None:
    """Create the Kafka topics that are missing, and give those that exist the settings erasure rests on."""
    from aiokafka.errors import KafkaError

    from shared.kafka import ensure_topics

    try:
        created = asyncio.run(ensure_topics(kafka, replication=replication))
    except (KafkaError, TimeoutError) as error:
        said = f"The broker at {kafka} did not do it: {error}. Start it, or correct --kafka (LAPAK_KAFKA), host:port."
        console.print(said, markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(f"created {', '.join(created)}" if created else "every topic is there")


@app.command()
def token(
    subject: Annotated[str, typer.Argument(help="Who the token is for, for example officer-1.")],
    role: Annotated[
        list[str],
        typer.Option(help=f"{', '.join(ROLES[:-1])} or {ROLES[-1]}; may be repeated."),
    ],
    area: Annotated[str | None, typer.Option(help="Area of an officer, for example 31.71 (Central Jakarta).")] = None,
    vendor_id: Annotated[str | None, typer.Option(help="The vendor a vendor's token speaks for.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=8760, help="How long it is valid.")] = 12,
    keys: Annotated[Path, typer.Option(help="Folder of the local stack's signing key.")] = Path("var/local/issuer"),
) -> None:
    """Print a token signed by the local stack's key. Only for local stacks: elsewhere your OpenID provider signs."""
    from uuid import UUID

    from pydantic import TypeAdapter, ValidationError

    from shared.auth import LocalIssuer
    from shared.events.values import AreaCode

    unknown = set(role) - set(ROLES)
    if unknown:
        console.print(f"--role: no role {', '.join(sorted(unknown))}; there are {', '.join(ROLES)}")
        raise typer.Exit(2)
    if not keys.exists():
        console.print(f"--keys: {keys} is not there; `make up` creates it")
        raise typer.Exit(2)
    try:
        vendor = None if vendor_id is None else UUID(vendor_id)
    except ValueError:
        console.print("--vendor-id: is not a UUID")
        raise typer.Exit(2) from None
    try:
        TypeAdapter(AreaCode | None).validate_python(area)
    except ValidationError:
        console.print("--area: is no code of an area; write it like 31.71 or 31.71.02")
        raise typer.Exit(2) from None
    typer.echo(LocalIssuer(keys).token(subject, role, area=area, vendor_id=vendor, hours=hours))


if importlib.util.find_spec("deploy") is not None and importlib.util.find_spec("deploy.local") is not None:
    # the local stack is part of the checkout, never of the image
    from deploy.local.cli import register

    register(app)


def main() -> None:
    """Entry point of the `lapak` command."""
    app()


if __name__ == "__main__":
    main()
