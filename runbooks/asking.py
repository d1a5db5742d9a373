"""How operators' commands ask Regions and say what went wrong: a Region that does not answer is an answer, and an error
is one line that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, NoReturn, TypeVar

import typer
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from shared.topology import TOPOLOGY

T = TypeVar("T")

REGIONS_TEXT: Final = ", ".join(TOPOLOGY.region_names)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A Region that did not answer, or refused to, and why."""

    reason: str


def ask(regions: Iterable[str], look: Callable[[str], T]) -> dict[str, T | NoAnswer]:
    """Ask Regions side by side, so that a lost one costs its time limit once and spoils no other's answer."""

    def one(region: str) -> T | NoAnswer:
        try:
            return look(region)
        except NoCredentialsError:
            raise  # nobody was asked
        except (ClientError, BotoCoreError) as error:
            return NoAnswer(reason_of(error))

    names = list(regions)
    with ThreadPoolExecutor(max(len(names), 1)) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def reason_of(error: ClientError | BotoCoreError) -> str:
    """An error of AWS in one line."""
    if isinstance(error, ClientError):
        detail = error.response["Error"]
        return f"{error.operation_name}: {detail.get('Code', '')}: {detail.get('Message', '')}".replace("\n", " ")
    return str(error).replace("\n", " ")


def refuse(text: str, code: int = 1) -> NoReturn:
    """End the command with one line on standard error."""
    typer.echo(f"relevo: {text}", err=True)
    raise typer.Exit(code)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what AWS refuses, or does not answer, into one line and exit code 1."""
    try:
        yield
    except NoCredentialsError:
        refuse("no AWS credentials and no lab that runs here; log in to AWS, or start a lab with `relevo up`")
    except (ClientError, BotoCoreError) as error:
        refuse(f"{reason_of(error)}; if the Region is lost, see `relevo takeover status`")


def one_region(value: str) -> str:
    """A Region of the topology; for Typer's ``callback``."""
    if value not in TOPOLOGY.region_names:
        raise typer.BadParameter(f"expected one of {REGIONS_TEXT}")
    return value


def one_region_or_all(value: str | None) -> str | None:
    return value if value is None else one_region(value)


# What many commands take. A document stands alone on standard output: what is said besides goes to standard error.
RegionArgument = Annotated[str, typer.Argument(help=f"One of {REGIONS_TEXT}.", callback=one_region)]
Yes = Annotated[bool, typer.Option("--yes", help="Act; without it the plan is only printed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, on standard output.")]
