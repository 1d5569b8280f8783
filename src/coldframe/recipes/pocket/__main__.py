"""``python -m coldframe.recipes.pocket RUN FOLDER``: export the newest state of a run, finished or not."""

from argparse import ArgumentParser
from pathlib import Path

from coldframe.errors import ColdframeError
from coldframe.recipes.pocket.study import export

if __name__ == "__main__":
    parser = ArgumentParser(description="Export the newest state of a run of coldframe train pocket, finished or not.")
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("folder", type=Path, help="folder for the weights")
    chosen = parser.parse_args()
    try:
        print(export(chosen.run, chosen.folder))
    except ColdframeError as error:
        parser.error(str(error))
