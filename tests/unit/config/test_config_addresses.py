"""Passwords in addresses: left out of everything that is printed or stored."""

from __future__ import annotations

import pytest

from gluetune.config import JobConfig, dump_job, parse_job, password, text_without_passwords, without_password
from gluetune.config.validation import format_value

SECRET = "sesame-91"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        (f"http://ann:{SECRET}@host:5000", "http://ann@host:5000"),
        (f"https://:{SECRET}@host/mlflow", "https://@host/mlflow"),
        (
            f"postgresql+psycopg2://ann:{SECRET}@host:5432/db?sslmode=require",
            "postgresql+psycopg2://ann@host:5432/db?sslmode=require",
        ),
        (f"postgresql://ann:a/{SECRET}?#@host/db", "postgresql://ann@host/db"),  # should have been quoted
        (f"postgresql://ann:a@{SECRET}@host/db", "postgresql://ann@host/db"),
        (f"mysql://host/db?user=ann&password={SECRET}", "mysql://host/db?user=ann"),
        (f"postgresql://host/db?sslpassword={SECRET}#x", "postgresql://host/db#x"),
        (
            f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{SECRET}%3BUID%3Dann",
            "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dann",
        ),
        (f"ann:{SECRET}@host:5000", "ann@host:5000"),  # a forgotten scheme
        *(
            (same, same)
            for same in (
                "http://host:5000",
                "http://ann@host:5000",
                "http://host:5000/a@b",
                "http://[::1]:5000",
                "databricks",
                "sqlite:////data/a@b:c/mlflow.db",
                "sqlite+pysqlite:////a%3Fb/mlflow.db",
                "postgresql://ann@host/db",
                "",
            )
        ),
    ],
)
def test_an_address_without_its_password(address: str, public: str) -> None:
    assert without_password(address) == public
    assert without_password(public) == public


def test_the_password_as_it_is_written() -> None:
    assert password("postgresql://ann:p%40ss@host/db") == "p%40ss"
    assert password("http://ann@host") is None
    assert password("sqlite:////data/a:b@c.db") is None


def test_a_message_is_shown_without_the_password_in_any_form() -> None:
    said = "cannot log ann in at http://ann:sesame%2f9@host/db with 'sesame/9'"
    assert text_without_passwords(said, "http://ann:sesame%2f9@host/db") == (
        "cannot log ann in at http://ann@host/db with '…'"
    )
    assert text_without_passwords(f"no http://ann:{SECRET}@host.") == "no http://ann@host."


def test_a_message_without_an_address_stays_as_it_is() -> None:
    said = "rows.csv:3: must be text, but got 'a:b@c' (see http://host:80/x)"
    assert text_without_passwords(said) == said


def test_a_written_job_holds_no_password() -> None:
    job = JobConfig.model_validate({"tasks": {"cola": 1}, "tracking": {"uri": f"http://ann:{SECRET}@host"}})
    assert job.tracking.uri == f"http://ann:{SECRET}@host"
    assert SECRET not in dump_job(job) + repr(job) + str(job.tracking)
    assert parse_job(dump_job(job).encode(), "job.yaml").tracking.uri == "http://ann@host"


def test_a_mistake_about_an_address_shows_no_password() -> None:
    assert format_value([f"http://ann:{SECRET}@host"]) == "['http://ann@host']"


@pytest.mark.parametrize(
    "text",
    [
        f"cannot reach http://host:5000?password={SECRET}",
        f"cannot reach 'http://host?token={SECRET}'",
        f"postgresql://ann:a/{SECRET}@host/db is away",
        f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{SECRET}",
    ],
)
def test_a_message_is_shown_without_the_passwords_of_any_address_in_it(text: str) -> None:
    shown = text_without_passwords(text)
    assert SECRET not in shown
    assert "host" in shown or "odbc" in shown


def test_a_part_of_a_password_is_not_shown_either() -> None:
    address = f"http://ann:{SECRET}/b@host:1/x"  # its "/" should have been quoted
    assert SECRET not in text_without_passwords(f"Failed to parse: 'ann:{SECRET}'", address)
