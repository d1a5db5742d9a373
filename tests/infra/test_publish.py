"""Publishing the page: every file into every Region's bucket, the page after its parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from global_stack.publish import PublishError, publish
from shared.topology import TOPOLOGY

FILES = {
    "about.html": "<p>",
    "index.html": "<p>",
    "favicon.svg": "<svg/>",
    "assets/a-1.js": "1",
    "assets/a-1.css": "b{}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        clients = {
            region: boto3.client("s3", region_name=region, aws_access_key_id="test", aws_secret_access_key="test")
            for region in TOPOLOGY.region_names
        }
        for region, s3 in clients.items():
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=TOPOLOGY.site_bucket(region), **where)
        yield clients


def test_every_region_gets_every_file_with_its_type(folder: Path, buckets: dict[str, Any]) -> None:
    publish(folder, buckets, say=lambda _: None)
    publish(folder, buckets, say=lambda _: None)  # again changes nothing
    for region, s3 in buckets.items():
        bucket = TOPOLOGY.site_bucket(region)
        found = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
        assert found == set(FILES)
        kinds = {key: s3.head_object(Bucket=bucket, Key=key)["ContentType"] for key in found}
        assert kinds["index.html"] == "text/html"
        assert kinds["assets/a-1.js"] in ("text/javascript", "application/javascript")


def test_the_pages_come_last_in_all_regions(folder: Path, buckets: dict[str, Any]) -> None:
    said: list[str] = []
    publish(folder, buckets, say=said.append)
    assert len(said) == len(FILES)
    assert [told.partition(" ")[0] for told in said[-2:]] == ["about.html", "index.html"]
    assert said[-1].startswith("index.html is in us-east-1, us-east-2")


def test_a_region_that_does_not_take_a_part_keeps_the_page_from_being_published(
    folder: Path, buckets: dict[str, Any]
) -> None:
    second = TOPOLOGY.region_names[1]
    buckets[second].delete_bucket(Bucket=TOPOLOGY.site_bucket(second))
    with pytest.raises(PublishError, match=f"{second} did not take assets"):
        publish(folder, buckets, say=lambda _: None)
    first = TOPOLOGY.region_names[0]
    kept = buckets[first].list_objects_v2(Bucket=TOPOLOGY.site_bucket(first))["Contents"]
    assert "index.html" not in {entry["Key"] for entry in kept}


def test_a_page_that_was_not_built_is_said_to_be_missing(tmp_path: Path, buckets: dict[str, Any]) -> None:
    with pytest.raises(PublishError, match="run `make site`"):
        publish(tmp_path, buckets)
