"""The import rules of the house: kept by the tree, and each contract seen to fail on a planted violation."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "laurel_contracts": "shared/contracts/src",
    "laurel_kit": "shared/kit/src",
    "laurel_cli": "deploy/cli/src",
    "member_svc": "services/member-svc/src",
    "points_svc": "services/points-svc/src",
    "tier_svc": "services/tier-svc/src",
    "campaign_svc": "services/campaign-svc/src",
}
PLANTED = [
    ("rooms", "tier_svc/utils.py", "X = 1\n"),
    ("rooms", "tier_svc/domain/planted.py", "import tier_svc.handlers\n"),
    ("rooms", "tier_svc/store/planted.py", "import tier_svc.events\n"),
    ("pure-domain", "points_svc/domain/planted.py", "import sqlalchemy\n"),
    ("pure-domain", "points_svc/domain/planted.py", "import laurel_contracts.envelope\n"),
    ("strangers", "points_svc/handlers/planted.py", "import tier_svc.domain\n"),
    ("strangers", "laurel_kit/planted.py", "import tier_svc.domain\n"),
    ("strangers", "laurel_contracts/planted.py", "import laurel_kit\n"),
    ("cli-over-http", "laurel_cli/planted.py", "import tier_svc.domain\n"),
    ("sql", "member_svc/handlers/planted.py", "import sqlalchemy\n"),
    ("http", "member_svc/handlers/planted.py", "import fastapi\n"),
    ("kafka", "campaign_svc/store/planted.py", "import aiokafka\n"),
    ("config", "campaign_svc/handlers/planted.py", "import campaign_svc.config\n"),
]


def lint(folder: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the packages that lie side by side in `folder`."""
    script = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "from importlinter.cli import lint_imports\n"
        f"sys.exit(lint_imports(config_filename={str(ROOT / 'pyproject.toml')!r}, no_cache=True,"
        f" limit_to_contracts={(contract,) if contract else ()!r}))"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    for name, source in PACKAGES.items():
        shutil.copytree(ROOT / source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_house_keeps_its_import_rules(packages: Path) -> None:
    result = lint(packages)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("contract", "file", "text"), PLANTED, ids=lambda value: value.strip() if isinstance(value, str) else None
)
def test_each_import_rule_has_been_seen_to_fail(packages: Path, contract: str, file: str, text: str) -> None:
    planted = packages / file
    planted.write_text(text, encoding="utf-8")
    try:
        result = lint(packages, contract)
    finally:
        planted.unlink()
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout
