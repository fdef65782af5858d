"""Source of a winner's MLflow model ("models from code"), which MLflow stores with the model.

It needs transformers, torch, pandas and MLflow but not gluetune, so that the registered model works without gluetune.
The module that truncates rows in training is stored with the model as an artifact.
"""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from transformers import AutoModelForSequenceClassification, AutoTokenizer

_SHOWN = 60  # characters of a value in a message


class ChampionModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]  # the type is hidden
    """Reads the ``save_pretrained`` folder ``checkpoint``; its own settings are in the model's ``model_config``."""

    def load_context(self, context: Any) -> None:
        """Load the tokenizer, the weights and the module that truncates rows."""
        folder = context.artifacts["checkpoint"]
        # The code of a gluetune head is stored with the model, as this file is.
        custom = "auto_map" in json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=custom)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=custom, dtype=torch.float32
        )
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).eval()
        self._truncation = _load_module("gluetune_truncation", context.artifacts["truncation"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict labels and score of rows.

        Args:
            context: MLflow's context, whose ``model_config`` holds ``columns``, ``labels``, ``problem``,
                ``thresholds``, ``max_seq_length``, ``truncation`` and ``batch_size``.
            model_input: the task's text columns as a DataFrame, a dict of texts or of lists of texts, or a list of
                dicts; a text, or a list or Series of texts, where the task has one column. Other columns are ignored.
            params: not used.

        Returns:
            One row each, with the index of a DataFrame or Series given: ``label``, its probability ``score``, and
            ``probability_<label>`` of every class; for regression only ``score``. A model of a multi-label task
            returns ``labels``, a list of names, and ``probability_<label>``.

        Raises:
            MlflowException: a column is missing, columns differ in length, or a value is no text; names the row.
        """
        config = context.model_config
        rows = text_rows(model_input, config["columns"])
        texts = [rows[column].tolist() for column in config["columns"]]
        starts = range(0, len(rows), config["batch_size"])
        parts = [self._logits([t[i : i + config["batch_size"]] for t in texts], config) for i in starts]
        logits = torch.cat(parts) if parts else torch.zeros((0, len(config["labels"]) or 1))
        if not config["labels"]:
            return pd.DataFrame({"score": logits[:, 0].numpy()}, index=rows.index)
        several = config.get("problem") == "multi_label"
        probabilities = logits.sigmoid() if several else logits.softmax(dim=1)
        columns = {f"probability_{label}": probabilities[:, i].numpy() for i, label in enumerate(config["labels"])}
        if several:
            names = [[config["labels"][i] for i in row.nonzero()[:, 0].tolist()] for row in _decided(logits, config)]
            return pd.DataFrame({"labels": pd.Series(names, dtype=object).to_numpy()} | columns, index=rows.index)
        index = _decided(logits, config)
        score = probabilities.gather(1, index[:, None])[:, 0]
        labels = pd.array([config["labels"][i] for i in index.tolist()], dtype="str")
        return pd.DataFrame({"label": labels, "score": score.numpy()} | columns, index=rows.index)

    @torch.inference_mode()
    def _logits(self, texts: list[list[str]], config: dict[str, Any]) -> torch.Tensor:
        """Logits, float32 ``[rows, classes]``, of one batch."""
        batch = {name: tensor.to(self._device) for name, tensor in self._inputs(texts, config).items()}
        logits: torch.Tensor = self._model(**batch).logits
        return logits.float().cpu()

    def _inputs(self, texts: list[list[str]], config: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return a batch as in training: int32 ``[rows, width]``, padded on the right to its longest row."""
        ids, types, lengths = self._truncation.tokenize(
            texts, self._tokenizer, config["max_seq_length"], config["truncation"]
        )
        mask = np.arange(lengths.max()) < lengths[:, None]
        arrays = {"input_ids": _padded(ids, mask, self._tokenizer.pad_token_id), "attention_mask": mask}
        if "token_type_ids" in self._tokenizer.model_input_names:
            arrays["token_type_ids"] = _padded(types, mask, 0)
        return {name: torch.from_numpy(array.astype(np.int32)) for name, array in arrays.items()}


def _decided(logits: torch.Tensor, config: dict[str, Any]) -> torch.Tensor:
    """Predicted classes: [rows] ids, or [rows, classes] bool of a multi-label task; thresholds are applied in fp64."""
    thresholds, several = config.get("thresholds"), config.get("problem") == "multi_label"
    if thresholds is None:
        return logits > 0 if several else logits.argmax(dim=1)
    least = torch.tensor(thresholds, dtype=torch.float64)
    return logits.double().sigmoid() > least if several else (logits.double().softmax(1)[:, 1] > least[1]).long()


def text_rows(model_input: Any, columns: list[str]) -> pd.DataFrame:
    """Convert an input to a DataFrame with the text columns, one text in each cell.

    MLflow turns a dict of lists of texts into a DataFrame of one row; here it becomes one row for each text.

    Args:
        model_input: an input of ``predict``.
        columns: the task's text columns.

    Raises:
        MlflowException: the input has other columns, columns of different lengths, or a value that is no text.
    """
    frame = _frame(model_input, columns)
    missing = [column for column in columns if column not in frame]
    if missing:
        raise _refused(
            f"the input must have the columns {', '.join(columns)}, but {', '.join(missing)} is missing in "
            f"{', '.join(map(str, frame.columns)) or 'an empty input'}"
        )
    rows = _unfolded(frame[columns])
    for column in columns:
        wrong = [row for row, value in enumerate(rows[column]) if not isinstance(value, str)]
        if wrong:
            more = f" (and in {len(wrong) - 1} more rows)" if len(wrong) > 1 else ""
            raise _refused(
                f"column {column!r} must hold a text in every row, but row {wrong[0]} (rows count from 0) "
                f"holds {_shown(rows[column].iloc[wrong[0]])}{more}"
            )
    return rows


def _frame(model_input: Any, columns: list[str]) -> pd.DataFrame:
    """Convert an input to a DataFrame; lists stay in their cells."""
    if isinstance(model_input, pd.DataFrame):
        return model_input
    if isinstance(model_input, dict):
        return pd.DataFrame({name: [_plain(value)] for name, value in model_input.items()}, dtype=object)
    if isinstance(model_input, list) and model_input and all(isinstance(row, dict) for row in model_input):
        return pd.DataFrame(model_input, dtype=object)
    if len(columns) == 1 and isinstance(model_input, pd.Series):
        return model_input.to_frame(columns[0])
    if len(columns) == 1 and isinstance(model_input, str | list | tuple | np.ndarray):
        return pd.DataFrame({columns[0]: [model_input]}, dtype=object)
    raise _refused(
        f"the input must be a DataFrame, a dict or a list of dicts with the columns {', '.join(columns)}, "
        f"but got {_shown(model_input)}"
    )


def _unfolded(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn a frame of one row of lists into one row for each item; return any other frame unchanged."""
    if len(frame) != 1:
        return frame
    cells = {name: _plain(frame[name].iloc[0]) for name in frame}
    lists = {name: list(cell) for name, cell in cells.items() if isinstance(cell, list | tuple)}
    if not lists:
        return pd.DataFrame({name: [cell] for name, cell in cells.items()}, index=frame.index, dtype=object)
    if len(lists) < len(cells) or len({len(texts) for texts in lists.values()}) > 1:
        counts = ", ".join(f"{name}: {len(lists[name]) if name in lists else 'one'}" for name in cells)
        raise _refused(f"all columns must hold the same number of texts, but got ({counts})")
    return pd.DataFrame(lists, dtype=object)


def _plain(value: Any) -> Any:
    """Convert an array or Series to a list, and an array without dimensions to its value."""
    return value.tolist() if isinstance(value, np.ndarray | pd.Series) else value


def _padded(flat: Any, mask: Any, fill: int) -> Any:
    """Put the concatenated values of all rows in the places of a ``[rows, width]`` mask."""
    array = np.full(mask.shape, fill, np.int32)
    array[mask] = flat
    return array


def _load_module(name: str, path: str) -> ModuleType:
    spec = util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:_SHOWN]}… ({type(value).__name__})" if len(text) > _SHOWN else f"{text} ({type(value).__name__})"


def _refused(message: str) -> MlflowException:
    error: MlflowException = MlflowException.invalid_parameter_value(message)
    return error


mlflow.models.set_model(ChampionModel())
