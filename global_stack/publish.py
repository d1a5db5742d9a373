"""Puts the built pages into the bucket of every Region: `python -m global_stack.publish`, part of `make deploy`.

What the pages refer to goes first, into all of them, so that no one gets a page whose parts are not there. Nothing is
removed: a page that is open still asks for the parts that it was built with.
"""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shared.topology import TOPOLOGY, Topology

SITE: Final = Path(__file__).resolve().parents[1] / ".build" / "site"
PAGE: Final = "index.html"


class PublishError(Exception):
    """The page is not built, or a Region did not take it; the text says which."""


def publish(
    folder: Path, buckets: Mapping[str, Any], *, topology: Topology = TOPOLOGY, say: Callable[[str], None] = print
) -> None:
    """Upload every file to every Region's bucket, the pages last; raises ``PublishError``."""
    if not (folder / PAGE).is_file():
        raise PublishError(f"{folder / PAGE} is missing: run `make site`")
    for file in files_in_order(folder):
        key = file.relative_to(folder).as_posix()
        kind, _ = mimetypes.guess_type(file.name)
        for region, s3 in buckets.items():
            try:
                s3.put_object(
                    Bucket=topology.site_bucket(region),
                    Key=key,
                    Body=file.read_bytes(),
                    ContentType=kind or "application/octet-stream",
                )
            except (ClientError, BotoCoreError) as error:
                raise PublishError(f"{region} did not take {key}: {error}") from error
        say(f"{key} is in {', '.join(buckets)}")


def files_in_order(folder: Path) -> Iterator[Path]:
    """All files, the pages after what they refer to."""
    yield from sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: (path.suffix == ".html", path)
    )


def main() -> None:
    buckets = {region: boto3.client("s3", region_name=region) for region in TOPOLOGY.region_names}
    try:
        publish(SITE, buckets)
    except PublishError as error:
        sys.exit(f"publish: {error}")


if __name__ == "__main__":
    main()
