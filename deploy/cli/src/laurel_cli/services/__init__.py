"""The four services over HTTP: the only room of the command line that speaks to them. The one thing not to break: nobody else builds
a path or reads a status code, so that a renamed route breaks here and nowhere else."""

from laurel_cli.services.connection import Connection, Refused, Unreachable
from laurel_cli.services.found import SERVICE_NAMES, Addresses, Services, open_services
from laurel_cli.services.member import MemberService
from laurel_cli.services.readers import CampaignService, PointsService, TierService

__all__ = [
    "SERVICE_NAMES",
    "Addresses",
    "CampaignService",
    "Connection",
    "MemberService",
    "PointsService",
    "Refused",
    "Services",
    "TierService",
    "Unreachable",
    "open_services",
]
