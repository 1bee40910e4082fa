"""Who is who: identifiers and members. The one thing not to break: identifiers are inserted before claims and members are locked, and
both ascending, so that two transactions wait for each other in one order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from laurel_kit.partitions import partition_of
from laurel_kit.postgres import Transaction
from member_svc.domain.admission import Member
from member_svc.domain.identifiers import Name

# Whose identifiers these are.
IDENTIFIERS_READ = text("""
SELECT i.kind, i.value, i.member_id
FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS wanted(kind, value)
JOIN identifier i ON i.kind = wanted.kind AND i.value = wanted.value
""")

# New identifiers, each with the random id of the member it would make. Waits for whoever is inserting the same one.
IDENTIFIERS_INSERT = text("""
INSERT INTO identifier (kind, value, member_id)
SELECT kind, value, gen_random_uuid()
FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS wanted(kind, value)
ORDER BY kind, value
ON CONFLICT DO NOTHING
RETURNING kind, value, member_id
""")

NEW_ID = text("SELECT gen_random_uuid()")

# Identifiers given to a member by name; those that are taken already are left alone.
IDENTIFIERS_ATTACH = text("""
INSERT INTO identifier (kind, value, member_id)
SELECT kind, value, :member_id
FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS wanted(kind, value)
ORDER BY kind, value
ON CONFLICT DO NOTHING
""")

# Identifiers that this transaction has inserted and nobody was enrolled by.
IDENTIFIERS_DELETE = text("""
DELETE FROM identifier i
USING unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS unused(kind, value)
WHERE i.kind = unused.kind AND i.value = unused.value
""")

# Members, locked ascending. Whoever gives numbers, or uses up a key that takes a member, holds this lock.
MEMBERS_LOCK = text("""
SELECT member_id, partition, last_seq, state FROM member
WHERE member_id = ANY(CAST(:ids AS uuid[]))
ORDER BY member_id
FOR NO KEY UPDATE
""")

# New members with the last number they have been given. Ids of ours are random, so nobody else inserts the same one;
# adopted ones may be there.
MEMBERS_INSERT = text("""
INSERT INTO member (member_id, partition, last_seq, state, enrolled_at)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:seqs AS bigint[]), CAST(:states AS text[]),
                     CAST(:enrolled AS timestamptz[]))
ORDER BY 1
ON CONFLICT DO NOTHING
""")

# Last numbers and states of members that are locked.
MEMBERS_UPDATE = text("""
UPDATE member m SET last_seq = changed.last_seq, state = changed.state
FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:states AS text[])) AS changed(member_id, last_seq, state)
WHERE m.member_id = changed.member_id
""")

# The status row is there from the first number on; its state follows the member's.
STATUS_UPSERT = text("""
INSERT INTO member_status (member_id, state, enrolled_at, tier)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:enrolled AS timestamptz[]), CAST(:tiers AS text[]))
ORDER BY 1
ON CONFLICT (member_id) DO UPDATE
  SET state = excluded.state, enrolled_at = coalesce(member_status.enrolled_at, excluded.enrolled_at),
      tier = coalesce(member_status.tier, excluded.tier)
""")


class Identities:
    """Identifiers and members inside one transaction."""

    __slots__ = ("_partitions", "_tx")

    def __init__(self, tx: Transaction, partitions: int) -> None:
        self._tx = tx
        self._partitions = partitions

    async def owners(self, names: Collection[Name]) -> dict[Name, UUID]:
        """Whose identifiers these are; the unknown ones are missing."""
        if not names:
            return {}
        rows = await self._tx.run(
            IDENTIFIERS_READ, kinds=[kind for kind, _ in names], values=[value for _, value in names]
        )
        return {(kind, value): member_id for kind, value, member_id in rows.all()}

    async def enrol(self, names: Collection[Name]) -> tuple[dict[Name, UUID], dict[Name, UUID]]:
        """(made, found): unknown identifiers get a new random member id; one that somebody else has just made is found."""
        if not names:
            return {}, {}
        kinds, values = [kind for kind, _ in names], [value for _, value in names]
        rows = await self._tx.run(IDENTIFIERS_INSERT, kinds=kinds, values=values)
        made = {(kind, value): member_id for kind, value, member_id in rows.all()}
        missed = [name for name in names if name not in made]
        return made, await self.owners(missed)  # a new statement: it sees what the insert has waited for

    async def new_id(self) -> UUID:
        """A random member id."""
        member_id: UUID = (await self._tx.run(NEW_ID)).scalar_one()
        return member_id

    async def attach(self, names: Collection[Name], member_id: UUID) -> int:
        """Give identifiers to a member; returns how many were free."""
        done = await self._tx.run(
            IDENTIFIERS_ATTACH,
            kinds=[kind for kind, _ in names],
            values=[value for _, value in names],
            member_id=member_id,
        )
        return done.rowcount

    async def forget(self, names: Collection[Name]) -> None:
        """Delete identifiers that this transaction has made and nobody was enrolled by."""
        if names:
            await self._tx.run(
                IDENTIFIERS_DELETE, kinds=[kind for kind, _ in names], values=[value for _, value in names]
            )

    def newcomer(self, member_id: UUID) -> Member:
        """A member who will be there when he gets his first number."""
        return Member(member_id, partition_of(member_id.bytes, self._partitions), new=True)

    async def lock(self, member_ids: Iterable[UUID]) -> dict[UUID, Member]:
        """Lock members ascending and read them; unknown ones are missing."""
        ids = sorted(member_ids)
        if not ids:
            return {}
        rows = await self._tx.run(MEMBERS_LOCK, ids=ids)
        return {
            member_id: Member(member_id, partition, last_seq, state)
            for member_id, partition, last_seq, state in rows.all()
        }

    async def save(self, members: Sequence[Member]) -> None:
        """Keep last numbers and states; newcomers are inserted."""
        new = [member for member in members if member.new]
        old = [member for member in members if not member.new]
        if new:
            ids = [member.member_id for member in new]
            states = [member.state for member in new]
            enrolled = [member.enrolled_at for member in new]
            await self._tx.run(
                MEMBERS_INSERT, ids=ids, partitions=[member.partition for member in new],
                seqs=[member.last_seq for member in new], states=states, enrolled=enrolled,
            )  # fmt: skip
            tiers = [member.tier for member in new]
            await self._tx.run(STATUS_UPSERT, ids=ids, states=states, enrolled=enrolled, tiers=tiers)
        if old:
            await self._tx.run(
                MEMBERS_UPDATE, ids=[member.member_id for member in old], seqs=[member.last_seq for member in old],
                states=[member.state for member in old],
            )  # fmt: skip

    async def show_state(self, member: Member) -> None:
        """Let the status follow the member's state."""
        await self._tx.run(
            STATUS_UPSERT,
            ids=[member.member_id],
            states=[member.state],
            enrolled=[member.enrolled_at],
            tiers=[member.tier],
        )
