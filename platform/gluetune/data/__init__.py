"""Rows: where they come from, how they are tokenised, and how they are dealt out."""

from gluetune.data.batches import plan_batches, shard
from gluetune.data.custom import CustomSource
from gluetune.data.encoding import Encoded, encode
from gluetune.data.examples import Examples
from gluetune.data.files import read_file
from gluetune.data.fingerprint import token_fingerprint
from gluetune.data.folder import FolderSource
from gluetune.data.hub import HubSource
from gluetune.data.official import official_rows, same_rows
from gluetune.data.preparation import EncodedTask, TaskExamples, choose, open_source, prepare
from gluetune.data.source import DataSource
from gluetune.data.splits import hold_out, sample

__all__ = [
    "CustomSource",
    "DataSource",
    "Encoded",
    "EncodedTask",
    "Examples",
    "FolderSource",
    "HubSource",
    "TaskExamples",
    "choose",
    "encode",
    "hold_out",
    "official_rows",
    "open_source",
    "plan_batches",
    "prepare",
    "read_file",
    "same_rows",
    "sample",
    "shard",
    "token_fingerprint",
]
