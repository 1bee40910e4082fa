"""What every reader says of a programme version that it has loaded, on partition 0 of its own topic."""

from __future__ import annotations

from laurel_contracts.envelope import Data, ShortText


class ProgrammeLoaded(Data, frozen=True, kw_only=True):
    """`service` has loaded `version` and computed `sha256` of its canonical form; the door activates when all four agree."""

    service: ShortText
    version: int
    sha256: ShortText
