"""Money as files write it, into integer minor units without a float in between."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

# 10^12 minor units is the contract's own limit; the digits before it keep every product exact.
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
LARGEST_MINOR = 10**12


def minor_units(value: object, exponent: int) -> int:
    """An amount in major units as minor units (10^-exponent of one). A float counts as the decimal that its shortest repr writes
    (0.29 is 0.29); what is finer than a minor unit is rounded half to even. Raises ValueError for what is no amount ≥ 0."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{value!r} is no amount")
    text = repr(value) if isinstance(value, float) else str(value).strip()
    try:
        amount = Decimal(text)
        if not amount.is_finite():
            raise ValueError(f"{text!r} is no amount")
        minor = int(_EXACT.quantize(_EXACT.scaleb(amount, exponent), Decimal(1)))
    except InvalidOperation:
        raise ValueError(f"{text!r} is no amount; write it like 1234.50") from None
    if amount < 0:
        raise ValueError(f"the amount {text} is negative; report what was given back as laurel.purchase.refunded.v1")
    if minor > LARGEST_MINOR:
        raise ValueError(f"the amount {text} is more than a line can hold")
    return minor
