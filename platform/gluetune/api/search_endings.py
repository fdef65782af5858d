"""What the terminal says at a search's end of how it ended, and of the command that resumes it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from gluetune.reporting.confirmation_schema import ConfirmationSummary
from gluetune.search.trials import SearchStatus


def shows_ending(ending: SearchStatus, earlier: SearchStatus | None, confirmation: ConfirmationSummary | None) -> bool:
    """Return whether to print how a session ended, and how it is resumed.

    Args:
        ending: how it ended; where it only confirms a search and has done so, as the search did.
        earlier: how the search had ended where the session only confirms it; ``None`` where it runs trials.
        confirmation: the confirmation's results so far.
    """
    return earlier is None or ending is not earlier or confirmation is None or not confirmation.complete


def print_ending(status: SearchStatus, resume: str, console: Console) -> None:
    """Print how to resume a search that was stopped, or that there is nothing to resume; nothing where it is complete.

    Args:
        status: how the search ended.
        resume: the command or call that resumes it.
        console: the user's.
    """
    if status is SearchStatus.FAILED:
        console.print(
            "\nno trial could be evaluated: there is nothing to resume. Once the reason below is mended, "
            "start anew under another name (--name).",
            highlight=False,
            soft_wrap=True,
        )
    elif status is not SearchStatus.COMPLETE:
        raised = ", with a larger budget (--budget-…)," if status is SearchStatus.OUT_OF_BUDGET else ""
        print_resume(f"{status.value.replace('_', ' ')}; resume{raised}", resume, console)


def print_resume(why: str, resume: str, console: Console) -> None:
    """Print a command or call that resumes a search, and why to do so.

    Args:
        why: the reason, as the beginning of the line "… with:".
        resume: the command or call.
        console: the user's.
    """
    console.print(f"\n{why} with:", highlight=False)
    console.print(Text(resume, style="bold"), soft_wrap=True)  # "[x]" in a name is no markup
