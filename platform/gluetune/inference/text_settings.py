"""How a trained classifier's text becomes tokens, kept with its weights in ``gluetune.json``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gluetune.config import DataConfig
from gluetune.data.truncation import Truncation
from gluetune.errors import ModelError
from gluetune.storage import Storage

FILE = "gluetune.json"


class TextSettings(BaseModel):
    """What training did to text, beside what the tokenizer's own files say.

    Attributes:
        max_seq_length: most tokens per row, special tokens included.
        truncation: how pairs that are too long are cut, see `gluetune.data.truncation`.
        task: the name of the task that the model answers; ``None`` in folders of earlier versions.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_seq_length: int = Field(ge=1)
    truncation: Truncation
    task: str | None = None

    @property
    def cut(self) -> dict[str, int | str]:
        """The settings that are keys of a job's ``data`` section too."""
        return self.model_dump(exclude={"task"})

    def write(self, folder: Path) -> None:
        """Writes the file into a ``save_pretrained`` folder."""
        (folder / FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def applied_to(self, config: DataConfig) -> DataConfig:
        """A data section with these settings in it."""
        return config.model_copy(update=self.cut)


def read_text_settings(folder: Storage) -> TextSettings | None:
    """The settings that a trained model's folder holds; ``None`` where it holds none, as one made by other software.

    Raises:
        ModelError: the file breaks its format.
    """
    text = folder.read(FILE)
    if text is None:
        return None
    try:
        return TextSettings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(
            f"{folder.uri(FILE)} must hold max_seq_length and truncation as training wrote them, but got: "
            f"{where + ': ' if where else ''}{first['msg']}"
        ) from error
