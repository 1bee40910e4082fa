"""A programme file: YAML into the contract's document, with what the command line overrides."""

from __future__ import annotations

from pathlib import Path

import msgspec

from laurel_cli.refusal import CommandError
from laurel_contracts.programme import Programme, parse

REFERENCE = Path(__file__).resolve().parents[3] / "program" / "reference.yaml"  # of the checkout this package runs from


def read_programme(
    path: Path, *, currency: str | None = None, zone: str | None = None, version: int | None = None
) -> Programme:
    """The programme in a YAML file. A CommandError says where it is wrong, with the path inside the document."""
    try:
        document = msgspec.yaml.decode(path.read_bytes())
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise CommandError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise CommandError(
            f"{path} does not hold a programme: a mapping with programme, version, points, tiers … is wanted"
        )
    for name, value in (("currency", currency), ("zone", zone), ("version", version)):
        if value is not None:
            document[name] = value
    try:
        return parse(document)
    except msgspec.ValidationError as error:
        raise CommandError(f"{path} is no valid programme: {error}") from error
