"""The only reader and writer of what lies under engines/ and profiles/, and of a run's log.

lock          one writer at a time
lines         files of lines that outlive a kill; whether work can be gone on with
numbered_files   files that follow each other, the newest of which are kept
files         hashes, atomic writes, folders that appear whole or not at all
family        family.yaml and the base model beside it
built         manifest.json and the engines beside it
trust         what is checked of a set before a runtime sees any of it
permissions   who may write to a file
signature     who signed a manifest; keys: the key files for it
staleness     what has changed since a build or a measurement, in words
profile       profile.json
thermal       thermal.json: how a board takes up heat, beside its profiles
run_log       decisions.jsonl
controller_state   what a controller has learned
"""

from edgert.artifacts.built import BuiltSet, load_built
from edgert.artifacts.controller_state import load_state, save_state
from edgert.artifacts.family import FamilyFolder, load_family, save_family
from edgert.artifacts.files import (
    disk_error,
    make_folder,
    put_aside,
    sha256_from_file,
    staged_files,
    staged_folder,
    write_atomically,
)
from edgert.artifacts.keys import load_private_key, make_key_pair
from edgert.artifacts.profile import (
    csv_from_rows,
    load_profile,
    save_profile,
    save_profile_table,
)
from edgert.artifacts.run_log import read_run
from edgert.artifacts.signature import sign_manifest, verify_signature
from edgert.artifacts.staleness import (
    built_from,
    built_from_now,
    cut_of,
    profile_stale_reasons,
    stale_reasons,
)
from edgert.artifacts.thermal import (
    load_thermal,
    save_thermal,
    thermal_for,
    thermal_path,
    why_thermal_unfit,
)
from edgert.artifacts.trust import unlisted_files

__all__ = [
    "BuiltSet",
    "FamilyFolder",
    "built_from",
    "built_from_now",
    "csv_from_rows",
    "cut_of",
    "disk_error",
    "load_built",
    "load_family",
    "load_private_key",
    "load_profile",
    "load_state",
    "load_thermal",
    "make_folder",
    "make_key_pair",
    "profile_stale_reasons",
    "put_aside",
    "read_run",
    "save_family",
    "save_profile",
    "save_profile_table",
    "save_state",
    "save_thermal",
    "sha256_from_file",
    "sign_manifest",
    "staged_files",
    "staged_folder",
    "stale_reasons",
    "thermal_for",
    "thermal_path",
    "unlisted_files",
    "verify_signature",
    "why_thermal_unfit",
    "write_atomically",
]
