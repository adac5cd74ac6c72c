"""`lapak match`: match vendors to mentors from a file, or check a result against its problem.

The result goes to stdout or a file, everything for people to stderr. Exit codes: 0 done (or verified), 1 the verifier
found differences, 2 the input cannot be read or the call makes no sense.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.training.matching import Malformed, Problem, Result, read_problem, read_result, result_to_json, verify
from shared.command_files import read_bytes, refuse, write_whole

app = typer.Typer(add_completion=False, help="Matching vendors to mentors, the best there is, with its proof.")

GOALS = (
    ("unmatched", "vendors without a mentor"),
    ("left", "vendors that leave a mentor with whom they could stay"),
    ("misfit", "misfit of all pairs"),
    ("unevenness", "unevenness of loads"),
)


@app.command()
def match(
    problem: Annotated[Path, typer.Argument(help="The problem, a JSON file.", show_default=False)],
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
    """Match vendors to mentors: most vendors matched, most staying with the mentor they have, least misfit, most even
    load, in this order, each the best there is.

    The same problem gives the same result, byte for byte. With --verify a result is checked by code written apart from
    the solver, which believes nothing but the prices that prove it best, and every difference is printed.
    """
    if check != (result is not None):
        refuse("--verify and a second file belong together: lapak match --verify PROBLEM RESULT")
    if check and output is not None:
        refuse("--verify writes nothing; take -o out")
    console = Console(stderr=True)
    read = _read(problem)
    if result is not None:
        findings = verify(read, _read_result(result))
        for finding in findings:
            typer.echo(finding)
        if findings:
            console.print(
                f"[red]{len(findings)} difference(s)[/]: {escape(str(result))} is not a best matching.", soft_wrap=True
            )
            raise typer.Exit(1)
        console.print(f"[green]correct[/]: {escape(str(result))}: nothing better exists.", soft_wrap=True)
        return
    # the solver takes a second to load, and checking does without it
    from services.training.matching.flow import solve

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
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(str(len(problem.vendors)), f"vendors, {len(problem.mentors)} mentors")
    for name, words in GOALS:
        table.add_row(str(getattr(result.goals, name)), words)
    console.print(table)
    console.print(f"problem {result.problem_sha256}", highlight=False, soft_wrap=True)
