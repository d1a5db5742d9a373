"""The keyring secret in every Region: what each reports, why a rotation must not go on, and how it is written.

It is written in the owner Region alone and gets to the others by replication, never around it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from runbooks.asking import NoAnswer, ask, refuse
from runbooks.rotation import Ring
from runbooks.target import Target
from shared.adapters.order_log import Beat
from shared.domain.auth import KeyringError
from shared.domain.takeover import Register
from shared.topology import TOPOLOGY


@dataclass(frozen=True, slots=True)
class RegionKeys:
    """What one Region says that matters for a rotation."""

    ring: Ring | None  # None: the secret has no value yet
    fault: str  # why the ring cannot be read as one
    version: str
    is_replica: bool
    register: Register
    beats: dict[str, Beat | None]


Seen = Mapping[str, RegionKeys | NoAnswer]


def look(target: Target, region: str) -> RegionKeys:
    """Read one Region's keyring, its register, and everybody's heartbeats as they arrived there."""
    manager = target.client("secretsmanager", region)
    about = manager.describe_secret(SecretId=TOPOLOGY.keyring_secret)
    ring, fault, version = None, "", ""
    try:
        answer = manager.get_secret_value(SecretId=TOPOLOGY.keyring_secret)
        version = answer["VersionId"]
        ring = Ring.parse(answer["SecretString"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
    except (KeyringError, KeyError, ValueError) as error:
        fault = f"the keyring cannot be used: {error}"
    log = target.order_log(region)
    return RegionKeys(
        ring=ring,
        fault=fault,
        version=version,
        is_replica=about.get("PrimaryRegion", region) != region,
        register=target.control(region).register(),
        beats={
            name: log.newest_beat(region=name, numbers=range(TOPOLOGY.heartbeat_keys)) for name in TOPOLOGY.region_names
        },
    )


def impairments(seen: Seen, *, now: datetime, beat_age: timedelta) -> list[str]:
    """Why no key may be rotated now: a Region that is drained, silent or behind might miss a step."""
    found: list[str] = []
    for region, keys in seen.items():
        if isinstance(keys, NoAnswer):
            found.append(f"{region} does not answer ({keys.reason})")
            continue
        if keys.fault:
            found.append(f"{region}: {keys.fault}")
        found.extend(f"{name} is drained" for name in seen if keys.register.drains(name))
        for name, beat in keys.beats.items():
            if beat is None or now - beat.beat_at > beat_age:
                age = "never" if beat is None else f"{(now - beat.beat_at).total_seconds():.0f} s ago"
                found.append(f"the last heartbeat of {name} in {region} was {age}")
    return list(dict.fromkeys(found))


def behind(seen: Seen, ring: Ring | None) -> list[str]:
    """Regions whose keyring is not in step with ``ring``, the owner's."""
    late: list[str] = []
    for region, keys in seen.items():
        if isinstance(keys, NoAnswer):
            continue
        if keys.ring is not None and ring is not None and keys.ring.in_step_with(ring):
            continue
        if keys.ring is not ring:
            late.append(region)
    return late


def ring_of(seen: Seen) -> Ring | None:
    """The keyring as its owner has it, or as anyone has it while the owner is silent."""
    order = sorted(seen, key=lambda region: region != TOPOLOGY.owner_region)
    answers = [keys for region in order if isinstance(keys := seen[region], RegionKeys)]
    return answers[0].ring if answers else None


def put(target: Target, seen: Seen, ring: Ring, *, only: list[str] | None = None) -> None:
    """Write the keyring in its owner Region, and in Regions with a copy of their own in place of a replica.

    The request's token is made of the version that was read: a second operator who read the same one and writes
    something else is refused by Secrets Manager, so that two rotations cannot overwrite each other.
    """
    owner = seen[TOPOLOGY.owner_region]
    assert isinstance(owner, RegionKeys)
    token = hashlib.sha256(f"relevo-keyring:{owner.version}".encode()).hexdigest()
    for region in sorted(seen, key=lambda region: region != TOPOLOGY.owner_region):
        keys = seen[region]
        if (only is not None and region not in only) or (isinstance(keys, RegionKeys) and keys.is_replica):
            continue
        try:
            target.client("secretsmanager", region).put_secret_value(
                SecretId=TOPOLOGY.keyring_secret,
                SecretString=ring.text(),
                **({} if only is not None else {"ClientRequestToken": token}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceExistsException":
                raise
            refuse("somebody else changed the keyring just now; look at `relevo keys status`, then run this again")


def look_everywhere(target: Target) -> Seen:
    return ask(TOPOLOGY.region_names, lambda region: look(target.brief(), region))
