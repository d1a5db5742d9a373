"""`python -m tests.mutants`: removes every guard of the list, one at a time; a survivor makes the run fail."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.mutants.guards import EVERY
from tests.mutants.harness import NotGreenError, Result, check_green, try_all
from tests.mutants.mutant import MisplacedError

COLOURS = {"killed": "green", "survived": "bold red", "broken": "bold magenta"}


def main(
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this mutant; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Remove each guard in a copy of the tree and run the one test that must notice."""
    console = Console(stderr=True)
    chosen = [mutant for mutant in EVERY if not only or mutant.name in only]
    if unknown := set(only or ()) - {mutant.name for mutant in chosen}:
        raise typer.BadParameter(f"no mutant is called {', '.join(sorted(unknown))}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        for mutant in chosen:
            mutant.check()
        with Progress(*columns, console=console) as progress:
            suites = progress.add_task("green without mutants", total=len({mutant.suite for mutant in chosen}))
            check_green(chosen, lambda _: progress.advance(suites))
            tried = progress.add_task("guards removed", total=len(chosen))
            results = try_all(chosen, lambda _: progress.advance(tried))
    except (MisplacedError, NotGreenError) as error:
        console.print(f"mutants: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(json.dumps([as_document(result) for result in results], indent=2, ensure_ascii=False))
    else:
        Console().print(table_of(results))
    alive = [result for result in results if result.verdict != "killed"]
    for result in alive:
        console.print(f"{result.mutant.name} {result.verdict}: {result.mutant.killed_by}", style="red", markup=False)
        if result.detail:
            console.print(result.detail, markup=False)
    console.print(f"{len(results) - len(alive)} of {len(results)} mutants killed")
    if alive:
        raise typer.Exit(1)


def table_of(results: list[Result]) -> Table:
    table = Table("", "guard removed", "in", "by the test", "s", title="Mutants")
    for result in results:
        mutant = result.mutant
        test = mutant.killed_by.partition("::")[2].removeprefix("test_").replace("_", " ")
        verdict = f"[{COLOURS[result.verdict]}]{result.verdict}[/]: {test}"
        table.add_row(mutant.invariant, mutant.name, mutant.file, verdict, f"{result.seconds:.0f}")
    return table


def as_document(result: Result) -> dict[str, object]:
    mutant = result.mutant
    return {
        "name": mutant.name,
        "invariant": mutant.invariant,
        "file": mutant.file,
        "killed_by": mutant.killed_by,
        "verdict": result.verdict,
        "detail": result.detail,
        "seconds": round(result.seconds, 1),
    }


if __name__ == "__main__":
    typer.run(main)
