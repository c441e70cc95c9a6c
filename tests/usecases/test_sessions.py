"""Log-ins by password: right, wrong, too often; links to set a password; what ends a session."""

import threading
from datetime import timedelta

import pytest

from incumbent.base.errors import InvalidInput, NotFound, Refused
from incumbent.execution.passwords import Argon2Passwords
from incumbent.usecases.accounts import change_password, end_sessions, get_link, list_accounts, make_first_link, make_link, use_link
from incumbent.usecases.admission import admit_session, note_use, read_register
from incumbent.usecases.guessing import TooManyAttempts
from incumbent.usecases.people import change_person, list_person_records
from incumbent.usecases.sessions import WRONG, log_in, log_out
from logins import CHEAP, PASSWORD, SERVICE, MovedClock, as_person, open_empty, open_people, set_password


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def ws(tmp_path, clock):
    ws = open_people(tmp_path, clock)
    set_password(ws, "dev")
    yield ws
    ws.store.close()


class Counted:
    """A `Passwords` that counts how often the slow hash was asked."""

    def __init__(self):
        self.verified = 0

    def hash(self, password):
        return CHEAP.hash(password)

    def verify(self, password_hash, password):
        self.verified += 1
        return CHEAP.verify(password_hash, password)

    def is_outdated(self, password_hash):
        return CHEAP.is_outdated(password_hash)


def enter(ws, name="dev", password=PASSWORD, **more):
    return log_in(ws, **{"passwords": CHEAP, "name": name, "password": password, "address": "10.0.0.1", **more})


def admit(ws, secret):
    with ws.store.begin(read_only=True) as tx:
        return admit_session(tx, read_register(tx), secret, ws.clock.now())


def secret_of(link):
    return link.path.removeprefix("/set-up/")


# log-in


def test_the_right_password_begins_a_session_of_that_person(ws):
    session = enter(ws)
    assert (session.person_id, admit(ws, session.secret).person.person_id) == ("dev", "dev")
    assert admit(ws, session.secret).scope is None


WRONG_ONES = [("dev", "wrong password"), ("nobody", PASSWORD), ("val", PASSWORD), (SERVICE, PASSWORD), ("", ""), ("dev\0", PASSWORD)]


@pytest.mark.parametrize(("name", "password"), [*WRONG_ONES, ("dev", PASSWORD + "\0"), ("dev", PASSWORD + " ")])
def test_what_is_wrong_is_told_nobody(ws, name, password):
    """A name that is none, one without a password, a service and a wrong password: one message, and one slow hash each."""
    counted = Counted()
    with pytest.raises(Refused) as refused:
        enter(ws, name, password, passwords=counted)
    assert (str(refused.value), counted.verified) == (WRONG, 1)


def test_a_nul_is_a_byte_like_others_and_cuts_nothing_off(ws):
    set_password(ws, "val", "abcdefgh\0first")
    with pytest.raises(Refused):
        enter(ws, "val", "abcdefgh\0other")
    assert enter(ws, "val", "abcdefgh\0first").person_id == "val"


def test_a_password_of_1024_bytes_counts_to_its_last_byte_and_a_longer_one_is_refused(ws):
    longest = "ab12" * 256
    set_password(ws, "val", longest)
    assert enter(ws, "val", longest).person_id == "val"
    with pytest.raises(Refused):
        enter(ws, "val", longest[:-1] + "x")
    for too_long in (longest + "x", "é" * 513, "x" * 10_000_000):
        with pytest.raises(InvalidInput, match="at most 1024 bytes"):
            enter(ws, "val", too_long)


def test_text_that_is_composed_into_fewer_bytes_is_not_cut_off_before_it_is(ws):
    """Three characters become one of two bytes: 1,500 of them are 1,000 bytes, and the last one counts."""
    letter = "U\u0308\u0304"
    set_password(ws, "val", "tea" + letter * 499 + "U\u0308")
    for wrong in ("tea" + letter * 500, "tea" + letter * 499, "tea" + letter * 400):
        with pytest.raises(Refused, match=WRONG):
            enter(ws, "val", wrong)
    assert enter(ws, "val", "tea" + letter * 499 + "U\u0308").person_id == "val"
    with pytest.raises(InvalidInput, match="at most 1024 bytes"):
        enter(ws, "val", letter * 600)


def test_two_spellings_of_one_letter_are_one_password(ws):
    set_password(ws, "val", "caf\u00e9 and more tea")
    assert enter(ws, "val", "cafe\u0301 and more tea").person_id == "val"


def test_logging_in_makes_a_new_session_and_ends_the_one_before(ws):
    first = enter(ws)
    second = enter(ws, previous=first.secret)
    assert second.secret != first.secret
    with pytest.raises(Refused, match="not logged in"):
        admit(ws, first.secret)


def test_a_session_that_somebody_made_up_is_never_taken_over(ws):
    planted = "A" * 43
    session = enter(ws, previous=planted)
    assert session.secret != planted
    with pytest.raises(Refused):
        admit(ws, planted)


