"""Where a model's files are: a folder is used as it is, a name on the hub is fetched into the cache."""

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

# Read for a near miss only: any other name on the hub is as welcome.
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
    """The folder that holds the model's files, fetched from the hub first where a name is given.

    Only configuration, tokenizer and safetensors files are fetched; never code, never pickles, and no weights where
    ``from_scratch`` draws them.

    Raises:
        ModelError: no such folder or name, or the hub cannot be reached.
    """
    name = config.name_or_path
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"model.name_or_path must be a folder that exists, but got {name!r}{_near_folder(folder)}")
    return _fetch(config)


def list_files(folder: Path) -> str:
    """Names of a folder's files, for messages."""
    return ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))) or "no files"


def suggest_subfolder(folder: Path, file: str) -> str:
    """The end of a message about a file that a folder lacks: the folder within it, if any, that holds the file.

    A folder of the hub's cache has snapshots, a trainer's output has checkpoints.
    """
    if (folder / file).exists():
        return ""
    found = [path for depth in ("*/", "*/*/", "*/*/*/") for path in folder.glob(depth + file)]
    if not found:
        return ""
    newest = max(found, key=lambda path: path.stat().st_mtime)
    return f"; {str(newest.parent)!r} holds one: name that folder"


def _fetch(config: ModelConfig) -> Path:
    name, revision = config.name_or_path, config.revision or "main"
    wanted = [*_FILES, *(() if config.from_scratch else _WEIGHTS)]
    hint = did_you_mean(name, (known for known in _WELL_KNOWN if known != name))
    try:
        return Path(
            snapshot_download(
                name,
                revision=config.revision,
                cache_dir=config.cache_dir,
                allow_patterns=wanted,
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
    """Silences transformers' progress bars and its reports of fresh heads, which are fresh on purpose."""
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
_MORE = ("config.json", "tokenizer.json", "tokenizer_config.json")


def open_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    """The folder's tokenizer, with its own ``model_max_length``.

    Args:
        folder: where its files are.
        name: what the user calls the model.

    Raises:
        ModelError: there is none.
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
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes of a folder without vocabulary
        raise ModelError(
            f"{name!r} must hold a tokenizer (tokenizer.json, vocab.txt or a sentencepiece "
            f"model), but got {list_files(folder)}"
        )
    return tokenizer


def has_only_vocab_txt(folder: Path) -> bool:
    """Whether all that the folder says of its tokenizer is BERT's vocabulary."""
    return (folder / VOCABULARY).exists() and not any((folder / file).exists() for file in _MORE)


def _of_vocabulary(path: Path) -> PreTrainedTokenizerBase:
    """Lower-cases the text where no token but the special ones has an upper-case letter: nothing else says so."""
    tokens = path.read_text(encoding="utf-8").split("\n")
    missing = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if token not in tokens]
    if missing:
        raise ModelError(f"{path} must be a vocabulary of BERT's, a token a line, but it has no {', '.join(missing)}")
    cased = any(token != token.lower() for token in tokens if not token.startswith("["))
    return BertTokenizer(str(path), do_lower_case=not cased)
