"""`relevo import`: a file of orders into a Region's import bucket, and what became of it, as it happens."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from runbooks.asking import AsJson, one_line_errors, one_region, refuse
from runbooks.target import Target, current_target
from shared.adapters.import_files import INBOX, ImportFiles, Progress, errors_key, result_key
from shared.topology import TOPOLOGY

LOOK_SECONDS: Final = 0.5
# Nothing new for so long: another file may be before this one, or the importer tries again.
SILENT_SECONDS: Final = 900.0


def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header.")],
    region: Annotated[
        str, typer.Option(help="The Region that is to take it; either will do.", callback=one_region)
    ] = TOPOLOGY.owner_region,
    account: Annotated[
        str | None, typer.Option("--as", help="Account in whose name; the lab's own by default.")
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds without news before this gives up waiting.", min=1)
    ] = SILENT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Import orders from a CSV file, at once; importing it again, or in the other Region, changes nothing."""
    if not file.is_file():
        refuse(f"there is no file {file}", 2)
    target = current_target()
    account = account or target.account
    if account is None:
        refuse("no account: name it with --as (`relevo account list` shows them)", 2)
    # A name of its own for each try, so that no result hides another one.
    key = f"{INBOX}{account}/{file.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.csv"
    bucket = TOPOLOGY.import_bucket(region)
    console = Console(stderr=as_json, highlight=False, markup=False, soft_wrap=True)
    with one_line_errors():
        target.client("s3", region).put_object(Bucket=bucket, Key=key, Body=file.read_bytes(), ContentType="text/csv")
        result = _follow(target, region, bucket, key, patience, console)
        errors = _errors_beside(target, region, bucket, key, file) if result.errors else None
    if as_json:
        report = {**asdict(result), "bucket": bucket, "result_file": result_key(key), "errors_here": errors}
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        reason = f": {result.reason}" if result.reason else ""
        console.print(f"{target.name}: {result.state} in {region}{reason}")
        console.print(
            f"{result.rows} rows: {result.created} orders or statuses new, {result.repeats} known already, "
            f"{result.failed} refused"
        )
        if errors:
            console.print(f"errors, by line: {errors}; mend them and import the file again")
    if result.failed or result.state != "finished":
        raise typer.Exit(1)


def _follow(target: Target, region: str, bucket: str, key: str, patience: float, console: Console) -> Progress:
    files = ImportFiles(target.client("s3", region), bucket)
    heard, news_at = (0, ""), time.monotonic()
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task("importing", total=None)
        while True:
            found = files.progress(key)
            if found is not None:
                bar.update(task, total=found.size, completed=found.offset)
                if found.complete:
                    return found
                if (found.offset, found.updated_at) != heard:
                    heard, news_at = (found.offset, found.updated_at), time.monotonic()
            if time.monotonic() - news_at > patience:
                refuse(f"no news of the import for {patience:.0f} s; {bucket}/{result_key(key)} will tell its end")
            time.sleep(LOOK_SECONDS)


def _errors_beside(target: Target, region: str, bucket: str, key: str, file: Path) -> str:
    """Fetch the file of errors and put it beside the file that has them."""
    content = target.client("s3", region).get_object(Bucket=bucket, Key=errors_key(key))["Body"].read()
    beside = file.with_name(f"{file.stem}.errors.csv")
    beside.write_bytes(content)
    return str(beside)
