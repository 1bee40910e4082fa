"""Random but repeatable histories of many members: orders, refunds, sign-ins, standings that rise, lapse and are corrected."""

from __future__ import annotations

import random
from uuid import UUID

from laurel_contracts.activities import MemberSignedIn, PurchaseRefunded
from tests.integration.campaign_svc.world import Log
from tests.unit.campaign_svc.streams import purchase

TIERS = ["regular", "silver", "gold", "diamond"]


def history(*, members: int, events: int, seed: int, partitions: int = 1, marks_every: int = 5) -> Log:
    """A log as the door and tier-svc would have laid it."""
    chance = random.Random(seed)
    log = Log(partitions)
    ids = [UUID(int=chance.getrandbits(128)) for _ in range(members)]
    orders: dict[UUID, list[tuple[str, int]]] = {member: [] for member in ids}
    tier = dict.fromkeys(ids, 0)
    for place in range(events):
        member = chance.choice(ids)
        kind = chance.random()
        left = [order for order in orders[member] if order[1] > 0]
        if kind < 0.25 and left:
            order_id, amount = chance.choice(left)
            taken = amount if chance.random() < 0.5 else chance.randint(0, amount)
            log.tell(member, PurchaseRefunded(refund_id=f"r{place}", order_id=order_id, amount_minor=taken))
            orders[member] = [(name, rest - taken if name == order_id else rest) for name, rest in orders[member]]
        elif kind < 0.35:
            log.tell(member, MemberSignedIn(channel="app"))
        else:
            amounts = [chance.choice([0, 500, 4_000, 9_000, 10_000, 15_000]) for _ in range(chance.randint(1, 3))]
            log.tell(member, purchase(f"o{place}", *amounts))
            orders[member].append((f"o{place}", sum(amounts)))
        if chance.random() < 0.2:
            before, after = tier[member], chance.randrange(4)
            kind_of_fact = "raised" if after > before else chance.choice(["lapsed", "lowered", "corrected"])
            log.stand(member, TIERS[after], kind=kind_of_fact, before=TIERS[before])
            tier[member] = after
        if place % marks_every == 0:
            log.mark()
    log.mark()
    return log
