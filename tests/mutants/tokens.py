"""A token is good in every Region, also during a rotation, and nothing else is (I8)."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

AUTH = "shared/domain/auth.py"
KEYRING = "shared/adapters/keyring.py"
KEYS = "runbooks/keys.py"
ROTATION = "runbooks/rotation.py"
TOKENS = "shared/adapters/tokens.py"

KEY_TESTS = "tests/runbooks/test_keys.py"
LOGIN_TESTS = "tests/component/test_login.py"
TOKEN_TESTS = "tests/unit/test_auth.py"

MUTANTS: Final = (
    Mutant(
        "every key of the ring verifies",
        "I8",
        TOKENS,
        "key = keyring.keys.get(name)",
        "key = keyring.keys[keyring.current] if name == keyring.current else None",
        f"{TOKEN_TESTS}::test_the_current_key_signs_and_every_key_verifies",
    ),
    Mutant(
        "a key that the peer uses already is fetched",
        "I8",
        KEYRING,
        "if name not in keyring.keys and self._clock()",
        "if name is None and self._clock()",
        f"{TOKEN_TESTS}::test_an_unknown_key_id_has_the_secret_read_again_once_in_ten_seconds",
    ),
    Mutant(
        "a new key signs only when every cache knows it",
        "I8",
        ROTATION,
        'return Due("make current", rotation.added_seen_at + waits.caches - now)',
        'return Due("make current")',
        f"{KEY_TESTS}::test_every_step_is_refused_before_its_time_and_says_how_long_it_has_to_wait",
    ),
    Mutant(
        "the wait counts from when every Region had the key",
        "I8",
        ROTATION,
        'return Due("make current", rotation.added_seen_at + waits.caches - now)',
        'return Due("make current", rotation.added_at + waits.caches - now)',
        f"{KEY_TESTS}::test_the_wait_counts_from_when_every_region_was_seen_to_have_the_new_key",
    ),
    Mutant(
        "an old key goes only after the life of its tokens",
        "I8",
        ROTATION,
        'return Due("remove", rotation.current_seen_at + waits.tokens - now)',
        'return Due("remove")',
        f"{KEY_TESTS}::test_every_step_is_refused_before_its_time_and_says_how_long_it_has_to_wait",
    ),
    Mutant(
        "the life of tokens begins when caches have ended",
        "I8",
        ROTATION,
        "tokens=timedelta(seconds=token_seconds(scale)) + caches)",
        "tokens=timedelta(seconds=token_seconds(scale)))",
        f"{KEY_TESTS}::test_a_token_is_accepted_through_every_moment_of_a_rotation",
    ),
    Mutant(
        "no key is rotated while a Region is drained",
        "I8",
        "runbooks/keyring_secret.py",
        'found.extend(f"{name} is drained" for name in seen if keys.register.drains(name))',
        "pass",
        f"{KEY_TESTS}::test_nothing_is_rotated_while_a_region_is_drained",
    ),
    Mutant(
        "no key is rotated while a replica is behind",
        "I8",
        KEYS,
        "        if set(late) - set(copies):",
        "        if False:",
        f"{KEY_TESTS}::test_nothing_is_rotated_while_the_replica_of_the_secret_is_not_in_step",
    ),
    Mutant(
        "tokens are of one algorithm",
        "I8",
        TOKENS,
        "algorithms=[ALGORITHM]",
        'algorithms=[ALGORITHM, "HS384", "HS512"]',
        f"{TOKEN_TESTS}::test_a_token_of_another_algorithm_is_refused_although_its_key_is_ours",
    ),
    Mutant(
        "tokens end",
        "I8",
        TOKENS,
        'options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_iat": False}',
        'options={"verify_exp": False}',
        f"{TOKEN_TESTS}::test_a_token_ends_after_half_an_hour",
    ),
    Mutant(
        "a token of an unknown key is refused",
        "I8",
        TOKENS,
        "key = keyring.keys.get(name)",
        "key = keyring.keys.get(name, keyring.keys[keyring.current])",
        f"{LOGIN_TESTS}::test_a_bad_token_raises_exactly_unauthorized",
    ),
    Mutant(
        "a token is for a right password only",
        "I8",
        AUTH,
        "return matches and account is not None and not account.locked",
        "return account is not None and not account.locked",
        f"{LOGIN_TESTS}::test_wrong_password_unknown_user_and_locked_account_get_the_same_answer",
    ),
    Mutant(
        "a password's hash is compared in constant time",
        "I8",
        AUTH,
        "matches = hmac.compare_digest(_scrypt(password, base64.b64decode(salt)), base64.b64decode(expected))",
        "matches = _scrypt(password, base64.b64decode(salt)) == base64.b64decode(expected)",
        f"{TOKEN_TESTS}::test_passwords_are_compared_in_constant_time_whoever_it_is",
    ),
    Mutant(
        "a locked account's token is refused",
        "I8",
        "regions/handlers/gate.py",
        "known = account if account is not None and not account.locked else None",
        "known = account",
        f"{LOGIN_TESTS}::test_a_locked_account_is_unauthorized_with_a_valid_token",
    ),
)
