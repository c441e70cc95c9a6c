"""A second opinion on who may do what on the guarded path: people, on whose word they are known, whose work is whose, what tiers ask for.

Written from the rules in words and from tables made by hand. It imports nothing of the product, so that it cannot agree by accident.
"""

from dataclasses import dataclass, field

RIGHTS = {
    "register": "developer service",
    "propose": "developer service",
    "reject": "developer validator approver",
    "evaluate": "developer validator service",
    "validate": "validator",
    "approve": "approver",
    "promote": "operator",
    "roll-back": "operator",
    "break-glass": "operator",
    "archive": "operator",
}
UNASSESSED = 2


def rule(validators, approvers, days, *, groups=False, own=False, back=0):
    return {
        "validators": validators, "approvers": approvers, "valid_days": days, "distinct_groups": groups, "self_approval": own,
        "roll_back_approvals": back, "witnesses": 0,
    }  # fmt: skip


DEFAULT = {1: rule(1, 2, 90) | {"witnesses": 1}, 2: rule(1, 1, 180), 3: rule(0, 1, 365), 4: rule(0, 0, 365)}


def is_laxer(name, one, other):
    """Say whether one of two values of a tier's field asks for less."""
    return one > other if name in ("valid_days", "self_approval") else one < other


@dataclass
class Slot:
    """A slot as its entries tell it.

    Attributes:
        stack: Versions that led to what is live, which is on top; what was rolled back from, or retired, is taken off.
        left: Version -> the entry by which it was archived last.
        promoted: Version -> the entry that promoted it last.
        champion: What was live last, and may be still.
        models: Every model that was ever live, the newest last.
    """

    statuses: dict = field(default_factory=dict)
    models: list = field(default_factory=list)
    stack: list = field(default_factory=list)
    left: dict = field(default_factory=dict)
    promoted: dict = field(default_factory=dict)
    live: str | None = None
    champion: str | None = None


class Authority:
    """What follows from people, keys, versions, policies and tiers, which the book keeps."""

    def read_tiers(self, entry, name, body):
        who = entry["actor"]["id"]
        if entry["object"]["kind"] == "tier":
            self.assessed.setdefault(name, []).append((who, entry["object"]["digest"], body["tier"]))
        else:
            assert body["unassessed"] == UNASSESSED
            self.tiers.append((who, {row["tier"]: row for row in body["tiers"]}))

    @property
    def founder(self):
        return next(iter(self.people))

    def acting(self, who):
        """Return the active person of a name and the roles, or (None, {})."""
        person = self.find_person(who)
        return (person["person_id"], set(person["roles"])) if person and person["is_active"] else (None, set())

    def find_person(self, who):
        return next(
            (one for one in self.people.values() if who.casefold() in {n.casefold() for n in (one["person_id"], *one["aliases"])}), None
        )

    def accountable(self, who):
        person = self.find_person(who)
        return who if person is None else person["owner"] or person["person_id"]

    def may(self, who, act):
        return bool(self.acting(who)[1] & set(RIGHTS[act].split()))

    def has_key(self, who):
        return any(key["person_id"] == self.acting(who)[0] and key["revoked_at"] is None for key in self.keys.values())

    def remembered(self, version, slot):
        """Return the models that a candidate in a slot is held to: its own, and every one that was ever live there."""
        model = version.split("@")[0]
        return [model, *(name for name in self.slots.get(slot, Slot()).models if name != model)]

    def own_tier(self, model, models=None):
        """Return (digest, tier) of the newest assessment that counts: nobody lowers the tier of a model that they had a hand in."""
        digest, tier = "", UNASSESSED
        for who, found, number in self.assessed.get(model, []):
            if number <= tier or not self.is_of_authors(who, models or [model]):
                digest, tier = found, number
        return digest, tier

    def tier_of(self, version, slot):
        """Return the strictest tier of these models, and with several what each one's is."""
        models = self.remembered(version, slot)
        known = {model: self.own_tier(model, models) for model in models}
        digest, tier = min(known.values(), key=lambda one: one[1])
        return digest, tier, {model: (one[1], one[0] != "") for model, one in known.items()} if models[1:] else None

    def rule_of(self, version, slot):
        return self.rule_and_lowerer(version, slot)[0]

    def rule_and_lowerer(self, version, slot):
        """Return what is asked of a candidate, each number as it was last set by somebody who may, and who lowered any of it."""
        models, tier = self.remembered(version, slot), self.tier_of(version, slot)[1]
        known, setter = [DEFAULT[tier]], None
        for who, rules in self.tiers:
            wanted, now = rules[tier], known[-1]
            if any(is_laxer(name, wanted[name], now[name]) for name in now) and self.is_of_authors(who, models):
                wanted = {name: now[name] if is_laxer(name, wanted[name], now[name]) else wanted[name] for name in now}
            else:
                setter = who
            known.append(wanted)
        is_lowered = any(is_laxer(name, known[-1][name], before[name]) for before in known for name in DEFAULT[tier])
        return known[-1], self.accountable(setter) if is_lowered and setter else None

    def is_lowerer(self, person, version, slot):
        """Say whether somebody lowered what the tier asks for, and may not fill it."""
        return person is not None and person == self.rule_and_lowerer(version, slot)[1]

    def is_of_authors(self, who, models):
        """Say whether somebody had a hand in any version of these models, or is known here on the word of one who had.

        There are several approvers here from the first day on, so there is always another who could be asked.
        """
        made = [body for name, body in self.versions.items() if name.split("@")[0] in models]
        names = {who for body in made for who in (body["registered_by"], *(author["who"] for author in body["authors"]), "dev")}
        hands = {self.accountable(name) for name in names}
        return self.accountable(who) in hands or bool(hands & self.chain(self.people[self.accountable(who)]["vouched_by"]))

    def chain(self, voucher):
        """Return somebody who gave their word, and on whose word they are known, and so on; not the founder, unless they gave it."""
        found = {voucher} - {""}
        while voucher not in (self.founder, ""):
            voucher = self.people[voucher]["vouched_by"]
            found |= {voucher} - {self.founder, ""}
        return found

    def authors(self, version, slot):
        """Return who had a part in a version since its last ancestor that somebody else approved, and who first gave the rows."""
        model, number = version.split("@")
        names = self._setters_of(self.policy_of(version, slot))
        names.add("dev")  # who gave the training rows and the holdout that every run names
        for ancestor in range(int(number), 0, -1):
            name = f"{model}@{ancestor}"
            if ancestor < int(number) and name in self.approved:
                break
            body = self.versions[name]
            names |= {body["registered_by"], *(author["who"] for author in body["authors"])}
        return {self.accountable(name) for name in names}

    def is_vouched_by_authors(self, person, key_id, version, slot):
        """Say whether somebody's identity rests on the word of one who had a part in a version; by default with their newest key."""
        known, keys = self.people.get(person), [key for key in self.keys.values() if key["person_id"] == person]
        key = self.keys[key_id] if key_id else next((key for key in reversed(keys) if key["revoked_at"] is None), None)
        if known is None or key is None:
            return False
        binder = key["bound_by"] if key["bound_by"] != person else ""
        is_own_word = not binder and "admin" not in known["roles"]  # whoever was an admin, and bound their own key
        return is_own_word or bool((self.chain(known["vouched_by"]) | self.chain(binder)) & self.authors(version, slot))

    def _setters_of(self, policy):
        """Return who set a policy's thresholds: all of the machine's policies have one guardrail, so whoever set any for that target."""
        if not policy:
            return set()
        [target] = [name for name, known in self.policies.items() if known is policy]
        return {who for name, who, means in self.setters if name == target or means == policy[3]}
