"""python -m campaign_svc [--only api|consumer|relay|jobs|migrations]"""

from __future__ import annotations

import os
import sys

from campaign_svc.main import build
from laurel_kit.service import run

if __name__ == "__main__":
    run(build(os.environ), sys.argv[1:])
