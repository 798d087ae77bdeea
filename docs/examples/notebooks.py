"""The notebooks beside this file, run from top to bottom, and with ``--write`` stored with what they showed.

They are stored with their outputs, so that they can be read where nothing is run. What a run leaves behind that says
nothing, such as times and the sizes of figures, is left out.

    python docs/examples/notebooks.py [--write] [NAME ...]

It needs ``nbclient``, ``nbformat`` and ``ipykernel``, and what the notebooks need.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAMES = ("train_on_colab", "evaluate_a_forecast", "weather_on_the_sphere")


def executed(path: Path, folder: Path) -> Any:
    """A notebook as it is after a run in a folder."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    return notebook


def cleaned(notebook: Any) -> Any:
    """A notebook with nothing but what it says and shows."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data = {"image/png": output.data["image/png"]}
                output.metadata = {}
    return notebook


def main(argv: list[str] | None = None) -> None:
    """Run the notebooks, and print how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", default=NAMES)
    parser.add_argument("--write", action="store_true", help="store them with their outputs")
    args = parser.parse_args(argv)
    for name in args.names:
        path = HERE / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            notebook = cleaned(executed(path, Path(folder)))
        text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        if args.write:
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
