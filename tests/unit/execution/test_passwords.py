"""The slow hash: how much of it there may be at once, and what it says to a hash that is none."""

import threading

import pytest

from incumbent.base.errors import Corrupt, Unavailable
from incumbent.execution.passwords import AT_ONCE, WAITING_MAX, Argon2Passwords


def test_more_log_ins_than_may_wait_are_told_at_once_and_the_others_get_their_turn():
    passwords, outcomes, go = Argon2Passwords(memory_kib=64, passes=1, lanes=1), [], threading.Event()

    class Slow:
        def verify(self, *_):
            go.wait(10)
            return True

    passwords._hasher = Slow()

    def verify():
        try:
            outcomes.append(passwords.verify("hash", b"x"))
        except Unavailable:
            outcomes.append("busy")
            go.set()

    threads = [threading.Thread(target=verify) for _ in range(AT_ONCE + WAITING_MAX + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("busy") == 1
    assert outcomes.count(True) == AT_ONCE + WAITING_MAX


@pytest.mark.parametrize("kept", ["no hash", "$argon2id$v=19$m=64,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv", "\0"])
def test_a_hash_that_is_none_is_corrupt_and_lets_nobody_in(kept):
    with pytest.raises(Corrupt, match="a password's hash in the store is none"):
        Argon2Passwords(memory_kib=64, passes=1, lanes=1).verify(kept, b"x")


def test_nobodys_hash_is_of_the_same_parameters_and_its_password_lets_nobody_in_either():
    passwords = Argon2Passwords(memory_kib=64, passes=1, lanes=1)
    assert passwords._nobodys.startswith(passwords.hash(b"x").rsplit("$", 2)[0])
    assert passwords.verify(None, b"the password of nobody, for taking as long when there is no account") is False
