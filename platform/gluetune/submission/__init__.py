"""Winners turned into a submission to the GLUE benchmark's server: a zip of eleven files."""

from gluetune.submission.archive import check_submission, write_archive
from gluetune.submission.export import Answers, export_submission, missing_tasks
from gluetune.submission.files import FILES, HEADER, SubmissionFile
from gluetune.submission.runs import Winner, best_winners, of_different_rows, read_winners

__all__ = [
    "FILES",
    "HEADER",
    "Answers",
    "SubmissionFile",
    "Winner",
    "best_winners",
    "check_submission",
    "export_submission",
    "missing_tasks",
    "of_different_rows",
    "read_winners",
    "write_archive",
]
