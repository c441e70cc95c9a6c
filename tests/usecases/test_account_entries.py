"""What the ledger says of tokens, passwords and links, and that no row of theirs can differ from it unseen."""

from dataclasses import replace

import pytest

from incumbent.base.errors import IncumbentError, Refused
from incumbent.usecases import recording
from incumbent.usecases.account_ports import Account, Token
from incumbent.usecases.accounts import change_password, end_sessions, make_first_link, make_link, use_link
from incumbent.usecases.bearer import hash_secret
from incumbent.usecases.ledger_log import list_entries
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.people import change_person
from incumbent.usecases.sessions import begin_journey, finish_journey, log_in
from incumbent.usecases.tokens import list_tokens, new_token, revoke_token
from ledgers import tampering
from logins import CHEAP, PASSWORD, SERVICE, MovedClock, as_person, open_empty, open_people, set_password

NEW = "another horse 10"


class Provider:
    """A company's provider that says everybody is `subject`."""

    def __init__(self, subject):
        self.subject = subject

    def begin(self, *, state, **_):
        self.state = state
        return "https://id.example/begin"

    def check_issuer(self, issuer):
        pass

    def finish(self, **_):
        return self.subject


@pytest.fixture
def ws(tmp_path):
    ws = open_people(tmp_path, MovedClock())
    yield ws
    ws.store.close()


def told(ws, since=0):
    """Return (act, object, actor) of the entries since one, oldest first."""
    return [(e.draft.act, e.draft.object.name, e.draft.actor.actor_id) for e in reversed(list_entries(ws)) if e.seq >= since]


def enter_by_provider(ws, subject):
    provider = Provider(subject)
    given = {"provider": provider, "redirect_uri": "https://inc.example/log-in/callback", "address": "1.2.3.4"}
    begun = begin_journey(ws, onward="/", **given)
    return finish_journey(replace(ws, actor=""), state=provider.state, code="c", browser=begun.browser, **given)[0]


def test_each_act_on_an_account_is_an_entry_of_who_and_what_and_of_no_secret(ws):
    before = len(list_entries(ws))
    dev = as_person(ws, "dev")
    made = new_token(dev, name="laptop", scope=["read"])
    service = new_token(dev, person=SERVICE, name="nightly")
    revoke_token(ws, token=made.secret)
    link = make_link(ws, person="val")
    secret = link.path.removeprefix("/set-up/")
    use_link(replace(ws, actor=""), passwords=CHEAP, secret=secret, password=PASSWORD)
    change_password(as_person(ws, "val"), passwords=CHEAP, old=PASSWORD, new=NEW)
    session = log_in(ws, passwords=CHEAP, name="val", password=NEW, address="1.2.3.4")
    end_sessions(ws, person="val")
    assert told(ws, before) == [
        ("make-token", f"token {made.token.token_id}", "dev"),
        ("make-token", f"token {service.token.token_id}", "dev"),
        ("revoke-token", f"token {made.token.token_id}", "ann"),
        ("make-link", "link val", "ann"),
        ("use-link", "account val", "val"),
        ("change-password", "account val", "val"),
        ("end-sessions", "sessions val", "ann"),
    ]
    with ws.store.begin(read_only=True) as tx:
        kept = b"".join(tx.ledger.read()) + repr([record.body for record in tx.records.list_history()]).encode()
        hashed = tx.accounts.find("val").password_hash
        [record] = tx.records.list_history("sessions")
    assert record.body == {"person": "val", "ended": 1}
    for never in (made.secret, service.secret, secret, PASSWORD, NEW, session.secret, hashed):
        assert never.encode() not in kept
    assert b"'scope': ['read']" in kept
    assert reconcile(ws).differences == ()
    assert verify_ledger(ws).is_sound


def test_who_comes_by_the_provider_is_told_the_first_time_and_when_the_provider_is_another(ws):
    change_person(ws, person="val", aliases=["https://id.example 7", "https://other.example 7"])
    before = len(list_entries(ws))
    assert enter_by_provider(ws, "https://id.example 7").person_id == "val"
    enter_by_provider(ws, "https://id.example 7")
    enter_by_provider(ws, "https://other.example 7")
    with pytest.raises(Refused, match="is nobody here"):
        enter_by_provider(ws, "https://id.example 8")
    assert told(ws, before) == [("admit", "admission val", "val")] * 2
    assert reconcile(ws).differences == ()


def test_what_cannot_be_signed_for_is_not_done(ws):
    size = len(list_entries(ws))
    keys = ws.folder / "keys"
    keys.rename(keys.with_name("away"))
    with pytest.raises(IncumbentError):
        new_token(ws, name="x")
    keys.with_name("away").rename(keys)
    assert list_tokens(ws, everybodys=True) == []
    assert len(list_entries(ws)) == size


