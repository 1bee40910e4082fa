"""What every part of the programme document is made of. The one thing not to break: a part refuses what it does not know, because a
misspelt rule must not be silently left out."""

from __future__ import annotations

from typing import Annotated

import msgspec

Rate = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]  # points per major unit, or a multiplier
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document. Unknown fields are refused here: a misspelt rule must not be silently left out."""
