"""A pretrained model's files and licence from a hub that speaks as Hugging Face's does.

Owns the calls of huggingface_hub (it comes with transformers, in the extra `export`) and the
words for what can go wrong there. What the files mean is `segformer_checkpoint`'s.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgert.errors import ArtifactError
from edgert.families.licence import Licence, licence_from_card
from edgert.optional import needs

CARD = "README.md"
CONFIG_FILES = {"config.json": True, "preprocessor_config.json": False}  # whether it must be there
# NVIDIA's B2 has safetensors on a pull request's branch only, where the hub's own converter put
# them; what the owner published on main is a pickle, which is read without running code.
WEIGHTS = (
    ("model.safetensors", "main"),
    ("model.safetensors", "refs/pr/2"),
    ("pytorch_model.bin", "main"),
)
_TIMEOUT_S = 15.0
_GIVE_FOLDERS = "or give the checkpoints' folders with --checkpoint"


@dataclass(frozen=True)
class Fetched:
    """A checkpoint that was fetched: its folder and what of it came from where."""

    folder: Path
    weights: str
    revision: str
    commit: str


class Hub:
    """A hub, at the library's own address or another one.

    Args:
        endpoint: Its address; None takes huggingface_hub's, HF_ENDPOINT or huggingface.co. The
            user's token goes to the latter only.
        cache: Where files are kept; None takes huggingface_hub's own folder.
    """

    def __init__(self, endpoint: str | None = None, cache: Path | None = None) -> None:
        self._hub = needs("huggingface_hub", "export", "to fetch a model by its name")
        self._errors = needs("huggingface_hub.errors", "export", "to fetch a model by its name")
        known = needs("huggingface_hub.constants", "export", "to fetch a model by its name")
        self.endpoint = (endpoint or known.ENDPOINT).rstrip("/")
        self._token = False if endpoint else None  # None: the one that the user logged in with
        self._cache = cache
        self._down: dict[str, Exception] = {}  # why a model's hub can't be reached
        logging = needs("huggingface_hub.utils.logging", "export", "to fetch a model by its name")
        logging.set_verbosity_error()  # what it warns of is told here in one line

    def licence(self, source: str) -> Licence:
        """What the model's card says of its licence, and the licence's file where it has one.

        Raises:
            ArtifactError: The hub can't be reached, has no such model or does not give it.
        """
        self._look_for(source)
        card = self._file(source, CARD)
        if card is None and source in self._down:
            raise self._refused(source, self._down[source])
        licence = licence_from_card(source, card.read_text("utf-8", "replace") if card else "")
        if licence.link and "://" not in licence.link:
            file = self._file(source, licence.link)
            if file is not None:
                text = f"{licence.text}\n\n{file.read_text('utf-8', 'replace')}".strip()
                licence = dataclasses.replace(licence, text=text)
        return licence

    def fetch(self, source: str, into: Path) -> Fetched:
        """A folder with config.json and weights, in links to the cache.

        Args:
            source: The model's name, "nvidia/segformer-b0-finetuned-ade-512-512".
            into: Where the folder is made, by the model's own name.

        Raises:
            ArtifactError: As `licence`; or a file that has to be there is not.
        """
        self._look_for(source)
        found: dict[str, Path] = {}
        for name, required in CONFIG_FILES.items():
            file = self._file(source, name)
            if file is not None:
                found[name] = file
            elif required:
                raise self._missing(source, name)
        for weights, revision in WEIGHTS:
            file = self._file(source, weights, revision)
            if file is not None:
                found[weights] = file
                break
        else:
            wanted = sorted({name for name, _ in WEIGHTS})
            raise self._missing(source, " or ".join(wanted))
        folder = into / source.rsplit("/", maxsplit=1)[-1]
        folder.mkdir(parents=True)
        for name, file in found.items():
            (folder / name).symlink_to(file.resolve())
        # The cache keeps a file at snapshots/COMMIT/NAME.
        return Fetched(folder, weights, revision, found[weights].parent.name)

    def _look_for(self, source: str) -> None:
        """Ask once and without retries whether the hub has the model.

        One that can't be reached is put down: the library would try for half a minute with each
        file, and what was fetched before is as good.
        """
        errors = self._errors
        try:
            url = self._hub.hf_hub_url(source, CARD, endpoint=self.endpoint)
            self._hub.get_hf_file_metadata(
                url, token=self._token, timeout=_TIMEOUT_S, endpoint=self.endpoint
            )
        except errors.EntryNotFoundError:
            return  # a model without a card
        except errors.RepositoryNotFoundError as error:
            raise self._refused(source, error) from error
        except errors.HFValidationError as error:
            raise ArtifactError(
                f"fetch '{source}'",
                expected="a model's name as the hub writes it, OWNER/NAME",
                got="something else",
                advice="Correct `source` in family.yaml",
            ) from error
        except (OSError, errors.HTTPError) as error:
            self._down[source] = error

    def _file(self, source: str, name: str, revision: str = "main") -> Path | None:
        """A file of the model, or None where the revision has none of that name."""
        errors = self._errors
        try:
            path = self._hub.hf_hub_download(
                source,
                name,
                revision=revision,
                endpoint=self.endpoint,
                token=self._token,
                cache_dir=self._cache,
                etag_timeout=_TIMEOUT_S,
                local_files_only=source in self._down,
            )
        except (errors.RemoteEntryNotFoundError, errors.RevisionNotFoundError):
            return None
        except (OSError, errors.HTTPError, ValueError) as error:
            if source in self._down and isinstance(error, errors.LocalEntryNotFoundError):
                return None  # nor does the cache have it; the caller knows whether it has to
            raise self._refused(source, error) from error
        return Path(path)

    def _missing(self, source: str, name: str) -> ArtifactError:
        if source in self._down:
            return self._refused(source, self._down[source])
        return ArtifactError(
            f"fetch {source} from {self.endpoint}",
            expected=name,
            got="none in the model's files",
            advice=f"Correct `source` in family.yaml, {_GIVE_FOLDERS}",
        )

    def _refused(self, source: str, error: Exception) -> ArtifactError:
        """What the hub or the network said, in one line."""
        errors = self._errors
        status = getattr(getattr(error, "response", None), "status_code", None)
        expected, advice = "the model's files", f"Try again later, {_GIVE_FOLDERS}"
        if isinstance(error, errors.GatedRepoError):
            got = "a gated model"
            advice = (
                f"Accept its terms at {self.endpoint}/{source} and log in with `hf auth login`, "
                f"{_GIVE_FOLDERS}"
            )
        elif isinstance(error, errors.RepositoryNotFoundError):
            got = f"status {status}: no such model, or not for you"
            advice = f"Correct `source` in family.yaml, log in, {_GIVE_FOLDERS}"
        elif status is not None:
            got = f"status {status}"
        else:
            expected = "an answer of the hub"
            got = _first_words(error)
            advice = f"Check the network and --endpoint, {_GIVE_FOLDERS}"
        return ArtifactError(
            f"fetch {source} from {self.endpoint}", expected=expected, got=got, advice=advice
        )


def _first_words(error: Exception) -> str:
    """The innermost reason in one line: libraries wrap what the network said several times."""
    reason: Any = error
    while reason.__cause__ is not None:
        reason = reason.__cause__
    line = next(iter(str(reason).splitlines()), "") or type(reason).__name__
    return line.strip().rstrip(".")[:200]
