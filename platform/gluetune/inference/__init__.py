"""Predictions and scores of a trained classifier, and the files of a submission to the GLUE benchmark's server."""

from gluetune.inference.archive import check_submission, write_archive
from gluetune.inference.classifier import Classifier, existing, load_classifier, predict_examples, task_of
from gluetune.inference.evaluation import Scores, evaluate_examples, score_predictions
from gluetune.inference.export import Answers, export_submission, missing_tasks
from gluetune.inference.predictions import Predictions, write_predictions
from gluetune.inference.rows import Rows, as_examples
from gluetune.inference.submission_files import FILES, HEADER, SubmissionFile
from gluetune.inference.text_settings import TextSettings, read_text_settings
from gluetune.inference.winners import Winner, best_winners, of_different_rows, read_winners

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
    "existing",
    "export_submission",
    "load_classifier",
    "missing_tasks",
    "of_different_rows",
    "predict_examples",
    "read_text_settings",
    "read_winners",
    "score_predictions",
    "task_of",
    "write_archive",
    "write_predictions",
]
