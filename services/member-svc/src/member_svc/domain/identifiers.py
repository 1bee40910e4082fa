"""How identifiers are written, so that one person's phone is one identifier however a channel spells it.
The one thing not to break: what is stored is the normal form, so a change of it orphans what is stored."""

from __future__ import annotations

import unicodedata

from member_svc.domain.written import holds_unseen

Name = tuple[str, str]  # (kind, value in normal form): what a channel knows a member by

_PHONE_NOISE = str.maketrans("", "", " \t-.()/\u00a0")


def normal(kind: str, value: str) -> Name:
    """The normal form. Phones lose their punctuation, e-mails their case; card numbers, open ids and external ids are
    taken as they are, without the blanks around them. Raises ValueError when nothing is left, or something is in it that
    cannot be seen: the same number with a zero-width blank in it would be another person."""
    text = (value if value.isascii() else unicodedata.normalize("NFKC", value)).strip()
    if kind == "phone":
        text = text.translate(_PHONE_NOISE)
    elif kind == "email":
        text = text.casefold()
    elif kind == "card":
        text = text.replace(" ", "")
    if not text:
        raise ValueError(f"the {kind} is blank")
    if holds_unseen(text):
        raise ValueError(f"the {kind} holds a character that cannot be seen")
    return (kind, text)
