"""The only room that speaks SQL: what a handler may do inside one transaction. The one thing not to break: nothing here decides
anything; it locks, reads, and writes what was decided, whole batches at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from campaign_svc.domain.awards import GRANTED, Award, Occasion
from campaign_svc.domain.deciding import CauseKey, LimitKey, Settled
from campaign_svc.domain.programme import Ruleset
from campaign_svc.domain.standings import Member
from campaign_svc.store import rows, statements
from campaign_svc.store.shelf import ProgrammeShelf
from laurel_kit.hearing import Hold, id_of
from laurel_kit.postgres import Said, Transaction

Activation = tuple[
    int, int, str, datetime | None
]  # partition, version, hash, effective from (None: from the beginning)


class CampaignStore:
    """One transaction's view of campaign-svc's database."""

    def __init__(
        self, tx: Transaction, shelf: ProgrammeShelf, settled: Callable[[Settled], None] | None = None
    ) -> None:
        self._tx = tx
        self._shelf = shelf
        self._on_settled = settled

    async def lock_members(self, partitions: Mapping[UUID, int]) -> dict[UUID, Member]:
        """Lock these members, ascending (the statements sort), and read them; those never seen are made, where their record came from."""
        ids = list(partitions)
        members = await self._lock(ids)
        if len(members) < len(ids):
            new = [member_id for member_id in ids if member_id not in members]
            await self._tx.run(statements.MEMBERS_ADD, ids=new, partitions=[partitions[member_id] for member_id in new])
            members |= await self._lock(new)
        return members

    async def lock_first(self, keys: Collection[bytes]) -> None:
        """Lock the members that are there of whom both topics speak in this transaction, all in one ascending order."""
        await self._tx.run(statements.MEMBERS_LOCK, ids=[id_of(key) for key in keys])

    async def _lock(self, ids: Sequence[UUID]) -> dict[UUID, Member]:
        if not ids:
            return {}
        found = await self._tx.run(statements.MEMBERS_LOCK, ids=ids)
        return {row.member_id: rows.member(row) for row in found}

    async def rules(self, versions: Iterable[int]) -> Mapping[int, Ruleset]:
        """The rule sets of these versions. Raises Hold while one of them has not been loaded: it is never guessed."""
        missing = self._shelf.missing(versions)
        if missing:
            for row in await self._tx.run(statements.PROGRAMMES_READ, versions=missing):
                self._shelf.add(row)
            still = self._shelf.missing(missing)
            if still:
                raise Hold(f"programme version {still[0]} is not loaded")
        return self._shelf.rules

    async def orders(self, wanted: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], Occasion]:
        """The orders that these (member, order id) name, as far as they are known."""
        keys = list(set(wanted))
        if not keys:
            return {}
        found = await self._tx.run(
            statements.ORDERS_READ, members=[member for member, _ in keys], orders=[order for _, order in keys]
        )
        return {(row.member_id, row.order_id): rows.occasion(row) for row in found}

    async def occasions_after(self, member_id: UUID, place: int) -> list[Occasion]:
        found = await self._tx.run(statements.OCCASIONS_AFTER, member_id=member_id, place=place)
        return [rows.occasion(row) for row in found]

    async def grants_of(self, wanted: Iterable[tuple[UUID, str]]) -> dict[LimitKey, int]:
        """How often each campaign has been granted to each member: at each tier, and (tier None) in all."""
        pairs = list(wanted)
        counts: dict[LimitKey, int] = {}
        if pairs:
            found = await self._tx.run(
                statements.GRANTS_COUNT, members=[member for member, _ in pairs], campaigns=[name for _, name in pairs]
            )
            for row in found:
                at_any_tier = (row.member_id, row.campaign_id, None)
                counts[row.member_id, row.campaign_id, row.tier] = row.granted
                counts[at_any_tier] = counts.get(at_any_tier, 0) + row.granted
        return counts

    async def awards_of(self, occasions: Iterable[Occasion]) -> dict[CauseKey, list[Award]]:
        """The awards that stand of these occasions."""
        keys = list(
            {
                (o.member_id, campaign, o.cause, o.number)
                for o in occasions
                for campaign, outcome in o.outcomes.items()
                if outcome == GRANTED
            }
        )
        awards: dict[CauseKey, list[Award]] = {}
        if keys:
            found = await self._tx.run(
                statements.AWARDS_STANDING,
                members=[key[0] for key in keys],
                campaigns=[key[1] for key in keys],
                causes=[key[2] for key in keys],
                numbers=[key[3] for key in keys],
            )
            for award in map(rows.award, found):
                awards.setdefault(award.cause_key, []).append(award)
        return awards

    async def lock_budgets(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """How much of each budget is used. One that is used up comes back at its size, without a lock."""
        names = sorted(sizes)
        found = await self._tx.run(statements.BUDGETS_LOCK, campaigns=names, sizes=[sizes[name] for name in names])
        return dict(sizes) | {row.campaign_id: row.used for row in found}

    async def note_activations(self, activations: Sequence[Activation]) -> None:
        """Raises Hold where an activated version is stored here as another document: nothing must be decided by that."""
        if activations:
            await self._tx.run(
                statements.ACTIVATIONS_ADD,
                partitions=[partition for partition, _, _, _ in activations],
                versions=[version for _, version, _, _ in activations],
                hashes=[sha256 for _, _, sha256, _ in activations],
                froms=[since for _, _, _, since in activations],
            )
            other = (await self._tx.run(statements.ACTIVATIONS_OF_OTHERS)).first()
            if other is not None:
                raise Hold(f"programme version {other.version} is another document here than the one activated")

    async def activations(self, partitions: Iterable[int]) -> list[Activation]:
        """The activations of these partitions, those in force later behind."""
        found = await self._tx.run(statements.ACTIVATIONS_READ, partitions=sorted(set(partitions)))
        return [(row.partition, row.version, row.sha256, row.effective_from) for row in found]

    async def note_days(self, days: Mapping[int, datetime]) -> None:
        if days:
            await self._tx.run(statements.DAYS_MOVE, partitions=list(days), days=list(days.values()))

    def move_mark(self, topic: str, partition: int, next_offset: int) -> None:
        self._tx.move_mark(topic, partition, next_offset)

    async def save(
        self, members: Iterable[Member], recorded: Sequence[Occasion], changed: Sequence[Occasion], settled: Settled
    ) -> None:
        """Write everything that the batch has changed."""
        await self._save_members(list(members))
        await self._add_occasions(recorded)
        await self._change_occasions(changed)
        await self._save_awards(settled)
        await self._save_budgets(settled)
        if self._on_settled is not None:
            on_settled = self._on_settled
            self._tx.after_commit(lambda: on_settled(settled))

    def say(self, messages: Iterable[Said]) -> None:
        for said in messages:
            self._tx.say(
                topic=said.topic, partition=said.partition, key=said.key, type=said.type, id=said.event_id,
                number=said.number, body=said.body,
            )  # fmt: skip

    async def skip_number(self, topic: str, member_id: UUID, number: int) -> None:
        """A dead letter was given up: the next number of its member is fresh."""
        statement = statements.ORDINAL_SKIP if topic == "tiers" else statements.SEQ_SKIP
        await self._tx.run(statement, member_id=member_id, number=number)

    async def _save_members(self, members: list[Member]) -> None:
        if not members:
            return
        await self._tx.run(
            statements.MEMBERS_SAVE,
            ids=[m.member_id for m in members],
            last_seqs=[m.last_seq for m in members],
            last_ordinals=[m.last_ordinal for m in members],
            said_numbers=[m.said_number for m in members],
            tiers=[m.tier for m in members],
            ordinals=[m.ordinal for m in members],
            orders_counts=[m.orders_count for m in members],
            aheads=[rows.ahead_json(m) for m in members],
        )

    async def _add_occasions(self, occasions: Sequence[Occasion]) -> None:
        if not occasions:
            return
        await self._tx.copy("occasion", statements.NEW_OCCASION, map(rows.occasion_row, occasions))

    async def _change_occasions(self, occasions: Sequence[Occasion]) -> None:
        if not occasions:
            return
        await self._tx.run(
            statements.OCCASIONS_CHANGE,
            members=[o.member_id for o in occasions],
            places=[o.place for o in occasions],
            causes=[o.cause for o in occasions],
            numbers=[o.number for o in occasions],
            lefts=[o.order and o.order.left_minor for o in occasions],
            lines=[rows.lines_json(o.order) for o in occasions],
            tiers=[o.tier for o in occasions],
            ordinals=[o.ordinal for o in occasions],
            outcomes=[rows.outcomes_json(o.outcomes) for o in occasions],
        )

    async def _save_awards(self, settled: Settled) -> None:
        if settled.granted:
            await self._tx.run(statements.AWARDS_ADD, **rows.award_arrays(settled.granted))
        if settled.taken_back:
            result = await self._tx.run(statements.AWARDS_TAKE_BACK, **rows.taken_back_arrays(settled.taken_back))
            if result.rowcount != len(settled.taken_back):
                raise RuntimeError(f"{len(settled.taken_back)} awards to take back, {result.rowcount} stood")

    async def _save_budgets(self, settled: Settled) -> None:
        if settled.used:
            names = sorted(settled.used)
            await self._tx.run(statements.BUDGETS_USE, campaigns=names, more=[settled.used[name] for name in names])
        if settled.emptied:
            emptied = settled.emptied
            await self._tx.run(
                statements.EMPTIED_ADD,
                campaigns=[e.campaign_id for e in emptied],
                budgets=[e.budget for e in emptied],
                partitions=[e.partition for e in emptied],
                versions=[e.version for e in emptied],
                ats=[e.at for e in emptied],
            )
