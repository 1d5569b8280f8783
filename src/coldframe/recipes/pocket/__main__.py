"""``python -m coldframe.recipes.pocket RUN FOLDER``: export the newest state of a run, finished or not."""

import sys
from pathlib import Path

from coldframe.recipes.pocket.study import export

if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    print(export(Path(sys.argv[1]), Path(sys.argv[2])))
