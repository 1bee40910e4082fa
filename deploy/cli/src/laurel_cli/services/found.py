"""Where the services are: what the command line says, else the environment, else the running stack's own state."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from laurel_cli.services.connection import Connection
from laurel_cli.services.member import MemberService
from laurel_cli.services.readers import CampaignService, PointsService, TierService
from laurel_cli.services.speaking import Speaking
from laurel_cli.stack import Stack

SERVICE_NAMES = ("member-svc", "points-svc", "tier-svc", "campaign-svc")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base address of each service, by its name."""

    of: Mapping[str, str]

    @staticmethod
    def found(home: Path, given: Mapping[str, str | None]) -> Addresses:
        """`given` wins, then LAUREL_MEMBER_URL and its like, then the stack in `home`."""
        stack = Stack(home).urls()
        return Addresses(
            {name: given.get(name) or os.environ.get(variable(name)) or stack[name] for name in SERVICE_NAMES}
        )


def variable(service: str) -> str:
    """The environment variable that says where a service is: LAUREL_MEMBER_URL for member-svc."""
    return f"LAUREL_{service.removesuffix('-svc').upper()}_URL"


@dataclass(frozen=True, slots=True)
class Services:
    """Connections to the four services."""

    member: MemberService
    points: PointsService
    tier: TierService
    campaign: CampaignService
    addresses: Addresses

    @property
    def all(self) -> tuple[Speaking, ...]:
        return (self.member, self.points, self.tier, self.campaign)

    def named(self, name: str) -> Speaking:
        """The service of that name, with or without `-svc`."""
        for service in self.all:
            if service.name.removesuffix("-svc") == name.removesuffix("-svc"):
                return service
        raise KeyError(name)

    def another_door(self) -> MemberService:
        """One more connection to the door, for one more thread."""
        return MemberService(Connection("member-svc", self.addresses.of["member-svc"]))


@contextmanager
def open_services(addresses: Addresses) -> Iterator[Services]:
    """The four services, connected at first use and closed at the end."""
    connections = {name: Connection(name, addresses.of[name]) for name in SERVICE_NAMES}
    try:
        yield Services(
            member=MemberService(connections["member-svc"]),
            points=PointsService(connections["points-svc"]),
            tier=TierService(connections["tier-svc"]),
            campaign=CampaignService(connections["campaign-svc"]),
            addresses=addresses,
        )
    finally:
        for connection in connections.values():
            connection.close()
