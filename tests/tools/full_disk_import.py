"""Import a supernet onto a disk that is too small for it.

python full_disk_import.py FOLDER      with FOLDER on a disk of 1 MiB
"""

import contextlib
import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Tell the status with the line, then what lies in the folder."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
    import import_ofa

    from tests.families.ofa_folders import write_supernet
    from tests.families.ofa_networks import SMALL, random_weights

    folder, said = Path(sys.argv[1]), io.StringIO()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as roomy:
        path = Path(roomy) / "supernet.safetensors"
        write_supernet(path, weights=random_weights(SMALL))
        with contextlib.redirect_stderr(said):
            status = import_ofa.main([str(path), "-o", str(folder / "family")])
    print(f"{status}: {said.getvalue()}", end="")
    print([path.name for path in folder.iterdir()])


if __name__ == "__main__":
    main()
