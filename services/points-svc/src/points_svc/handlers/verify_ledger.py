"""The ledger is verified (I11, P31): round by round that the chain holds, member by member that the entries are those that were sealed and
that everything else can be rebuilt from them. The one thing not to break: nothing is written here; a break is told, with where it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from points_svc.domain.rebuilding import differences
from points_svc.store.proving import ProofStore

BREAKS_TOLD_MAX = 100  # of one page; how many there are is counted


async def verify_rounds(after: int, limit: int, store: ProofStore) -> dict[str, Any]:
    """A page of rounds, each computed again from what it sealed."""
    rounds = await store.rounds(after, limit)
    last = len(rounds) < limit
    upto = 2**62 if last else int(rounds[-1]["round"])
    breaks = []
    expected = after + 1
    for found in rounds:
        number = found["round"]
        if number != expected:
            breaks.append(_broken_round(expected, "removed", f"round {expected} is not there"))
        elif not found["follows"]:
            breaks.append(_broken_round(number, "altered", f"round {number} does not stand on the round before it"))
        if not found["holds"]:
            breaks.append(_broken_round(number, "altered", f"round {number} is not what it says of what it sealed"))
        expected = number + 1
    for lost in await store.without_round(after, upto, BREAKS_TOLD_MAX):
        breaks.append({
            "what": "removed", "round": lost["round"], "member_id": lost["member_id"],
            "detail": f"entries of {lost['member_id']} were sealed by round {lost['round']}, which is not there",
        })  # fmt: skip
    items = [
        {name: found[name] for name in ("round", "at", "members", "entries", "hash")}
        | {"holds": found["follows"] and found["holds"]}
        for found in rounds
    ]
    return {"items": items, "breaks": breaks, "head": await store.chain_head(), "next": None if last else upto}


def _broken_round(number: int, what: str, detail: str) -> dict[str, Any]:
    return {"what": what, "round": number, "detail": detail}


async def verify_members(after: UUID | None, limit: int, store: ProofStore) -> dict[str, Any]:
    """A page of members: their entries beside what was sealed, and what stands beside what the entries give."""
    ids = await store.members_after(after, limit)
    breaks: list[dict[str, Any]] = []
    entries = sealed = 0
    if ids:
        for found in await store.broken_entries(ids, BREAKS_TOLD_MAX + 1):
            where = f"{found['member_id']}:{found['seq']}"
            was = "was not sealed by any round" if found["round"] is None else f"was sealed by round {found['round']}"
            breaks.append(
                {"what": found["what"], "member_id": found["member_id"], "entry": where,
                 "detail": f"entry {where} has been {found['what']}; it {was}"}
            )  # fmt: skip
        for member_id, standing in (await store.standing(ids)).items():
            entries += len(standing.entries)
            sentences = differences(standing.account, standing.entries, standing.lots, standing.holds)
            breaks += [
                {"what": "differs", "member_id": member_id, "detail": sentence}
                for sentence in (*sentences, *standing.orphans)
            ]
        sealed = await store.sealed_of(ids)
    return {
        "members": len(ids),
        "entries": entries,
        "sealed": sealed,
        "broken": len(breaks),
        "breaks": breaks[:BREAKS_TOLD_MAX],
        "next": ids[-1] if len(ids) == limit else None,
    }
