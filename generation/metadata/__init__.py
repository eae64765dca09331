"""Settings into picture files and out again."""

from generation.metadata.a1111 import parse_infotext
from generation.metadata.reading import calls_of, read
from generation.metadata.settings import Record, Settings, Tool, UnreadablePicture
from generation.metadata.writing import OWN_CHUNK, PARAMETERS_CHUNK, exif_of, infotext, write_png

__all__ = [
    "OWN_CHUNK",
    "PARAMETERS_CHUNK",
    "Record",
    "Settings",
    "Tool",
    "UnreadablePicture",
    "calls_of",
    "exif_of",
    "infotext",
    "parse_infotext",
    "read",
    "write_png",
]
