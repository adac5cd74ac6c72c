"""The `lapak` command: serve and migrate a service, and the commands that each part brings."""

import asyncio
import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services import SERVICES
from services.bazaar.allocation.cli import allocate
from services.bazaar.cli.receipt import receipt
from services.bazaar.cli.rounds import app as rounds
from services.bazaar.cli.sales import app as sales
from services.bazaar.cli.seed import seed
from services.bazaar.lab.cli import app as lab
from services.notify.cli import app as notify
from services.rotation import rotate_keys
from services.training.cli.certificate import app as certificate
from services.training.cli.visits import app as visits
from services.training.matching.cli import match
from services.vendor.cli import app as vendors
from services.vendor.cli.audit import app as audit
from services.vendor.cli.rights import app as rights
from shared.contracts.cli import contracts
from shared.dead_letters_cli import app as dead_letters
from shared.tickets_cli import app as ticket

__all__ = ["main"]

DATABASE_WAIT_SECONDS = 60
ROLES = ("vendor", "officer", "registrar", "mentor", "provider", "bank", "service", "operator")

app = typer.Typer(
    name="lapak",
    help="Runs a city's programme for small vendors: registry, training, bazaars in fair rotation, messages.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(allocate)
app.command()(match)
app.command()(receipt)
app.command()(seed)
app.command()(contracts)
app.command()(rotate_keys)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(ticket, name="ticket")
app.add_typer(certificate, name="certificate")
app.add_typer(visits, name="visits")
app.add_typer(sales, name="sales")
app.add_typer(vendors, name="vendors")
app.add_typer(audit, name="audit")
app.add_typer(rights, name="rights")
app.add_typer(rounds, name="rounds")
app.add_typer(lab, name="lab")
app.add_typer(notify, name="notify")
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
    """Serve one service until SIGTERM, then drain. Settings come from LAPAK_* variables; a wrong one is named."""
    from shared.db import MigrationError
    from shared.service import StartRefused

    service = import_module(f"services.{_known(name)}.app").create()
    try:
        if migrate_first:
            _migrate(name, service.settings.database)
        service.serve()
    except (MigrationError, StartRefused) as error:
        console.print(f"{error}", markup=False, soft_wrap=True)
        raise typer.Exit(3) from error


@app.command()
def migrate(
    name: ServiceName,
    database: Annotated[str, typer.Option(envvar="LAPAK_DATABASE", help="DSN of the service's database.")],
) -> None:
    """Bring one service's database up to date; replicas may call it at once. Prints what was applied."""
    from shared.db import MigrationError

    try:
        _migrate(_known(name), database)
    except MigrationError as error:
        console.print(f"{error}")
        raise typer.Exit(1) from error


def _say(line: str) -> None:
    console.print(line, markup=False)


def _migrate(name: str, dsn: str) -> None:
    import asyncpg

    from shared.db import migrate as apply

    try:
        applied = asyncio.run(apply(dsn, name, wait_seconds=DATABASE_WAIT_SECONDS, on_wait=_say))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        said = f"the database of {name} does not let us in: {type(error).__name__}: {error}"
        console.print(said, markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    for migration in applied:
        console.print(f"applied {migration}")
    if not applied:
        console.print(f"{name}: up to date")


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
        console.print(f"The broker at {kafka} did not do it: {error}", markup=False, soft_wrap=True)
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
