"""Logging in, the authorizer in front of v1, and keys that rotate while tokens live."""

from __future__ import annotations

import base64
import json
import os
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from shared.adapters import clients
from shared.topology import TOPOLOGY
from tests.component.aws import KEYS
from tests.component.conftest import forget
from tests.component.problems import problem
from tests.component.region import PASSWORD, LambdaContext, RegionUnderTest

METHOD = "arn:aws:execute-api:us-east-1:123456789012:abc/live/GET/v1/orders"


def authorize(region: RegionUnderTest, authorization: str | None) -> dict[str, Any]:
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": METHOD}
    answer: dict[str, Any] = region.module("authorizer").handler(event, LambdaContext())
    return answer


def rotate(current: str, keys: dict[str, str]) -> None:
    clients.secretsmanager().put_secret_value(
        SecretId=os.environ["KEYRING_SECRET_ARN"], SecretString=json.dumps({"current": current, "keys": keys})
    )


def token(key: str = KEYS["K1"], kid: str | None = "K1", algorithm: str = "HS256", **claims: Any) -> str:
    full = {"iss": "relevo", "aud": "relevo-api", "sub": "ana", "scope": "orders:read", "iat": 1, "exp": 4102444800}
    full = {name: value for name, value in {**full, **claims}.items() if value is not None}
    return jwt.encode(full, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


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


def test_guessing_is_slowed_down_per_name_and_address(region: RegionUnderTest) -> None:
    region.account("ana")
    wrong = {"username": "ana", "password": "wrong-wrong"}
    assert [region.call("POST", "/token", wrong, sub=None).status for _ in range(6)] == [401] * 5 + [429]
    answer = region.call("POST", "/token", {"username": "ana", "password": PASSWORD}, sub=None)
    problem(answer, 429, "too-many-attempts")
    assert int(answer.headers["Retry-After"]) > 0
    # Another name from there is not held up, and the counter ends by itself.
    assert region.call("POST", "/token", {**wrong, "username": "eva"}, sub=None).status == 401
    (ana, _) = region.view_items("LOGIN#")
    assert ana["expires_at"] > 0


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
