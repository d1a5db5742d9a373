"""Where a lab keeps its state, by which every command finds it: from any folder, and the same one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "RELEVO_LAB_DIR"
_LAB_FILE: Final = "lab.json"


def lab_folder() -> Path:
    """The folder that the environment names, else that of this checkout."""
    checkout = Path(__file__).resolve().parents[1]
    return Path(os.environ.get(FOLDER_VARIABLE, checkout / ".lab")).absolute()


def lab_file(folder: Path | None = None) -> Path:
    """Where the lab of a folder, else of ``lab_folder``, tells about itself; it is there while the lab runs."""
    return (folder or lab_folder()) / _LAB_FILE
