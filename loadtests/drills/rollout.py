"""Puts another package under a Region's functions, one after the other, through Lambda's own API."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from loadtests.drills.lab_access import LabError
from loadtests.drills.packages import Package, deployed_asset
from loadtests.drills.target import DrillRegion
from loadtests.lab.emulator.workers import PREPARE
from loadtests.lab.warming import LEFT_COLD, SPARE_WORKERS
from shared.topology import LIVE, PARTS, function_name, live_function

CALL_SECONDS = 60.0


class Rollout:
    """One Region's functions. Those of clients come first: what the new version writes meets the old one's readers."""

    def __init__(self, region: DrillRegion) -> None:
        self.region = region
        self._functions = region.client("lambda", CALL_SECONDS)
        self._s3 = region.client("s3", CALL_SECONDS)

    def put(self, package: Package) -> None:
        """Replace the code of every function, and wait until each is up; raises ``LabError``."""
        bucket, key = deployed_asset(region=self.region.name).bucket, f"release-drill/{package.file.name}"
        self._s3.put_object(Bucket=bucket, Key=key, Body=package.file.read_bytes())
        for part in PARTS:
            self._replace(function_name(part), bucket, key)
            # The sentinel's schedule starts it, and no second one may run beside it.
            if part not in ("sentinel", *LEFT_COLD):
                self._warm(live_function(part), 1 + SPARE_WORKERS.get(part, 0))
        if not self.runs(package):
            raise LabError(f"not every function of {self.region.name} runs {package.name} after its release")

    def runs(self, package: Package) -> bool:
        """Whether every function of the Region runs this very package."""
        names = [live_function(part) for part in PARTS]
        found = {self._functions.get_function_configuration(FunctionName=name)["CodeSha256"] for name in names}
        return found == {package.fingerprint}

    def _replace(self, name: str, bucket: str, key: str) -> None:
        self._functions.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key=key)
        self._functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 100}
        )
        version = self._functions.publish_version(FunctionName=name)["Version"]
        self._functions.update_alias(FunctionName=name, Name=LIVE, FunctionVersion=version)

    def _warm(self, name: str, workers: int) -> None:
        """Start as many workers as the lab had: AWS starts as many as there are requests, all at once."""

        def prepare(_: int) -> None:
            answer = self._functions.invoke(FunctionName=name, Payload=json.dumps(PREPARE).encode())
            if "FunctionError" in answer:
                raise LabError(f"{name} in {self.region.name} does not start: {answer['Payload'].read()[:300]!r}")

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(prepare, range(workers)))