# waiting


def test_after_five_failures_each_makes_the_next_wait_twice_as_long(ws, clock):
    counted = Counted()
    for _ in range(5):
        with pytest.raises(Refused, match=WRONG):
            enter(ws, password="wrong", passwords=counted)
    waits = []
    for _ in range(4):
        with pytest.raises(TooManyAttempts) as refused:
            enter(ws, password="wrong", passwords=counted)
        waits.append(refused.value.wait_s)
        clock.move(seconds=refused.value.wait_s)
        with pytest.raises(Refused, match=WRONG):
            enter(ws, password="wrong", passwords=counted)
    assert waits == [1, 2, 4, 8]
    assert counted.verified == 9


def test_while_one_waits_the_right_password_is_not_looked_at_either(ws, clock):
    for _ in range(5):
        with pytest.raises(Refused):
            enter(ws, password="wrong")
    with pytest.raises(TooManyAttempts):
        enter(ws)
    clock.move(seconds=1)
    assert enter(ws).person_id == "dev"
    with pytest.raises(Refused, match=WRONG):
        enter(ws, password="wrong")


def test_a_name_that_nobody_has_waits_just_as_long(ws):
    waits = {}
    for name in ("dev", "nobody"):
        for _ in range(5):
            with pytest.raises(Refused, match=WRONG):
                enter(ws, name, "wrong", address=f"of {name}")
        with pytest.raises(TooManyAttempts) as refused:
            enter(ws, name, "wrong", address=f"of {name}")
        waits[name] = str(refused.value)
    assert waits["dev"] == waits["nobody"]


def test_an_address_that_tries_many_names_waits_and_a_good_log_in_does_not_buy_it_free(ws):
    for number in range(19):
        with pytest.raises(Refused, match=WRONG):
            enter(ws, f"name-{number}", "wrong")
    enter(ws)
    for number in range(19, 20):
        with pytest.raises(Refused, match=WRONG):
            enter(ws, f"name-{number}", "wrong")
    with pytest.raises(TooManyAttempts):
        enter(ws, "name-20", "wrong")
    assert enter(ws, address="10.0.0.2").person_id == "dev"


def test_many_attempts_at_once_are_no_way_around_the_waiting(ws):
    counted, outcomes = Counted(), []

    def guess():
        try:
            enter(ws, password="wrong", passwords=counted)
        except Refused as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(Refused), outcomes.count(TooManyAttempts), counted.verified) == (5, 7, 5)


def test_failures_of_yesterday_are_forgotten(ws, clock):
    for _ in range(5):
        with pytest.raises(Refused):
            enter(ws, password="wrong")
    clock.move(days=1)
    assert enter(ws).person_id == "dev"


# the end of a session


def test_a_session_ends_when_it_is_not_used_for_two_hours(ws, clock):
    session = enter(ws)
    for _ in range(3):
        clock.move(minutes=119)
        admission = admit(ws, session.secret)
        note_use(ws, admission=admission, now=clock.at)
    clock.move(hours=2)
    with pytest.raises(Refused, match="not any more"):
        admit(ws, session.secret)


def test_a_session_ends_after_a_day_however_much_it_is_used(ws, clock):
    session = enter(ws)
    for _ in range(23):
        clock.move(hours=1)
        note_use(ws, admission=admit(ws, session.secret), now=clock.at)
    clock.move(hours=1)
    with pytest.raises(Refused, match="not any more"):
        admit(ws, session.secret)


@pytest.mark.parametrize("ending", ["log out", "password", "link", "deactivated", "logged out by an admin"])
def test_a_session_is_over_at_once(ws, ending):
    session, other = enter(ws), enter(ws)
    match ending:
        case "log out":
            log_out(ws, secret=session.secret)
            assert admit(ws, other.secret).person.person_id == "dev"
        case "password":
            change_password(as_person(ws, "dev"), passwords=CHEAP, old=PASSWORD, new="another horse 10")
        case "link":
            set_password(ws, "dev", "a third horse 11")
        case "deactivated":
            change_person(ws, person="dev", is_active=False)
            with pytest.raises(Refused, match="was deactivated"):
                admit(ws, session.secret)
            change_person(ws, person="dev", is_active=True)
        case _:
            assert end_sessions(ws, person="dev") == 2
    with pytest.raises(Refused):
        admit(ws, session.secret)


def test_a_deactivated_person_does_not_log_in_and_is_told_nothing(ws):
    change_person(ws, person="dev", is_active=False)
    with pytest.raises(Refused, match=WRONG):
        enter(ws)


def test_only_oneself_or_an_admin_ends_sessions(ws):
    enter(ws)
    with pytest.raises(Refused, match="logs out themselves only"):
        end_sessions(as_person(ws, "val"), person="dev")
    assert end_sessions(as_person(ws, "dev"), person="dev") == 1


# passwords and links


