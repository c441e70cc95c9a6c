"""What every metadata store does with webhooks and their deliveries."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.store_values import NOW
from incumbent.base.errors import InvalidInput
from incumbent.usecases.ports import Store
from incumbent.usecases.webhook_ports import Delivery, Webhook

HOUR = timedelta(hours=1)
HOOK = Webhook("webhook-1", "https://a.example/x", ("slot.changed",), "whsec_AAAA", NOW, "ann", 3, NOW)
OTHER = replace(HOOK, webhook_id="webhook-2", made_at=NOW + HOUR, next_at=NOW + HOUR, may_be_private=True, may_be_http=True, events=())


class WebhooksContract:
    """Every rule of the port `Webhooks`."""

    def test_webhooks_come_back_as_they_were_kept(self, store: Store) -> None:
        with store.begin() as tx:
            tx.webhooks.add(OTHER)
            tx.webhooks.add(HOOK)
            assert tx.webhooks.list_all() == [HOOK, OTHER]

    def test_a_secret_is_resealed_and_nothing_else(self, store: Store) -> None:
        with store.begin() as tx:
            tx.webhooks.add(HOOK)
            tx.webhooks.add(OTHER)
            tx.webhooks.reseal(OTHER.webhook_id, "sealed")
            assert tx.webhooks.list_all() == [HOOK, replace(OTHER, sealed="sealed")]

    def test_due_is_what_is_active_behind_and_not_put_off(self, store: Store) -> None:
        dead = replace(HOOK, webhook_id="webhook-3", state="dead")
        with store.begin() as tx:
            for hook in (HOOK, OTHER, dead):
                tx.webhooks.add(hook)
            assert tx.webhooks.list_due(NOW, 4) == [HOOK]
            assert tx.webhooks.list_due(NOW, 3) == []
            assert tx.webhooks.list_due(NOW + HOUR, 4) == [HOOK, OTHER]

    @pytest.mark.parametrize("name", ["cursor", "failures", "next_at", "tried"])
    def test_a_change_counts_only_from_where_the_webhook_is(self, store: Store, name: str) -> None:
        other = NOW + HOUR if name == "next_at" else 7
        with store.begin() as tx:
            tx.webhooks.add(HOOK)
            after = replace(HOOK, state="dead", cursor=4, failures=1, next_at=NOW + HOUR, tried=1)
            assert not tx.webhooks.change(replace(HOOK, **{name: other}), after)
            assert tx.webhooks.list_all() == [HOOK]
            assert tx.webhooks.change(HOOK, after)
            assert tx.webhooks.list_all() == [after]
            assert not tx.webhooks.change(HOOK, after)

    def test_the_newest_deliveries_are_kept_and_gone_with_their_webhook(self, store: Store) -> None:
        made = [Delivery("webhook-1", n, n + 5, "slot.changed", NOW, 200 if n % 2 else 0, "" if n % 2 else "away") for n in range(1, 6)]
        with store.begin() as tx:
            for hook in (HOOK, OTHER):
                tx.webhooks.add(hook)
            tx.webhooks.record(replace(made[0], webhook_id="webhook-2"), keep=3)
            for delivery in made:
                tx.webhooks.record(delivery, keep=3)
            assert tx.webhooks.list_deliveries("webhook-1", limit=9) == made[:1:-1]
            assert tx.webhooks.list_deliveries("webhook-1", limit=1) == made[-1:]
            assert tx.webhooks.list_deliveries("webhook-1", limit=1, before=made[-1].number) == made[-2:-1]
            tx.webhooks.remove("webhook-1")
            assert tx.webhooks.list_all() == [OTHER]
            assert tx.webhooks.list_deliveries("webhook-1", limit=9) == []
            assert len(tx.webhooks.list_deliveries("webhook-2", limit=9)) == 1

    def test_a_webhook_with_text_that_no_database_holds_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidInput, match="cannot be stored"), store.begin() as tx:
            tx.webhooks.add(replace(HOOK, made_by="a\0b"))
