"""The header Idempotency-Key, as the kit reads it, with the answer at hand so that what came of it can be counted. The one thing not to
break: a key that is answered here is answered by the kit, like every service's."""

from __future__ import annotations

from laurel_kit.keys import KEY_HEADER, REFUSALS_FROM, SCOPE, checked, response_of, result_of
from laurel_kit.keys import answered as decided

__all__ = ["KEY_HEADER", "REFUSALS_FROM", "SCOPE", "checked", "decided", "response_of", "result_of"]
