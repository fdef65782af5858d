"""Rows: where they come from, how they are tokenised, and how they are dealt out."""

from gluetune.data.batches import length_grouped_batches, shard_batch
from gluetune.data.custom import CustomSource
from gluetune.data.encoding import EncodedRows, encode_rows
from gluetune.data.examples import Examples
from gluetune.data.files import read_file
from gluetune.data.fingerprint import token_fingerprint
from gluetune.data.folder import FolderSource
from gluetune.data.hub import HubSource
from gluetune.data.official import find_identical_splits, labelled_eval_splits
from gluetune.data.preparation import EncodedTask, TaskExamples, open_source, prepare_task, split_rows
from gluetune.data.source import DataSource
from gluetune.data.splits import hold_out, stratified_sample

__all__ = [
    "CustomSource",
    "DataSource",
    "EncodedRows",
    "EncodedTask",
    "Examples",
    "FolderSource",
    "HubSource",
    "TaskExamples",
    "encode_rows",
    "find_identical_splits",
    "hold_out",
    "labelled_eval_splits",
    "length_grouped_batches",
    "open_source",
    "prepare_task",
    "read_file",
    "shard_batch",
    "split_rows",
    "stratified_sample",
    "token_fingerprint",
]
