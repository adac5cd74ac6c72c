"""`lapak allocate`: solve a round from a file, or check a result against its problem.

The result goes to stdout or a file, everything for people to stderr. Exit codes: 0 done (or verified), 1 the
verifier found differences, 2 the input cannot be read or the call makes no sense.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.bazaar.allocation import (
    Malformed,
    Problem,
    Result,
    read_problem,
    read_result,
    result_to_json,
    solve,
    verify,
)
from services.bazaar.allocation.parties import never_together
from services.bazaar.allocation.problem import idle_limits
from shared.command_files import read_bytes, refuse, write_whole

NOTES_SHOWN_MAX = 5

app = typer.Typer(add_completion=False, help="Fair rotation: who gets a seat in a round, where, and why others wait.")


@app.command()
def allocate(
    problem: Annotated[Path, typer.Argument(help="The problem of the round, a JSON file.", show_default=False)],
    result: Annotated[
        Path | None, typer.Argument(help="With --verify: the result to check, a JSON file.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the result to this file instead of stdout.", show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--verify", help="Check RESULT against PROBLEM; solve nothing, write nothing.")
    ] = False,
) -> None:
    """Allocate the seats of a round in fair rotation.

    The same problem gives the same result, byte for byte. With --verify a result is checked by code written apart
    from the solver, and every difference is printed.

    Applicants who want to stand together are listed in the problem under "parties", for example
    {"id": "g1", "members": ["v1", "v2"], "apart": "none"}: all of them in one pool or none; "split" lets each be
    walked alone where there is no room for all.
    """
    if check and result is None:
        refuse("--verify needs two files: lapak allocate --verify PROBLEM RESULT")
    if check and output is not None:
        refuse("--verify writes nothing; take -o out")
    if not check and result is not None:
        refuse(f"to check {result}, add --verify; to write the result there, use -o {result}")
    console = Console(stderr=True)
    read = _read(problem)
    if result is not None:
        findings = verify(read, _read_result(result))
        for finding in findings:
            typer.echo(finding)
        if findings:
            console.print(
                f"[red]{len(findings)} differences[/]: {escape(str(result))} is not what the rule gives.",
                soft_wrap=True,
            )
            raise typer.Exit(1)
        console.print(f"[green]correct[/]: {escape(str(result))} is exactly what the rule gives.", soft_wrap=True)
        return
    solved = solve(read)
    data = result_to_json(solved)
    if output is None:
        typer.echo(data, nl=False)
    else:
        write_whole(output, data)
    _summarise(console, read, solved)


def _read(path: Path) -> Problem:
    try:
        return read_problem(read_bytes(path))
    except Malformed as error:
        refuse(f"{path} is not a problem that can be solved:\n{error}")


def _read_result(path: Path) -> Result:
    try:
        return read_result(read_bytes(path))
    except Malformed as error:
        refuse(f"{path} is not a result that can be checked:\n{error}")


def _summarise(console: Console, problem: Problem, result: Result) -> None:
    waiting = Counter(one.because.code for one in result.waiting)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(str(len(problem.applicants)), f"applicants for {sum(pool.capacity for pool in problem.pools)} seats")
    table.add_row(str(len(result.served)), f"served, {sum(one.phase == 1 for one in result.served)} in reserved seats")
    for tier, count in sorted(Counter(one.tier for one in result.served).items()):
        table.add_row(str(count), f"of them in their tier {tier}" + (" (the best)" if tier == 0 else ""))
    if problem.parties:
        seat = {one.applicant: one.pool for one in result.served}
        pools = [{seat.get(member) for member in party.members} for party in problem.parties]
        together = sum(len(one) == 1 and None not in one for one in pools)
        table.add_row(str(together), f"of {len(problem.parties)} parties, each in one pool")
    for code, count in sorted(waiting.items()):
        table.add_row(str(count), f"waiting: {code}")
    console.print(table)
    console.print(f"problem {result.problem_sha256}", highlight=False, soft_wrap=True)
    notes = idle_limits(problem) + [
        f"party {party.id}: no pool that its {len(party.members)} members named could seat them together, even if empty"
        for party in never_together(problem)
    ]
    for note in notes[:NOTES_SHOWN_MAX]:
        console.print(f"[yellow]note[/]: {escape(note)}", highlight=False, soft_wrap=True)
    if len(notes) > NOTES_SHOWN_MAX:
        console.print(f"[yellow]note[/]: ... and {len(notes) - NOTES_SHOWN_MAX} more")
