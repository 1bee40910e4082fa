"""python -m member_svc [--only api|consumer|relay|jobs|migrations]"""

from __future__ import annotations

import os
import sys

from laurel_kit.service import run
from member_svc.main import build

if __name__ == "__main__":
    run(build(os.environ), sys.argv[1:])
