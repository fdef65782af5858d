"""The MLflow model of a winner, kept with it as source ("models from code").

Needs transformers, torch, pandas and MLflow, not gluetune: the registered model works where gluetune is not installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd  # type: ignore[import-untyped]
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


class Champion(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow has no type hints
    """Reads the ``save_pretrained`` folder ``checkpoint``; its own settings are in the model's ``model_config``."""

    def load_context(self, context: Any) -> None:
        """Loads tokenizer and weights."""
        folder = context.artifacts["checkpoint"]
        # The code of a head of gluetune's is part of the model, as this file is.
        custom = "auto_map" in json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=custom)
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True, use_safetensors=True,
                                                                   trust_remote_code=custom)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device).eval()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predicts rows.

        Args:
            context: MLflow's, with ``model_config``: ``columns``, ``labels``, ``max_seq_length``, ``batch_size``.
            model_input: the task's text columns; others are ignored.
            params: not used.

        Returns:
            One row each: ``label``, its probability ``score``, and ``probability_<label>`` of every class; for
            regression only ``score``.
        """
        config = context.model_config
        texts = [model_input[column].astype(str).tolist() for column in config["columns"]]
        starts = range(0, len(model_input), config["batch_size"])
        parts = [self._logits([t[i:i + config["batch_size"]] for t in texts], config["max_seq_length"]) for i in starts]
        logits = torch.cat(parts) if parts else torch.zeros((0, len(config["labels"]) or 1))
        if not config["labels"]:
            return pd.DataFrame({"score": logits[:, 0].numpy()}, index=model_input.index)
        probabilities = logits.softmax(dim=1)
        score, index = probabilities.max(dim=1)
        columns = {f"probability_{label}": probabilities[:, i].numpy() for i, label in enumerate(config["labels"])}
        labels = pd.array([config["labels"][i] for i in index.tolist()], dtype="str")
        return pd.DataFrame({"label": labels, "score": score.numpy()} | columns, index=model_input.index)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _logits(self, texts: list[list[str]], max_seq_length: int) -> torch.Tensor:
        """Logits, float32 ``[rows, classes]``, of one batch padded to its longest row."""
        batch = self._tokenizer(*texts, truncation="longest_first", max_length=max_seq_length, padding="longest",
                                return_tensors="pt")
        logits: torch.Tensor = self._model(**batch.to(self._device)).logits
        return logits.float().cpu()


mlflow.models.set_model(Champion())
