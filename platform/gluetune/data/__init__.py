"""Rows of the tasks: data sources, readers, splits, tokenization and batching."""

from gluetune.data.custom import CustomSource
from gluetune.data.encoding import (
    EncodedRows,
    bucket_by_length,
    encode_rows,
    length_grouped_batches,
    shard_batch,
    token_fingerprint,
)
from gluetune.data.examples import DataSource, Examples
from gluetune.data.files import FolderSource, read_file, read_labelled_file
from gluetune.data.hub import HubSource
from gluetune.data.preparation import (
    EncodedTask,
    TaskExamples,
    Tokenization,
    prepare_for_tokenizers,
    prepare_task,
    split_rows,
)
from gluetune.data.splits import find_identical_splits, hold_out, labelled_eval_splits, stratified_sample
from gluetune.data.task_sources import OpenedTask, open_own_task, open_source, open_tasks, reopen_task

__all__ = [
    "CustomSource",
    "DataSource",
    "EncodedRows",
    "EncodedTask",
    "Examples",
    "FolderSource",
    "HubSource",
    "OpenedTask",
    "TaskExamples",
    "Tokenization",
    "bucket_by_length",
    "encode_rows",
    "find_identical_splits",
    "hold_out",
    "labelled_eval_splits",
    "length_grouped_batches",
    "open_own_task",
    "open_source",
    "open_tasks",
    "prepare_for_tokenizers",
    "prepare_task",
    "read_file",
    "read_labelled_file",
    "reopen_task",
    "shard_batch",
    "split_rows",
    "stratified_sample",
    "token_fingerprint",
]