@pytest.mark.parametrize(
    "refused",
    [
        lambda ws, token: new_token(as_person(ws, "val"), person="dev", name="x"),
        lambda ws, token: revoke_token(as_person(ws, "val"), token=token.secret),
        lambda ws, token: make_link(as_person(ws, "val"), person="dev"),
        lambda ws, token: end_sessions(as_person(ws, "val"), person="dev"),
    ],
)
def test_an_attempt_on_anothers_account_is_an_entry_without_a_secret(ws, refused):
    token = new_token(as_person(ws, "dev"), name="laptop")
    with pytest.raises(Refused):
        refused(ws, token)
    act, name, actor = told(ws)[-1]
    assert (act, actor) == ("refuse", "val")
    assert token.secret not in name


def test_a_clock_that_was_put_back_keeps_no_token_alive(ws):
    made = new_token(as_person(ws, "dev"), name="laptop")
    ws.clock.move(hours=-1)
    assert revoke_token(ws, token=made.secret).revoked_at == made.token.made_at
    assert reconcile(ws).differences == ()


TAMPERED = [
    ("INSERT INTO access_tokens SELECT 'token-eve', 'ab', 'ann', name, scope, made_at, expires_at, made_by, NULL, NULL FROM access_tokens",
     "token token-eve is in the database, and no entry explains it"),
    ("UPDATE access_tokens SET person_id = 'ann'", "person is 'ann' in the database, 'dev' in the ledger"),
    ("UPDATE access_tokens SET scope = '[\"admin\"]'", "scope is ['admin'] in the database, ['write'] in the ledger"),
    ("UPDATE access_tokens SET secret_hash = 'ab'", "secret_sha256 is 'ab' in the database"),
    ("UPDATE access_tokens SET expires_at = expires_at + 1", "expires_at is "),
    ("UPDATE access_tokens SET revoked_at = NULL", "revoked_at is None in the database"),
    ("DELETE FROM access_tokens", "is in the ledger, and not in the database"),
    ("UPDATE accounts SET changed_at = changed_at - 1", "password of dev: password_set_at is "),
    ("INSERT INTO accounts SELECT 'ann', password_hash, changed_at FROM accounts", "password of ann is in the database, and no entry"),
    ("DELETE FROM accounts", "password of dev is in the ledger, and not in the database"),
]  # fmt: skip


@pytest.fixture(params=["told from the start", "adopted"])
def with_accounts(tmp_path, request, monkeypatch):
    """A workspace with a revoked token and a password: entries tell of both, or one names what an older program left."""
    if request.param == "adopted":
        ws = open_older(tmp_path, monkeypatch)
        assert reconcile(ws).differences == ()
        new_token(ws, name="adopts")
        with tampering(ws) as db:
            db.execute("DELETE FROM access_tokens WHERE name = 'adopts'")
    else:
        ws = open_people(tmp_path, MovedClock())
        set_password(ws, "dev")
        revoke_token(ws, token=new_token(as_person(ws, "dev"), name="laptop").secret)
    yield ws
    ws.store.close()


@pytest.mark.parametrize(("sql", "message"), TAMPERED)
def test_every_change_of_a_token_or_password_behind_the_ledger_is_named(with_accounts, sql, message):
    with tampering(with_accounts) as db:
        db.execute(sql)
    differences = reconcile(with_accounts).differences
    assert any(message in difference for difference in differences), differences


def open_older(folder, monkeypatch):
    """Open a workspace as a program left it that told nothing of accounts: a token and a password without entries."""
    with monkeypatch.context() as older:
        older.setattr(recording, "ACCOUNTS_TOLD", "of no meaning")
        ws = open_people(folder, MovedClock())
    now = ws.clock.now()
    with ws.store.begin() as tx:
        tx.tokens.add(Token("token-old", hash_secret("inc_" + "A" * 43), "dev", "laptop", ("write",), now, now.replace(year=2099), "dev"))
        tx.tokens.revoke("token-old", now)
        tx.accounts.put(Account("dev", CHEAP.hash(PASSWORD.encode()), now))
    return ws


def test_an_older_workspace_opens_reconciles_and_names_what_was_there_once(tmp_path, monkeypatch):
    ws = open_older(tmp_path, monkeypatch)
    before = len(list_entries(ws))
    assert reconcile(ws).differences == ()
    for name in ("first", "second"):
        new_token(ws, name=name)
    assert [act for act, _, _ in told(ws, before)] == ["adopt-accounts", "make-token", "make-token"]
    log_in(ws, passwords=CHEAP, name="dev", password=PASSWORD, address="1.2.3.4")
    change_password(as_person(ws, "dev"), passwords=CHEAP, old=PASSWORD, new=NEW)
    found = reconcile(ws)
    assert found.differences == ()
    assert verify_ledger(ws).is_sound
    ws.store.close()


def test_the_first_person_is_told_after_the_ledger_has_begun(tmp_path):
    ws = open_empty(tmp_path, MovedClock())
    secret = make_first_link(ws).path.removeprefix("/set-up/")
    assert list_entries(ws) == []
    use_link(ws, passwords=CHEAP, secret=secret, password=PASSWORD, person="eve", name="Eve")
    assert [act for act, _, _ in told(ws)] == ["begin", "add-person", "use-link"]
    assert reconcile(ws).differences == ()
    ws.store.close()
