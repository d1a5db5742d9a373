"""Logging in, the authorizer in front of v1, and keys that rotate while tokens live."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from shared.adapters import clients
from shared.topology import TOPOLOGY
from tests.component.aws import KEYS
from tests.component.conftest import forget
from tests.component.door import authorize
from tests.component.problems import problem
from tests.component.region import PASSWORD, RegionUnderTest


def rotate(current: str, keys: dict[str, str]) -> None:
    clients.secretsmanager().put_secret_value(
        SecretId=os.environ["KEYRING_SECRET_ARN"], SecretString=json.dumps({"current": current, "keys": keys})
    )


def token(key: str = KEYS["K1"], kid: str | None = "K1", algorithm: str = "HS256", **claims: Any) -> str:
    full = {"iss": "relevo", "aud": "relevo-api", "sub": "ana", "scope": "orders:read", "iat": 1, "exp": 4102444800}
    full = {name: value for name, value in {**full, **claims}.items() if value is not None}
    return jwt.encode(full, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def forged(header: object) -> str:
    """A token with any header and the signature that its maker could compute without knowing a key."""

    def part(document: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")

    claims = {"iss": "relevo", "aud": "relevo-api", "sub": "ana", "scope": "orders:read", "iat": 1, "exp": 4102444800}
    signed = f"{part(header)}.{part(claims)}"
    signature = hmac.new(b"", signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def swapped() -> str:
    """The claims of one token under the signature of another one."""
    header, _, signature = token(sub="eva").split(".")
    return ".".join((header, token(sub="ana").split(".")[1], signature))


def test_a_right_pair_gets_a_token_for_half_an_hour(region: RegionUnderTest) -> None:
    region.account("ana", "courier")
    answer = region.call("POST", "/token", {"username": "ana", "password": PASSWORD}, sub=None)
    assert answer.status == 200
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 1800)
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "sub", "scope", "iat", "exp"}
    assert claims["exp"] - claims["iat"] == 1800
    assert jwt.get_unverified_header(answer.json["access_token"])["kid"] == "K1"


def test_a_token_lives_shorter_where_the_clock_of_waits_runs_faster(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIME_SCALE", "0.1")
    forget()
    region.account("ana", "courier")
    answer = region.call("POST", "/token", {"username": "ana", "password": PASSWORD}, sub=None)
    claims = jwt.decode(answer.json["access_token"], options={"verify_signature": False})
    assert (answer.json["expires_in"], claims["exp"] - claims["iat"]) == (180, 180)


def test_the_oauth2_form_works_too(region: RegionUnderTest) -> None:
    region.account()
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = urlencode({"grant_type": "password", "username": "ana", "password": PASSWORD})
    assert region.call("POST", "/token", raw=body, headers=form, sub=None).status == 200
    encoded = base64.b64encode(body.encode()).decode()
    assert region.call("POST", "/token", raw=encoded, base64=True, headers=form, sub=None).status == 200
    credentials = json.dumps({"username": "ana", "password": PASSWORD})
    assert region.call("POST", "/token", raw=credentials, headers=form, sub=None).status == 200  # as curl -d sends it
    problem(region.call("POST", "/token", raw="&".join("a=1" for _ in range(50)), headers=form, sub=None), 400)
    problem(region.call("POST", "/token", raw="username=" + "x" * 70_000, headers=form, sub=None), 413)


def test_wrong_password_unknown_user_and_locked_account_get_the_same_answer(region: RegionUnderTest) -> None:
    region.account("ana")
    region.account("eva")
    region.put(TOPOLOGY.accounts_table, {"pk": "ACCOUNT#eva", "sk": "LOCK", "locked": True})
    answers = [
        region.call("POST", "/token", {"username": name, "password": password}, sub=None)
        for name, password in (("ana", "wrong-wrong"), ("nobody", PASSWORD), ("eva", PASSWORD))
    ]
    assert len({(answer.status, answer.text) for answer in answers}) == 1
    problem(answers[0], 401, "unauthorized")


@pytest.mark.parametrize(
    "body", [[], {}, {"username": "ana"}, {"username": "ana", "password": ""}, {"username": 5, "password": PASSWORD}]
)
def test_bad_credentials_documents_are_422(region: RegionUnderTest, body: object) -> None:
    problem(region.call("POST", "/token", body, sub=None), 422, "invalid-body")


def test_the_authorizer_allows_the_stage_and_tells_who_it_is(region: RegionUnderTest) -> None:
    region.account("ana", "operator")
    answer = authorize(region, region.log_in()["Authorization"])
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:us-east-1:123456789012:abc/live/*"
    assert answer["context"]["sub"] == answer["principalId"] == "ana"
    assert "metrics:read" in answer["context"]["scope"].split()
    assert "orders:write" not in answer["context"]["scope"].split()


BAD_TOKENS = {
    "none at all": None,
    "empty": "",
    "another scheme": "Basic YTpi",
    "no token": "Bearer ",
    "garbage": "Bearer x",
    "not ascii": "Bearer ñ.ñ.ñ",
    "huge": f"Bearer {token(scope='x' * 5000)}",
    "deep": "Bearer " + base64.urlsafe_b64encode(b"[" * 1400).decode().rstrip("=") + ".e30.e30",
    "unsigned": "Bearer " + jwt.encode({"sub": "ana"}, "", algorithm="none", headers={"kid": "K1"}),
    "another algorithm": "Bearer " + token(KEYS["K1"] * 2, algorithm="HS512"),
    "another key": f"Bearer {token('x' * 32)}",
    "unknown key id": f"Bearer {token(kid='K9')}",
    "no key id": f"Bearer {token(kid=None)}",
    "another audience": f"Bearer {token(aud='other')}",
    "another issuer": f"Bearer {token(iss='other')}",
    "expired": f"Bearer {token(exp=1)}",
    "not valid yet": f"Bearer {token(nbf=4102444799)}",
    "with times that are no numbers": f"Bearer {token(exp='soon')}",
    "with an endless time": f"Bearer {token(exp=float('inf'))}",
    "with a subject that is no text": f"Bearer {token(sub=['ana'])}",
    "with many audiences, none ours": f"Bearer {token(aud=['other', 'relevo'])}",
    "signed with nothing": "Bearer " + forged({"alg": "HS256", "kid": "K1"}),
    "a public key's algorithm": "Bearer " + forged({"alg": "RS256", "kid": "K1"}),
    "an algorithm of another case": "Bearer " + forged({"alg": "hs256", "kid": "K1"}),
    "its own key in the header": "Bearer " + forged({"alg": "HS256", "jwk": {"kty": "oct", "k": "eA"}}),
    "a key from elsewhere": "Bearer " + forged({"alg": "HS256", "kid": "K1", "jku": "https://evil.example/keys"}),
    "a key id that is a path": "Bearer " + forged({"alg": "HS256", "kid": "../../dev/null"}),
    "a key id that is no text": "Bearer " + forged({"alg": "HS256", "kid": ["K1"]}),
    "a key id that is no Unicode": "Bearer " + forged({"alg": "HS256", "kid": "\ud800"}),
    "a header that is no object": "Bearer " + forged(["HS256"]),
    "a header with NaN": "Bearer " + forged({"alg": "HS256", "kid": float("nan")}),
    "a critical header that nobody knows": "Bearer " + forged({"alg": "HS256", "kid": "K1", "crit": ["x"], "x": 1}),
    "somebody else's claims": "Bearer " + swapped(),
    "cut short": f"Bearer {token()[:-1]}",
    "two tokens": f"Bearer {token()}, Bearer {token()}",
    "without end": f"Bearer {token(exp=None)}",
    "without a subject": f"Bearer {token(sub=None)}",
    "with an empty subject": f"Bearer {token(sub='')}",
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_raises_exactly_unauthorized(region: RegionUnderTest, name: str) -> None:
    region.account()
    with pytest.raises(Exception, match=r"\AUnauthorized\Z") as raised:
        authorize(region, BAD_TOKENS[name])
    assert type(raised.value) is Exception


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_403_on_the_old_routes(region: RegionUnderTest, name: str) -> None:
    region.account()
    authorization = BAD_TOKENS[name]
    headers = {} if authorization is None else {"Authorization": authorization}
    assert problem(region.call("GET", "/metrics", headers=headers, sub=None), 403, "forbidden")["detail"]


def test_the_other_regions_clock_may_be_ahead(region: RegionUnderTest) -> None:
    region.account()
    assert authorize(region, f"Bearer {token(iat=time.time() + 300)}")["principalId"] == "ana"
    with pytest.raises(Exception, match="Unauthorized"):
        authorize(region, f"Bearer {token(nbf=time.time() + 30)}")


def test_a_token_ends_though_the_gateway_remembers_it(region: RegionUnderTest) -> None:
    region.account("ana", "operator")
    context = authorize(region, region.log_in()["Authorization"])["context"]
    assert region.call("GET", "/v1/metrics", authorizer=context).status == 200
    region.at = datetime.now(UTC) + timedelta(minutes=31)
    problem(region.call("GET", "/v1/metrics", authorizer=context), 401, "unauthorized")
    # An authorizer of the release before does not tell when.
    before = {name: value for name, value in context.items() if name != "exp"}
    assert region.call("GET", "/v1/metrics", authorizer=before).status == 200


def test_an_account_that_is_gone_is_unauthorized_with_a_valid_token(region: RegionUnderTest) -> None:
    with pytest.raises(Exception, match="Unauthorized"):
        authorize(region, f"Bearer {token(sub='nobody')}")


def test_a_token_of_a_key_that_was_rotated_out_is_refused(region: RegionUnderTest) -> None:
    region.account()
    bearer = region.log_in()["Authorization"]
    rotate("K2", {"K2": KEYS["K2"]})
    forget()  # other processes of Lambda, once the secret's minute in the cache is over
    with pytest.raises(Exception, match="Unauthorized"):
        authorize(region, bearer)
    assert authorize(region, region.log_in()["Authorization"])["principalId"] == "ana"


def test_a_locked_account_is_unauthorized_with_a_valid_token(region: RegionUnderTest) -> None:
    region.account()
    bearer = region.log_in()["Authorization"]
    region.put(TOPOLOGY.accounts_table, {"pk": "ACCOUNT#ana", "sk": "LOCK", "locked": True})
    with pytest.raises(Exception, match="Unauthorized"):
        authorize(region, bearer)


def test_both_keys_are_accepted_in_the_middle_of_a_rotation(region: RegionUnderTest) -> None:
    region.account()
    for kid, key in KEYS.items():
        assert authorize(region, f"Bearer {token(key, kid)}")["principalId"] == "ana"


def test_a_key_that_another_region_uses_already_is_fetched_once(region: RegionUnderTest) -> None:
    region.account()
    authorize(region, f"Bearer {token()}")
    rotate("K3", {**KEYS, "K3": "third-key-of-the-keyring-of-the-tests"})
    region.counted()
    assert authorize(region, f"Bearer {token('third-key-of-the-keyring-of-the-tests', 'K3')}")["principalId"] == "ana"
    for _ in range(5):
        with pytest.raises(Exception, match="Unauthorized"):
            authorize(region, f"Bearer {token(kid='K9')}")
    assert region.counted() == {"GetSecretValue": 1}


@pytest.mark.parametrize("function", ["api", "authorizer"])
@pytest.mark.parametrize("secret", ['{"current":"K1","keys":{}}', "{}", '{"current":"K1","keys":{"K1":"short"}}', "x"])
def test_without_a_keyring_nothing_starts(region: RegionUnderTest, function: str, secret: str) -> None:
    clients.secretsmanager().put_secret_value(SecretId=os.environ["KEYRING_SECRET_ARN"], SecretString=secret)
    with pytest.raises(ValueError, match="keyring"):
        region.module(function)


def test_accounts_that_cannot_be_read_stop_nobody_who_was_known(
    region: RegionUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ReadTimeoutError

    region.account()
    bearer = region.log_in()["Authorization"]
    authorize(region, bearer)

    def fail(*_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(region.module("runtime").Accounts, "account", fail)
    monkeypatch.setattr(region.module("gate"), "ACCOUNT_CHECK", -region.module("gate").ACCOUNT_CHECK)
    assert authorize(region, bearer)["principalId"] == "ana"
    with pytest.raises(ReadTimeoutError):
        authorize(region, f"Bearer {token(sub='eva')}")
