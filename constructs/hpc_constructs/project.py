"""Where the parts of the project lie that constructs put into assets."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
