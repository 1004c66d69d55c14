"""The only reader and writer of what lies under engines/ and profiles/, and of a run's log.

files     hashes, atomic writes, folders that appear whole or not at all
family    family.yaml and the base model beside it
built     manifest.json and the engines beside it
profile   profile.json
run_log   decisions.jsonl
"""

from edgert.artifacts.built import BuiltSet, load_built, stale_reasons
from edgert.artifacts.family import FamilyFolder, load_family, save_family
from edgert.artifacts.files import (
    sha256_from_file,
    staged_files,
    staged_folder,
    write_atomically,
)
from edgert.artifacts.profile import load_profile, save_profile
from edgert.artifacts.run_log import read_run

__all__ = [
    "BuiltSet",
    "FamilyFolder",
    "load_built",
    "load_family",
    "load_profile",
    "read_run",
    "save_family",
    "save_profile",
    "sha256_from_file",
    "staged_files",
    "staged_folder",
    "stale_reasons",
    "write_atomically",
]
