"""How an id must be written, so that two which look alike are one. The one thing not to break: an id is taken as it is or refused, never
mended in silence; whoever asks for it later asks with the bytes that were reported."""

from __future__ import annotations

import unicodedata

_UNSEEN = {"Cc", "Cf"}  # control and format characters: NUL, zero-width blanks, marks that turn the direction


def fault_of(text: str) -> str | None:
    """What is wrong with an id as it is written; None: nothing."""
    if text.isascii():
        if not text.isprintable():
            return "holds a control character"
    elif holds_unseen(text):
        return "holds a character that cannot be seen"
    elif not unicodedata.is_normalized("NFKC", text):
        return "is not in normal form (NFKC): it has full-width or decomposed characters"
    if text[:1].isspace() or text[-1:].isspace():
        return "has blanks around it"
    return None


def holds_unseen(text: str) -> bool:
    """Whether a text holds a control or format character."""
    return not text.isprintable() and any(unicodedata.category(character) in _UNSEEN for character in text)
