"""A Region's import bucket: files that bring orders, and what became of each, beside them under `results/`.

A file is read by ranges of one content, named by its ETag: whoever replaces it starts an import of its own.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from shared.domain.order_files import BOM, Fault, harmless

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INBOX: Final = "inbox/"
RESULTS: Final = "results/"
RANGE_BYTES: Final = 1024 * 1024
RUNNING: Final = "running"
GIVEN_UP: Final = "failed"  # the importer ended in the middle of it too often
ERROR_COLUMNS: Final = ("line", "column", "reason", "row")
END: Final = "end"  # stands in the column `line` of the last row of a complete file of errors


class FileGoneError(Exception):
    """The file was replaced or removed; another import is about what is there now."""


@dataclass
class Progress:
    """What became of a file so far, as `<file>.result.json` tells it."""

    file: str
    account: str
    region: str
    import_id: str
    size: int
    started_at: str
    updated_at: str
    state: str = RUNNING  # then "finished", or "refused", "stopped" or "failed" with a reason
    complete: bool = False
    reason: str = ""
    rows: int = 0
    created: int = 0
    repeats: int = 0
    failed: int = 0
    errors: int = 0
    errors_file: str = ""
    delimiter: str = ","
    offset: int = 0
    line: int = 0
    request_id: str = ""  # of the event that is worked on, which attempt at it this is, and where the first one began
    attempt: int = 0
    attempted_from: int = 0


def account_of(key: str) -> str:
    """The account in whose folder a file lies; none if it lies anywhere else."""
    folder, *rest = key.removeprefix(INBOX).split("/")
    return folder if len(rest) == 1 else ""


def result_key(key: str) -> str:
    return f"{RESULTS}{key.removeprefix(INBOX)}.result.json"


def errors_key(key: str) -> str:
    return f"{RESULTS}{key.removeprefix(INBOX)}.errors.csv"


def is_newer(import_id: str, *, than: str) -> bool:
    """Whether a file was put later; the ids are S3's sequencers: hexadecimal, and ordered for one key."""
    width = max(len(import_id), len(than))
    return import_id.rjust(width, "0") > than.rjust(width, "0")


class ImportFiles:
    """One Region's import bucket."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def chunks(self, key: str, *, etag: str, start: int, size: int) -> Iterator[bytes]:
        """The file from byte ``start`` on, range by range as it is asked for; raises ``FileGoneError``."""
        for first in range(start, size, RANGE_BYTES):
            span = f"bytes={first}-{min(first + RANGE_BYTES, size) - 1}"
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=span, IfMatch=etag)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("PreconditionFailed", "NoSuchKey", "412", "404"):
                    raise FileGoneError(key) from error
                raise
            yield answer["Body"].read()

    def progress(self, key: str) -> Progress | None:
        """What is known of a file; ``None`` before its first import."""
        text = self._text(result_key(key))
        if text is None:
            return None
        told = json.loads(text)
        return Progress(**{field.name: told[field.name] for field in fields(Progress) if field.name in told})

    def tell(self, progress: Progress) -> None:
        document = json.dumps(asdict(progress), indent=1, ensure_ascii=False)
        self._put(result_key(progress.file), document.encode(), "application/json")

    def errors(self, key: str, *, delimiter: str, before_line: int) -> list[list[str]]:
        """The rows of the file of errors that are about lines before ``before_line``."""
        text = self._text(errors_key(key)) or ""
        found = list(csv.reader(io.StringIO(text.removeprefix(BOM.decode()), newline=""), delimiter=delimiter))[1:]
        return [row for row in found if row[0] != END and int(row[0]) < before_line]

    def tell_errors(self, key: str, rows: Iterable[list[str]], *, delimiter: str, complete: bool) -> None:
        """Write the file of errors, for the spreadsheet that wrote the file; the last row says that it is complete."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
        told = list(rows)
        writer.writerow(ERROR_COLUMNS)
        writer.writerows(told)
        if complete:
            writer.writerow((END, "", f"{len(told)} errors; this file is complete", ""))
        self._put(errors_key(key), BOM + text.getvalue().encode(), "text/csv; charset=utf-8")

    def _text(self, key: str) -> str | None:
        # Listed first: whoever may not list is told that a missing object is forbidden.
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=key)
        if all(item["Key"] != key for item in found.get("Contents", ())):
            return None
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode()

    def _put(self, key: str, content: bytes, kind: str) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=kind)


def error_row(fault: Fault) -> list[str]:
    """A fault as a row of the file of errors."""
    return [str(fault.line), fault.column, harmless(fault.reason), harmless(fault.row)]
