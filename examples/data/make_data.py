"""Writes the data files of the examples into the folder that its argument names; default: this script's folder.

All texts are generated from a few sentence patterns by a seeded random generator, so that every run of this script
writes the same files. Run it as ``python examples/data/make_data.py [FOLDER]``.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Mapping[str, str]

TITLES = {
    "billing": ("Charged twice", "Wrong amount", "Refund please", "Invoice is missing", "Card was refused"),
    "login": (
        "Cannot log in",
        "Password is lost",
        "Account is locked",
        "Reset mail is missing",
        "Code is not accepted",
    ),
    "other": ("A question", "Opening hours", "Thank you", "A wish", "Where is my parcel"),
}
SENTENCES = {
    "billing": (
        "There are two charges for one order on my card.",
        "The invoice shows a wrong amount.",
        "I would like the money for my last order back.",
        "The payment by card was refused.",
        "Your shop has sent no invoice for my order.",
    ),
    "login": (
        "The reset mail never arrives.",
        "The page says that my password is wrong.",
        "My account has been locked since yesterday.",
        "The code from the mail is not accepted.",
        "After the login I see an empty page.",
    ),
    "other": (
        "When is your shop open on Sunday?",
        "The parcel has not arrived yet.",
        "Could you sell this book in a large print?",
        "The new page looks very nice.",
        "Which size of the red coat is still there?",
    ),
}
OPENINGS = ("", "Hello,", "Good morning,", "Dear team,", "Please help.")
ENDINGS = ("", "Thank you.", "Please answer soon.", "It is urgent.", "I have tried it three times.")
TOPICS = ("billing",) * 5 + ("login",) * 3 + ("other",) * 2
WRONG_LABELS = 0.04  # share of rows whose topic is not the one of their text, as in data that people have labelled


def tickets(rng: random.Random, rows: int) -> list[Row]:
    """Return support requests with a title, a body, a topic and the customer who wrote them.

    Args:
        rng: the random generator.
        rows: how many.
    """
    return [_request(rng, rng.choice(TOPICS)) for _ in range(rows)]


def complaints(rng: random.Random, rows: int) -> list[Row]:
    """Return texts of which about one in ten is urgent.

    Args:
        rng: the random generator.
        rows: how many.
    """
    found: list[Row] = []
    for _ in range(rows):
        urgent = rng.random() < 0.1
        topic = rng.choice(TOPICS)
        last = rng.choice(("The shop must be open now.", "No customer can pay today!", "All orders of today are lost!"))
        words = [rng.choice(OPENINGS), rng.choice(SENTENCES[topic]), last if urgent else rng.choice(ENDINGS[:2])]
        found.append({"text": _joined(words), "priority": "urgent" if urgent else "normal"})
    return found


def labelled_several(rng: random.Random, rows: int) -> list[Row]:
    """Return texts about one or two topics, with all of them in one column.

    Args:
        rng: the random generator.
        rows: how many.
    """
    found: list[Row] = []
    for _ in range(rows):
        topics = sorted(rng.sample(list(SENTENCES), rng.choice((1, 1, 2))))
        words = [rng.choice(OPENINGS), *(rng.choice(SENTENCES[topic]) for topic in topics)]
        found.append({"text": _joined(words), "topics": "|".join(topics)})
    return found


def _request(rng: random.Random, topic: str) -> Row:
    sentences = rng.sample(SENTENCES[topic], 2)
    return {
        "title": rng.choice(TITLES[topic]),
        "body": _joined([rng.choice(OPENINGS), *sentences, rng.choice(ENDINGS)]),
        "topic": rng.choice(list(SENTENCES)) if rng.random() < WRONG_LABELS else topic,
        "customer_id": f"c{rng.randrange(120):03}",
    }


def _joined(words: Sequence[str]) -> str:
    return " ".join(word for word in words if word)


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str] = ()) -> None:
    """Write rows as CSV with a header.

    Args:
        path: the file.
        rows: the rows.
        columns: which columns; all by default.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_all(folder: Path) -> None:
    """Write all files.

    Args:
        folder: where to; it must exist.
    """
    rng = random.Random(2026)
    write_rows(folder / "tickets.csv", tickets(rng, 360))
    write_rows(folder / "tickets_test.csv", tickets(rng, 80))
    write_rows(folder / "new.csv", tickets(rng, 12), ["title", "body"])
    write_rows(folder / "complaints.csv", complaints(rng, 360))
    write_rows(folder / "topics.csv", labelled_several(rng, 300))


if __name__ == "__main__":
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
