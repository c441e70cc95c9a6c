"""A second opinion on the guarded path: everything that holds, kept from the ledger's bytes alone, and what may be done on it.

Written from the rules in words and from tables made by hand. It imports nothing of the product, so that it cannot agree by accident.
"""

import base64
import hashlib
import itertools
import json
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from simulation.guarded_authority import Authority, Slot

ACT_ROLE = {"validated": {"validator"}, "approved": {"approver"}}
MEAN_X = sum(place / 10 for place in range(60)) / 60
SLACK = timedelta(seconds=2)


def tree_root(leaves):
    """Return the root of RFC 9162, section 2.1.1, by its own words: no node is kept, all is hashed anew."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def check_note(note, log, leaves):
    """Assert that a signed note is over exactly these leaves, by the key that the first of them names."""
    body, _, signatures = note.partition("\n\n")
    assert body.split("\n")[:3] == [log, str(len(leaves)), base64.b64encode(tree_root(leaves)).decode()], (
        "the checkpoint is of other entries"
    )
    [line] = signatures.strip().split("\n")
    key = base64.b64decode(json.loads(leaves[0])["to"].partition(":")[2])
    Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(line.split(" ")[2])[4:], body.encode() + b"\n")


class Book(Authority):
    """What holds after the entries read so far. `policies` tells what the machine's own policy texts mean."""

    def __init__(self, policies):
        self.known = policies
        self.people, self.keys, self.policies, self.versions = {}, {}, {}, {}
        self.assessed = {}  # model -> (who, digest, tier) of every assessment
        self.tiers = []  # (who, what each tier asks for) whenever the tiers were set
        self.slots, self.evidence, self.sign_offs, self.findings = {}, {}, [], {}
        self.looks, self.last_at, self.before, self.now = 0, None, None, None
        self.last_look, self.lapsed = -1, []  # looks_max of policies that were replaced after a look by them
        self.setters = []  # (target, who, what it means) of every policy ever
        self.approved = set()  # versions that went live on the word of somebody else
        self.rested_on = {}  # entry of a promotion -> entries of the sign-offs that it names

    # What the entries say, one by one.

    def read(self, entry, body):
        """Take in an entry and the document that it made, if any; the entry is whole, or an assertion fails."""
        act, kind, name = entry["act"], entry["object"]["kind"], entry["object"]["id"]
        at = datetime.fromisoformat(entry["at"])
        assert self.last_at is None or at >= self.last_at, "an entry is older than the one before it"
        self.last_at = at
        if act == "refuse":
            assert body is None
        elif kind == "placement":
            self._move(entry, act, *name.rsplit(" ", 1))
        elif body is not None:
            self._document(entry, kind, name, body)
        if act != "supersede":
            self.before = None

    def _document(self, entry, kind, name, body):
        plain = {"person": self.people, "key": self.keys, "finding": self.findings}
        if kind in plain:
            if kind == "key":
                self.keys.pop(name, None)  # whoever signs takes the one that was bound last
            plain[kind][name] = body
            return
        match kind:
            case "policy":
                before = self.policies.get(name)
                if before and before[1] < self.last_look:
                    self.lapsed.append(before[3]["looks_max"])
                self.setters.append((name, entry["actor"]["id"], self.known[body["text"]]))
                self.policies[name] = (entry["object"]["digest"], entry["seq"], entry["actor"]["id"], self.known[body["text"]])
            case "tiers" | "tier":
                self.read_tiers(entry, name, body)
            case "version":
                self.versions[name] = body | {"registered_by": entry["actor"]["id"]}
            case "look":
                self.looks, self.last_look = self.looks + 1, entry["seq"]
            case "evidence":
                version = f"{body['model']}@{body['version']}"
                found = body | {"digest": entry["object"]["digest"], "seq": entry["seq"], "look": self.looks}
                self.evidence[version, body["slot"]] = found
            case "sign-off":
                version = f"{body['model']}@{body['version']}"
                self.sign_offs.append(body | {"name": version, "seq": entry["seq"], "held": self.held(version, body["slot"])})

    def _move(self, entry, act, slot_name, version):
        slot = self.slots.setdefault(slot_name, Slot())
        now, to = slot.statuses.get(version, "None"), entry["to"]
        legal = {
            "propose": ("None", "Staging"), "promote": ("Staging", "Production"), "reject": ("Staging", "Archived"),
            "supersede": ("Production", "Archived"), "archive": ("Production", "Archived"), "roll-back": ("Archived", "Production"),
            "break-glass": ("Archived", "Production"),
        }  # fmt: skip
        assert (entry["from"], to) == (now, legal[act][1]) == legal[act], f"{act} took {version} from {now} to {to}"
        if to == "Production":
            assert slot.live is None, f"{version} went live beside {slot.live}"
            if act == "promote":
                self._check_promotion(entry, version, slot_name)
                slot.promoted[version] = entry["seq"]
                slot.stack.append(version)
            else:
                assert version in slot.promoted, f"{version} came back and was never promoted"
                assert entry["refs"]["promotion"] == str(slot.promoted[version])
                if self.before and self.before[0] == slot_name and self.before[1] in slot.stack:
                    slot.stack.remove(self.before[1])  # what was rolled back from leads nowhere any more
                slot.stack = slot.stack[: slot.stack.index(version) + 1] if version in slot.stack else [*slot.stack, version]
            named = {int(seq) for ref, seq in entry["refs"].items() if ref.startswith("sign-off-")}
            words = [given for given in self.sign_offs if given["seq"] in named]
            if any(given["meaning"] in ACT_ROLE and not given["is_self"] for given in words):
                self.approved.add(version)
            slot.live = slot.champion = version
            model = version.split("@")[0]
            slot.models = [*(name for name in slot.models if name != model), model]
        elif now == "Production":
            slot.live, slot.left[version] = None, entry["seq"]
            if act == "supersede":
                self.before = (slot_name, version)
            else:
                slot.stack.remove(version)
        slot.statuses[version] = to

    def _check_promotion(self, entry, version, slot):
        """What is required of a promotion, asserted on its entry."""
        problem = self.why_not_ready(version, slot, self.now)
        assert not problem, f"entry {entry['seq']} promoted {version}: {problem}"
        evidence, refs = self.evidence[version, slot], entry["refs"]
        assert (refs["evidence"], refs["evidence-entry"]) == (evidence["digest"], str(evidence["seq"]))
        assert int(refs["policy-entry"]) < evidence["seq"] < entry["seq"], "the policy came after the result"
        signed = {str(given["seq"]): given for given in self.sign_offs}
        named = [seq for name, seq in refs.items() if name.startswith("sign-off-")]
        self.rested_on[entry["seq"]] = {int(seq) for seq in named}
        signers = [signed[seq]["person_id"] for seq in named]
        if not self.rule_of(version, slot)["self_approval"]:
            assert not {self.accountable(who) for who in signers} & self.authors(version, slot), "an author signed"
            assert not any(
                self.is_vouched_by_authors(given["person_id"], given["key_id"], version, slot)
                for given in self.sign_offs
                if str(given["seq"]) in named
            ), "an author vouched for who signed"

    # What may be done.

    def can_record(self, now):
        return now >= self.last_at - SLACK

    def policy_of(self, version, slot):
        model, tier = version.split("@")[0], self.tier_of(version, slot)[1]
        last = ([model, *self.slots.get(slot, Slot()).models])[-1]
        wanted = [model, f"tier-{tier}"]
        if last != model:
            wanted = [last, f"tier-{tier}", f"tier-{self.own_tier(last)[1]}", model]
        return next((self.policies[name] for name in wanted if name in self.policies), None)

    def held(self, version, slot):
        """Return what a sign-off on a version stands on: a change of any of it voids the sign-off."""
        evidence, policy = self.evidence.get((version, slot)), self.policy_of(version, slot)
        fields = ("validators", "approvers", "valid_days", "distinct_groups", "self_approval", "roll_back_approvals", "witnesses")
        rules = tuple(self.rule_of(version, slot)[name] for name in fields)
        return evidence and evidence["digest"], policy and policy[0], self.tier_of(version, slot), rules

    def judge_gate(self, version, slot, champion, look, factors):
        """Return whether a gate must have passed, by arithmetic on the models' factors: an error of |f - 2| x on every row."""
        policy = self.policy_of(version, slot)[3]
        if look > min([policy["looks_max"], *self.lapsed, *(known[3]["looks_max"] for known in self.policies.values())]):
            return False
        off = abs(factors[version] - 2)
        if off > 1:  # the ceiling is far above what 0.5 gives, and far below what 1.5 gives
            return False
        return champion is None or (abs(factors[champion] - 2) - off) * MEAN_X > policy["margin"]

    def why_not_ready(self, version, slot, now):
        """Return what stands between a version and Production, "" if nothing."""
        evidence, policy = self.evidence.get((version, slot)), self.policy_of(version, slot)
        if evidence is None or policy is None:
            return "no evidence by a policy"
        if evidence["policy"] != policy[0] or evidence["policy_entry"] != policy[1]:
            return "another policy"
        if evidence["champion"] != self.slots[slot].champion:
            return "another champion"
        if datetime.fromisoformat(evidence["expires_at"]) <= now:
            return "evidence expired"
        if evidence["verdict"]["outcome"] != "passed":
            return "gate did not pass"
        blocking = [f for f in self.findings.values() if f["state"] == "open" and f["blocks_promotion"]]
        if any(finding["subject"] in (slot, *self.remembered(version, slot)) for finding in blocking):
            return "a finding blocks"
        asked = self.rule_of(version, slot)
        if asked["validators"] + asked["approvers"] and any(self.find_person(name) is None for name in self.authors(version, slot)):
            return "an author whom nobody knows"
        judged = [s for s in self.sign_offs if (s["name"], s["slot"]) == (version, slot) and s["meaning"] != "accepted-risk"]
        if "rejected" in {s["person_id"]: s["meaning"] for s in judged}.values():  # the newest of each person
            return "a rejection stands"
        return "" if self.is_quorum(version, slot, now) else "no quorum"

    def is_quorum(self, version, slot, now, asked=None, since=-1):
        """Say whether enough people signed after an entry, by trying every way to seat them."""
        asked = asked or self.rule_of(version, slot)
        if asked["witnesses"]:
            return False  # nobody witnesses here
        today = [s for s in self.sign_offs if (s["name"], s["slot"], s["held"]) == (version, slot, self.held(version, slot))]
        today = [given for given in today if given["seq"] > since]
        rejected = self._rejecting(today, now)
        if rejected:
            return False
        seats = {"validator": set(), "approver": set()}
        authors = self.authors(version, slot)
        for given in today:
            person = self.people[given["person_id"]]
            at = datetime.fromisoformat(given["at"])
            is_own = given["is_self"] or given["person_id"] in authors or "admin" in person["roles"]
            is_own = is_own or self.is_lowerer(given["person_id"], version, slot)
            is_own = is_own or self.is_vouched_by_authors(given["person_id"], given["key_id"], version, slot)
            is_good = (
                given["meaning"] in ACT_ROLE
                and at <= now < at + timedelta(days=asked["valid_days"])
                and person["is_active"]
                and ACT_ROLE[given["meaning"]] & set(person["roles"])
                and (asked["self_approval"] or not is_own)
                and (person["group"] or not asked["distinct_groups"])
            )
            if is_good:
                seats[given["role"]].add(person["group"] if asked["distinct_groups"] else person["person_id"])
        return self._is_seated(seats, asked, self.tier_of(version, slot)[1])

    @staticmethod
    def _is_seated(seats, asked, tier):
        if tier > 2 and not asked["distinct_groups"]:
            return len(seats["validator"]) >= asked["validators"] and len(seats["approver"]) >= asked["approvers"]
        return any(
            len(seats["approver"] - set(first)) >= asked["approvers"]
            for first in itertools.combinations(sorted(seats["validator"]), asked["validators"])
        )

    def lasts(self, given, version, slot, now):
        """Say whether what a version went live on is as much as its tier asks for now, whoever has left meanwhile."""
        asked = self.rule_of(version, slot)
        seats = {"validator": set(), "approver": set()}
        for one in given:
            days = now - datetime.fromisoformat(one["at"])
            group = self.people[one["person_id"]]["group"]
            is_own = one["is_self"] and not asked["self_approval"]
            if one["meaning"] in ACT_ROLE and not is_own and days < timedelta(days=asked["valid_days"]):
                unit = group if asked["distinct_groups"] else one["person_id"]
                seats[one["role"]] |= {unit} if unit else set()
        return self._is_seated(seats, asked, self.tier_of(version, slot)[1])

    def _rejecting(self, today, now):
        newest = {}
        for given in sorted(today, key=lambda s: (s["at"], s["meaning"] == "rejected")):
            is_late = datetime.fromisoformat(given["at"]) > now
            if given["meaning"] == "rejected" or (given["meaning"] in ACT_ROLE and not is_late):
                newest[given["person_id"]] = given["meaning"]
        return {who for who, meaning in newest.items() if meaning == "rejected"}

    def may_promote(self, who, version, slot, now):
        place = self.slots.get(slot, Slot())
        return (
            self.can_record(now)
            and self.may(who, "promote")
            and place.statuses.get(version) == "Staging"
            and not self.why_not_ready(version, slot, now)
        )

    def roll_back_target(self, slot):
        place = self.slots.get(slot, Slot())
        before = [name for name in place.stack if name != place.live]
        return before[-1] if before else None

    def may_roll_back(self, who, slot, target, now, *, is_glass):
        place = self.slots.get(slot, Slot())
        now = now if is_glass else max(now, self.last_at)  # setting the clock back brings no expired approval to life
        if not self.may(who, "roll-back") or (is_glass and not self.has_key(who)):
            return False
        if place.statuses.get(target) != "Archived" or target not in place.promoted:
            return False
        broken = [f for f in self.findings.values() if (f["kind"], f["state"], f["subject"]) == ("break-glass", "open", slot)]
        if broken and target not in place.stack:
            return False
        rested_on = [given for given in self.sign_offs if given["seq"] in self.rested_on[place.promoted[target]]]
        is_expired = any(datetime.fromisoformat(given["expires_at"]) <= now for given in rested_on)
        if is_glass and not is_expired:
            return True
        judged = [s for s in self.sign_offs if (s["name"], s["slot"]) == (target, slot) and s["meaning"] != "accepted-risk"]
        if "rejected" in {s["person_id"]: s["meaning"] for s in judged}.values():
            return False
        asked = self.rule_of(target, slot)
        approvers = asked["roll_back_approvals"]
        if is_expired or not self.lasts(rested_on, target, slot, now):
            approvers = max(1, approvers, asked["approvers"])
        if approvers and any(self.find_person(name) is None for name in self.authors(target, slot)):
            return False
        wanted = asked | {"validators": 0, "approvers": approvers, "witnesses": 0}
        return self.is_quorum(target, slot, now, wanted, since=place.left[target])
