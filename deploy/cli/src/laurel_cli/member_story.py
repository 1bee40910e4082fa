"""All that is known of one member and why, gathered from the four services. What a service does not know (yet) is left empty, because
somebody asks just then why something is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from laurel_cli.services import Refused, Services

Known = TypeVar("Known")
AWARDS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Story:
    """A member, as the services answer. `entries` are the newest first; `orders`: which activity was
    which order; `order` and `decisions` only when one order was asked for."""

    member_id: str
    member: dict[str, Any]
    standing: dict[str, Any] | None
    facts: list[dict[str, Any]]
    balance: dict[str, Any] | None
    entries: list[dict[str, Any]]
    awards: list[dict[str, Any]]
    orders: dict[int, str]
    order: dict[str, Any] | None
    decisions: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """The external id, else another identifier, else the member id."""
        names = self.member["identifiers"]
        preferred = [one["value"] for one in names if one["kind"] == "external_id"] or [one["value"] for one in names]
        return str(preferred[0]) if preferred else self.member_id


def tell(services: Services, member_id: UUID, *, order_id: str | None, entries: int) -> Story:
    """Ask all four services. Raises Refused when the door does not know the member, or points-svc not the order."""
    member = services.member.member(member_id)
    order = services.points.order(member_id, order_id) if order_id else None
    return Story(
        member_id=str(member_id),
        member=member,
        standing=_known(lambda: services.tier.standing(member_id), None),
        facts=_known(lambda: services.tier.standing_history(member_id), []),
        balance=_known(lambda: services.points.balance(member_id), None),
        entries=order["entries"] if order else _known(lambda: services.points.statement(member_id, entries), []),
        awards=_known(lambda: services.campaign.awards(member_id, AWARDS_MAX), []),
        orders={int(one["activity"]): str(one["order_id"]) for one in services.points.orders(member_id)},
        order=order,
        decisions=_known(lambda: services.campaign.decisions(member_id, order_id=order_id), []) if order_id else [],
    )


def _known(ask: Callable[[], Known], otherwise: Known) -> Known:
    try:
        return ask()
    except Refused as refused:
        if refused.status == 404:
            return otherwise
        raise
