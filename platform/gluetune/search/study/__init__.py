"""An Optuna study of recorded trials: what Optuna's plots and Optuna's dashboard show of a search.

The study is made from the journal and is never read by a search. Its parameters are the values that trials train, not
the codes that samplers see.
"""

from gluetune.search.study.figures import StudyFigures, study_figures

__all__ = ["StudyFigures", "study_figures"]
