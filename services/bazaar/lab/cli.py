"""`lapak lab`: other policies on past rounds and in simulated years.

Exit codes: 0 done, 2 the call makes no sense, a file cannot be read or written, or matplotlib is missing.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.bazaar.allocation import Malformed, read_problem
from services.bazaar.lab.replay import ROTATIONS, Replayed, replayed
from services.bazaar.lab.tables import Row, terminal_table, write_tables
from services.bazaar.lab.titles import TITLES
from shared.command_files import read_bytes, refuse

OUTCOME_COLUMNS = {
    "policy": "policy",
    "never": "never",
    "thrice_or_more": "3x+",
    "wait_median": "wait p50",
    "wait_p90": "p90",
    "longest_in_vain": "longest",
    "jain": "Jain",
    "gini": "Gini",
    "rw_coverage": "RWs",
    "repeat_rate": "repeats",
}
REPLAY_COLUMNS = {
    "problem": "round",
    "policy": "policy",
    "served": "served",
    "same_people": "same",
    "returning": "again",
    "wait_median": "wait p50",
    "longest_left": "left",
    "rw_coverage": "RWs",
    "jain": "Jain",
}
TABLE_WIDTH = 120
"""However narrow the terminal is: a line that it wraps can be read, a number that is cut off cannot."""

app = typer.Typer(
    help="What another policy would have done: to past rounds, or in simulated years.", no_args_is_help=True
)

Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for the tables (CSV, JSON) and plots.", show_default=False)
]


@app.command()
def simulate(
    vendors: Annotated[int, typer.Option(min=1, max=2_000_000, help="Vendors of the city.")] = 20_000,
    years: Annotated[int, typer.Option(min=1, max=50, help="Years that are played.")] = 3,
    rounds_per_month: Annotated[int, typer.Option(min=1, max=10, help="Rounds in a month.")] = 2,
    areas: Annotated[int, typer.Option(min=1, help="Areas (kecamatan); a vendor applies at the site of its own.")] = 8,
    sites: Annotated[int, typer.Option(min=1, help="Areas with a site in each round, in turn.")] = 6,
    booths: Annotated[int, typer.Option(min=1, help="Booths of a site.")] = 30,
    vendors_per_rw: Annotated[int, typer.Option(min=1, help="Vendors of an RW on average.")] = 15,
    applicants_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of the vendors whose area has a site, how many apply on average.")
    ] = 0.25,
    founders: Annotated[float, typer.Option(min=0, max=1, help="Vendors there from the start; others join.")] = 0.7,
    declines: Annotated[float, typer.Option(min=0, max=1, help="Offers that are declined (no turn).")] = 0.05,
    lapses: Annotated[float, typer.Option(min=0, max=1, help="Offers that lapse (a turn).")] = 0.03,
    no_shows: Annotated[float, typer.Option(min=0, max=1, help="Booths taken and left empty (a turn).")] = 0.05,
    quickness: Annotated[
        float, typer.Option(min=0, max=1, help="First come: how much it is the same people who come first.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and settings give the same files.")] = 1,
    policy: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(TITLES)}; may be repeated.", show_default="all")
    ] = None,
    out: Out = None,
    plots: Annotated[bool, typer.Option(help="Draw plots too (needs --out).")] = True,
) -> None:
    """Play years of rounds with the same vendors and the same demand under each policy, and compare.

    For example, a city of 35,000 with six sites twice a month for three years:

    lapak lab simulate --vendors 35000 --years 3 --out var/lab
    """
    from services.bazaar.lab.city import Setting, found  # numpy: only where it is needed
    from services.bazaar.lab.outcome import measured
    from services.bazaar.lab.plots import MISSING, can_plot, write_plots
    from services.bazaar.lab.years import play

    policies = _known(policy, list(TITLES))
    if sites > areas:
        refuse(f"--sites: {sites} sites need as many areas; there are {areas} (--areas)")
    if declines + lapses + no_shows > 1:
        refuse("--declines, --lapses and --no-shows are shares of the same offers: together at most 1")
    if out is not None and plots and not can_plot():
        refuse(MISSING)
    setting = Setting(
        vendors, years, rounds_per_month, areas, sites, booths, vendors_per_rw, applicants_share, founders, declines,
        lapses, no_shows, quickness, seed,
    )  # fmt: skip
    console = Console(stderr=True)
    with _progress(console) as bar:
        task = bar.add_task("rounds", total=setting.rounds * len(policies))
        courses = play(setting, policies, lambda: bar.advance(task))
    city = found(setting)
    found_out = [measured(setting, city, name, course) for name, course in courses.items()]
    rows = [outcome.row() for outcome, _ in found_out]
    Console(width=TABLE_WIDTH).print(terminal_table(rows, OUTCOME_COLUMNS))
    console.print(
        "never, 3x+: shares of those who ever applied; waits in rounds (p50, p90 of those that ended; longest of any"
        " who applied in vain); RWs: share that had a turn; repeats: of a year's people, those of the year before",
        style="dim",
    )
    if out is not None:
        by_round: list[Row] = [
            {"policy": one.policy, "round": at, "longest_wait": longest, "rw_coverage": round(covered, 6)}
            for _, one in found_out
            for at, (longest, covered) in enumerate(zip(one.longest, one.covered, strict=True), start=1)
        ]
        waits: list[Row] = [
            {"policy": one.policy, "rounds": length, "people": people}
            for _, one in found_out
            for length, people in enumerate(one.waits)
        ]
        with _writing(out):
            out.mkdir(parents=True, exist_ok=True)
            written = write_tables(out, "setting", [asdict(setting)])
            written += write_tables(out, "policies", rows)
            written += write_tables(out, "rounds", by_round)
            written += write_tables(out, "waits", waits)
            if plots:
                written += write_plots(out, [one for one, _ in found_out], [one for _, one in found_out])
        console.print(f"{len(written)} files in {out}", soft_wrap=True)


@app.command()
def replay(
    problems: Annotated[list[Path], typer.Argument(help="Problems of past rounds, JSON files.", show_default=False)],
    policy: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(ROTATIONS)}; may be repeated.", show_default="all")
    ] = None,
    out: Out = None,
) -> None:
    """Solve past rounds again with another rotation, and compare with the round as it was.

    Reserves, caps and parties stay as they were. First come, first served cannot be replayed: a problem does not say
    who came first.
    """
    policies = _known(policy, list(ROTATIONS))
    console = Console(stderr=True)
    found_out: list[Replayed] = []
    with _progress(console) as bar:
        for path in bar.track(problems, description="rounds"):
            try:
                problem = read_problem(read_bytes(path))
            except Malformed as error:
                refuse(f"{path} is not a problem that can be solved:\n{error}")
            found_out += replayed(path.name.removesuffix(".json").removesuffix(".problem"), problem, policies)
    rows = [one.row() for one in found_out]
    Console(width=TABLE_WIDTH).print(terminal_table(rows, REPLAY_COLUMNS))
    console.print(
        "same: of the served, those the round served as it was; again: those who had had turns; wait p50: of the"
        " served, in days; left: the longest wait of one not served; RWs: of those among the applicants, with a booth",
        style="dim",
    )
    if out is not None:
        with _writing(out):
            out.mkdir(parents=True, exist_ok=True)
            write_tables(out, "replayed", rows)


def _known(wanted: list[str] | None, policies: list[str]) -> list[str]:
    unknown = [name for name in wanted or () if name not in policies]
    if unknown:
        refuse(f"--policy: there is no {', '.join(unknown)}; there are {', '.join(policies)}")
    return [name for name in policies if wanted is None or name in wanted]


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip


class _writing:
    """Files that cannot be written are said so."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            refuse(f"{self._out}: cannot be written: {error.strerror or error}")
