"""Predictions and scores of a trained classifier, and the files of a submission to the GLUE benchmark's server."""

from gluetune.inference.classifier import (
    Classifier,
    Scores,
    evaluate_examples,
    load_classifier,
    predict_examples,
    score_predictions,
)
from gluetune.inference.export import (
    Answers,
    Winner,
    best_winners,
    export_submission,
    missing_tasks,
    of_different_rows,
    read_winners,
)
from gluetune.inference.model_folder import TextSettings, open_model_folder, own_task_of, read_text_settings, task_of
from gluetune.inference.prediction_files import prediction_format, write_predictions
from gluetune.inference.predictions import Predictions, Rows, as_examples
from gluetune.inference.submission import FILES, HEADER, SubmissionFile, check_submission, write_archive

__all__ = [
    "FILES",
    "HEADER",
    "Answers",
    "Classifier",
    "Predictions",
    "Rows",
    "Scores",
    "SubmissionFile",
    "TextSettings",
    "Winner",
    "as_examples",
    "best_winners",
    "check_submission",
    "evaluate_examples",
    "export_submission",
    "load_classifier",
    "missing_tasks",
    "of_different_rows",
    "open_model_folder",
    "own_task_of",
    "predict_examples",
    "prediction_format",
    "read_text_settings",
    "read_winners",
    "score_predictions",
    "task_of",
    "write_archive",
    "write_predictions",
]
