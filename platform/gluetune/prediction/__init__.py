"""What a trained classifier says of rows: predictions, scores, and the file they are written to."""

from gluetune.prediction.classifier import Classifier, existing, load_classifier
from gluetune.prediction.evaluation import Scores, evaluate_examples, score_predictions
from gluetune.prediction.predictions import Predictions, predict_examples, write_predictions
from gluetune.prediction.text_settings import TextSettings, read_text_settings

__all__ = [
    "Classifier",
    "Predictions",
    "Scores",
    "TextSettings",
    "evaluate_examples",
    "existing",
    "load_classifier",
    "predict_examples",
    "read_text_settings",
    "score_predictions",
    "write_predictions",
]
