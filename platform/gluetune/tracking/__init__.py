"""Records a search in MLflow: tree of runs, metrics, winners.

Only this package imports MLflow, and only when a store is opened, because the import takes seconds.
"""

from gluetune.tracking.champion import Champion
from gluetune.tracking.registration import Registration
from gluetune.tracking.runs import check_store
from gluetune.tracking.state import FILE as TRACKING_FILE
from gluetune.tracking.tracker import Tracker
from gluetune.tracking.uris import store_address, ui_command

__all__ = ["TRACKING_FILE", "Champion", "Registration", "Tracker", "check_store", "store_address", "ui_command"]
