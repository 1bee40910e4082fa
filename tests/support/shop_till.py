"""What a history asks for at the tills of a running shop: spendings, holds and how they end, points given to another member. The one thing
not to break: it is asked for when everything told before has had its effect, and points that are on their way to somebody have arrived
before he is asked for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from laurel_cli.refusal import CommandError
from tests.support.model_till import DONE, HOLD_LASTS, NO_HOLD, NOBODY

if TYPE_CHECKING:
    from tests.support.shop import Report, Shop


class ShopTill:
    """`words` are its answers in order: `done`, or the type of the problem."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.words: list[tuple[Report, str]] = []
        self.holds: dict[str, str] = {}
        self.given: list[str] = []
        self.flying: set[str] = set()  # whom points are on their way to

    def ask(self, command: Report) -> None:
        """One command of a history."""
        who = {command["identifier"]["value"]} | {to["value"] for to in [command.get("to")] if to}
        if who & self.flying:
            self.land()
        elif not self.flying:
            self.shop.settle()
        self.words.append((command, self._ask(command)))
        self.shop.rested = not self.flying  # nothing else moves anything but the member's own account

    def land(self) -> None:
        """Everything that is on its way arrives."""
        if self.flying:
            self.shop.rested = False
            self.shop.settle()
            self.flying.clear()

    def _ask(self, command: Report) -> str:
        path, body = "", {"points": command.get("points")}
        try:
            member_id = self._member(command["identifier"])
            to = self._member(command["to"]) if "to" in command else None
        except CommandError:
            return NOBODY
        if command["command"] in ("capture", "void"):
            if command["hold"] not in self.holds:
                return NO_HOLD
            path = f"/v1/holds/{self.holds[command['hold']]}/{command['command']}"
            body = body if command["command"] == "capture" else {}
        else:
            kind = {"spend": "spendings", "hold": "holds", "give": "transfers"}[command["command"]]
            path = f"/v1/members/{member_id}/{kind}"
            body |= {"order_id": command["order_id"]} if command.get("order_id") else {}
            body |= {"to_member_id": str(to)} if to else {}
            body |= {"seconds": int(HOLD_LASTS.total_seconds())} if command["command"] == "hold" else {}
        answer = self.post(path, body)
        if answer.status_code >= 300:
            return str(answer.json()["type"])
        if command["command"] == "hold":
            self.holds[command["hold"]] = answer.json()["hold_id"]
        if command["command"] == "give":
            self.given.append(answer.json()["transfer_id"])
            self.flying.add(command["to"]["value"])
        return DONE

    def _member(self, identifier: dict[str, str]) -> UUID:
        return self.shop.services.member.find(f"{identifier['kind']}:{identifier['value']}")

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """One request under a key of its own."""
        url = f"{self.shop.url('points-svc')}{path}"
        key = f"at-a-till-{len(self.words):08d}"
        return httpx.post(url, json=body, headers={"Idempotency-Key": key}, timeout=30.0)

    def transfers_not_arrived(self) -> list[dict[str, Any]]:
        """Of all that was given: what does not lie with its receiver."""
        url = f"{self.shop.url('points-svc')}/v1/transfers"
        found = [httpx.get(f"{url}/{one}", timeout=30.0).json() for one in self.given]
        return [one for one in found if one["state"] != "arrived"]
