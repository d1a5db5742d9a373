"""`relevo import`: in whose name and from where it takes a file, and what it says when nothing comes of it."""

from __future__ import annotations

from pathlib import Path

from shared.topology import TOPOLOGY
from tests.runbooks.two_regions import PEER, TwoRegions


def test_a_file_goes_into_the_folder_of_its_account_in_the_region_that_is_named(regions: TwoRegions) -> None:
    s3, bucket = regions.client("s3", PEER), TOPOLOGY.import_bucket(PEER)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": PEER})
    Path("pedidos.csv").write_text("order_id\nCE-1\n")
    done = regions.run("import", "pedidos.csv", "--as", "ana", "--region", PEER, "--patience", "1")
    assert done.exit_code == 1
    assert "no news of the import for 1 s" in done.stderr
    (found,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert found["Key"].startswith("inbox/ana/pedidos-")
    assert found["Key"].endswith(".csv")
    assert f"{bucket}/results/ana/pedidos-" in done.stderr


def test_what_cannot_begin_is_said_in_one_line(regions: TwoRegions) -> None:
    Path("pedidos.csv").write_text("order_id\nCE-1\n")
    for arguments, said in (
        (("pedidos.csv",), "no account: name it with --as"),
        (("nowhere.csv", "--as", "ana"), "there is no file nowhere.csv"),
    ):
        done = regions.run("import", *arguments)
        assert done.exit_code == 2
        assert said in done.stderr
    no_bucket = regions.run("import", "pedidos.csv", "--as", "ana")
    assert no_bucket.exit_code == 1
    assert no_bucket.stderr.startswith("relevo: PutObject: NoSuchBucket")
