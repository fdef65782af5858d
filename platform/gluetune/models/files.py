"""Files of a model: its folder, downloaded from the hub if need be, and the tokenizer in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from gluetune.config import ModelConfig
from gluetune.errors import ModelError, did_you_mean

# Only used to suggest a similar name in messages; any other name on the hub works too.
_WELL_KNOWN = (
    "albert/albert-base-v2",
    "answerdotai/ModernBERT-base",
    "answerdotai/ModernBERT-large",
    "bert-base-cased",
    "bert-base-uncased",
    "bert-large-uncased",
    "distilbert-base-uncased",
    "distilroberta-base",
    "synthetic",
    "FacebookAI/roberta-base",
    "FacebookAI/roberta-large",
    "google-bert/bert-base-cased",
    "google-bert/bert-base-uncased",
    "google-bert/bert-large-uncased",
    "google/bert_uncased_L-2_H-128_A-2",
    "google/electra-base-discriminator",
    "google/electra-small-discriminator",
    "microsoft/deberta-v3-base",
    "microsoft/deberta-v3-large",
    "microsoft/deberta-v3-small",
    "microsoft/MiniLM-L12-H384-uncased",
    "prajjwal1/bert-tiny",
    "roberta-base",
    "roberta-large",
)
_FILES = ("*.json", "*.txt", "*.model")
_WEIGHTS = ("model.safetensors", "model-*.safetensors")


def resolve_model_dir(config: ModelConfig) -> Path:
    """Return the folder with the model's files; a name on the hub is downloaded into the cache first.

    Only configuration, tokenizer and safetensors files are downloaded, never code or pickles. With ``from_scratch`` no
    weights are downloaded.

    Args:
        config: the job's section ``model``.

    Raises:
        ModelError: the folder or the name does not exist, or the hub cannot be reached.
    """
    name = config.name
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"model.name_or_path must be a folder that exists, but got {name!r}{_near_folder(folder)}")
    return _fetch(config)


def list_files(folder: Path) -> str:
    """Return the names of the files in a folder, for messages."""
    return ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))) or "no files"


def suggest_subfolder(folder: Path, file: str) -> str:
    """Return the end of a message about a missing file: a sub-folder that contains the file, if there is one.

    A folder of the hub's cache contains snapshots, and the output folder of a trainer contains checkpoints.

    Args:
        folder: the folder that was searched.
        file: name of the file that it lacks.
    """
    if (folder / file).exists():
        return ""
    found = [path for depth in ("*/", "*/*/", "*/*/*/") for path in folder.glob(depth + file)]
    if not found:
        return ""
    newest = max(found, key=lambda path: path.stat().st_mtime)
    return f"; {str(newest.parent)!r} holds one: name that folder"


def _fetch(config: ModelConfig) -> Path:
    name, revision = config.name, config.revision or "main"
    patterns = [*_FILES, *(() if config.from_scratch else _WEIGHTS)]
    hint = did_you_mean(name, (known for known in _WELL_KNOWN if known != name))
    try:
        return Path(
            snapshot_download(
                name,
                revision=config.revision,
                cache_dir=config.cache_dir,
                allow_patterns=patterns,
                ignore_patterns=["*/*"],
            )
        )
    except GatedRepoError as error:
        why: tuple[str, Exception] = (f"{name!r} asks for a login on huggingface.co (`hf auth login`)", error)
    except RepositoryNotFoundError as error:
        why = f"the hub has no model {name!r} and there is no such folder{hint}", error
    except RevisionNotFoundError as error:
        why = f"the hub's model {name!r} has no revision {revision!r} (model.revision)", error
    except HFValidationError as error:
        why = f"model.name_or_path must be a folder or a name on the hub, but got {name!r}{hint}", error
    except LocalEntryNotFoundError as error:
        why = (
            (
                f"{name!r} is neither a folder nor in the cache, and huggingface.co cannot be reached{hint}; without "
                "network, name a folder or use the synthetic encoder (model.name_or_path: synthetic)"
            ),
            error,
        )
    except OSError as error:
        why = f"{name!r} cannot be fetched from the hub: {error}", error
    raise ModelError(why[0]) from why[1]


def _near_folder(folder: Path) -> str:
    parent = folder.parent
    return did_you_mean(folder.name, (p.name for p in parent.iterdir() if p.is_dir())) if parent.is_dir() else ""


@contextmanager
def silence_transformers_logging() -> Iterator[None]:
    """Suppress transformers' progress bars and warnings, such as those about the new classification head."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


VOCABULARY = "vocab.txt"
_CONFIG_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")


def open_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a folder, with its own ``model_max_length``.

    Args:
        folder: a folder with a tokenizer of transformers, or with only BERT's ``vocab.txt`` as in Google's checkpoints.
        name: name or folder of the model as the user wrote it, for messages.

    Raises:
        ModelError: the folder has no tokenizer, or the tokenizer cannot be loaded.
    """
    if has_only_vocab_txt(folder):
        return _of_vocabulary(folder / VOCABULARY)
    try:
        with silence_transformers_logging():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ImportError) as error:
        raise ModelError(
            f"{name!r} must hold a tokenizer, but its files ({list_files(folder)}) cannot be used: "
            f"{type(error).__name__}: {error}"
        ) from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers' result for a folder without a vocabulary
        raise ModelError(
            f"{name!r} must hold a tokenizer (tokenizer.json, vocab.txt or a sentencepiece "
            f"model), but got {list_files(folder)}"
        )
    return tokenizer


def has_only_vocab_txt(folder: Path) -> bool:
    """Return whether BERT's ``vocab.txt`` is the only file that describes the folder's model and tokenizer."""
    return (folder / VOCABULARY).exists() and not any((folder / file).exists() for file in _CONFIG_FILES)


def _of_vocabulary(path: Path) -> PreTrainedTokenizerBase:
    """Return BERT's tokenizer of a ``vocab.txt``; it lower-cases text if no token has an upper-case letter.

    Special tokens, which start with ``[``, do not count.
    """
    tokens = path.read_text(encoding="utf-8").split("\n")
    missing = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token not in tokens]
    if missing:
        raise ModelError(f"{path} must be a vocabulary of BERT's, a token a line, but it has no {', '.join(missing)}")
    cased = any(token != token.lower() for token in tokens if not token.startswith("["))
    return BertTokenizer(str(path), do_lower_case=not cased)
