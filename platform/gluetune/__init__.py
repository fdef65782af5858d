"""gluetune: hyperparameter search for fine-tuning BERT-type encoders on GLUE."""

__version__ = "0.1.0"