@pytest.mark.parametrize("password", ["", "short", "a" * 30, "abababababab", "\ud800" * 12])
def test_a_password_that_guesses_itself_is_not_set_and_the_link_stays_good(ws, password):
    secret = secret_of(make_link(ws, person="val"))
    with pytest.raises(InvalidInput, match="a password"):
        use_link(ws, passwords=CHEAP, secret=secret, password=password)
    assert use_link(ws, passwords=CHEAP, secret=secret, password=PASSWORD) == "val"


def test_a_link_works_once_and_for_a_day(ws, clock):
    secret = secret_of(make_link(ws, person="val"))
    assert use_link(ws, passwords=CHEAP, secret=secret, password=PASSWORD) == "val"
    with pytest.raises(NotFound, match="spent"):
        use_link(ws, passwords=CHEAP, secret=secret, password=PASSWORD)
    late = make_link(ws, person="val")
    assert late.expires_at == clock.at + timedelta(days=1)
    clock.move(days=1)
    with pytest.raises(NotFound, match="expired"):
        get_link(ws, secret_of(late))


def test_a_newer_link_voids_the_older(ws):
    first, second = (secret_of(make_link(ws, person="val")) for _ in range(2))
    with pytest.raises(NotFound):
        get_link(ws, first)
    assert get_link(ws, second).person_id == "val"


@pytest.mark.parametrize("person", [SERVICE, "gone"])
def test_a_service_or_an_inactive_person_gets_no_link(ws, person):
    if person == "gone":
        change_person(ws, person="none", is_active=False)
        person = "none"
    with pytest.raises(Refused, match="needs no password"):
        make_link(ws, person=person)


def test_a_link_for_others_is_made_by_admins(ws):
    with pytest.raises(Refused, match="for themselves only"):
        make_link(as_person(ws, "dev"), person="val")
    assert make_link(as_person(ws, "val"), person="val").person_id == "val"


def test_the_first_link_makes_the_first_person_and_no_second(tmp_path, clock):
    ws = open_empty(tmp_path, clock)
    link = make_first_link(ws)
    assert link.person_id == ""
    assert use_link(ws, passwords=CHEAP, secret=secret_of(link), password=PASSWORD, person="eve", name="Eve") == "eve"
    [record] = list_person_records(ws)
    assert (record.person.person_id, record.printed_name, record.person.roles, record.person.aliases) == ("eve", "Eve", {"admin"}, ())
    assert enter(ws, "eve").person_id == "eve"
    assert make_first_link(ws) is None
    ws.store.close()


def test_a_first_link_makes_nobody_an_admin_once_people_are_registered(tmp_path, clock):
    from incumbent.usecases.people import add_person

    ws = open_empty(tmp_path, clock)
    link = make_first_link(ws)
    add_person(ws, person="ann", name="Ann", roles=["admin"])
    with pytest.raises(Refused, match="people are registered here by now"):
        use_link(ws, passwords=CHEAP, secret=secret_of(link), password=PASSWORD, person="eve")
    assert make_first_link(ws).person_id == "ann"
    ws.store.close()


def test_changing_a_password_takes_the_present_one(ws):
    with pytest.raises(Refused, match="the present password is another"):
        change_password(as_person(ws, "dev"), passwords=CHEAP, old="wrong", new="another horse 10")
    change_password(as_person(ws, "dev"), passwords=CHEAP, old=PASSWORD, new="another horse 10")
    assert enter(ws, password="another horse 10").person_id == "dev"


def test_who_came_by_a_session_does_not_guess_the_password_with_it(ws, clock):
    counted = Counted()
    for _ in range(5):
        with pytest.raises(Refused, match="the present password is another"):
            change_password(as_person(ws, "dev"), passwords=counted, old="wrong", new="another horse 10")
    with pytest.raises(TooManyAttempts):
        change_password(as_person(ws, "dev"), passwords=counted, old=PASSWORD, new="another horse 10")
    assert counted.verified == 5
    clock.move(seconds=1)
    change_password(as_person(ws, "dev"), passwords=counted, old=PASSWORD, new="another horse 10")
    with pytest.raises(InvalidInput, match="at most 1024 bytes"):
        change_password(as_person(ws, "dev"), passwords=counted, old="x" * 1025, new="another horse 11")


def test_a_hash_of_weaker_parameters_is_made_anew_at_the_next_log_in(ws):
    stronger = Argon2Passwords(memory_kib=128, passes=1, lanes=1)
    enter(ws, passwords=stronger)
    with ws.store.begin(read_only=True) as tx:
        kept = tx.accounts.find("dev").password_hash
    assert "$argon2id$v=19$m=128,t=1,p=1$" in kept
    assert enter(ws, passwords=stronger).person_id == "dev"


def test_the_real_parameters_are_rfc_9106s_second_recommendation():
    kept = Argon2Passwords().hash(b"x")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_who_has_a_password_is_shown(ws, clock):
    shown = {record.person.person_id: record.changed_at for record in list_accounts(ws)}
    with pytest.raises(Refused, match="aud is no admin; who has a password"):
        list_accounts(as_person(ws, "aud"))
    assert shown["dev"] == clock.at
    assert shown["val"] is None
