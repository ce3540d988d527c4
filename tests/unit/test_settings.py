from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings, shown, table, to_environment

SECRET = "hunter2"
URL = f"postgresql://clerk:{SECRET}@db.example:5433/stock"


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = load_settings({})

    documented = {row.name: row.default for row in table() if row.default}
    assert to_environment(settings) == documented


def test_each_setting_is_documented_with_what_it_accepts() -> None:
    rows = table()

    assert len(rows) == len(Settings.__struct_fields__)
    assert all(row.accepts and row.meaning for row in rows)


def test_what_is_set_is_taken() -> None:
    settings = load_settings(
        {
            "DATABASE_URL": URL,
            "STOREKEEPER_DATA": "/srv/stock",
            "STOREKEEPER_PORT": "8001",
            "STOREKEEPER_SERVER": "uvicorn",
        }
    )

    assert settings.database_url == URL
    assert settings.data == Path("/srv/stock")
    assert settings.port == 8001
    assert settings.server == "uvicorn"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"STOREKEEPER_PORT": "", "DATABASE_URL": ""}) == load_settings({})


def test_variables_of_other_programs_are_left_alone() -> None:
    assert load_settings({"PORT": "x", "PGHOST": "elsewhere"}) == load_settings({})


def test_another_process_reads_the_same_settings_from_the_environment_given_to_it() -> None:
    settings = load_settings({"DATABASE_URL": URL, "STOREKEEPER_WORKERS": "4"})

    assert load_settings(to_environment(settings)) == settings


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_spelling_of_the_scheme_means_the_same_database(scheme: str) -> None:
    settings = load_settings({"DATABASE_URL": f"{scheme}://clerk@db/stock"})

    assert settings.database_url == "postgresql://clerk@db/stock"


REFUSALS = [
    pytest.param(
        {"STOREKEEPER_PORT": "0"},
        "STOREKEEPER_PORT is '0'; it must be a whole number from 1 to 65535.",
        id="below the bound",
    ),
    pytest.param(
        {"STOREKEEPER_PORT": "65536"},
        "STOREKEEPER_PORT is '65536'; it must be a whole number from 1 to 65535.",
        id="above the bound",
    ),
    pytest.param(
        {"STOREKEEPER_WORKERS": "two"},
        "STOREKEEPER_WORKERS is 'two'; it must be a whole number from 1 to 64.",
        id="no number",
    ),
    pytest.param(
        {"STOREKEEPER_WORKERS": "1e1"},
        "STOREKEEPER_WORKERS is '1e1'; it must be a whole number from 1 to 64.",
        id="a number in another notation",
    ),
    pytest.param(
        {"STOREKEEPER_WORKERS": "٤"},
        "STOREKEEPER_WORKERS is '٤'; it must be a whole number from 1 to 64.",
        id="Arabic digits",
    ),
    pytest.param(
        {"STOREKEEPER_ENV": "prod"},
        "STOREKEEPER_ENV is 'prod'; it must be development or production.",
        id="no such choice",
    ),
    pytest.param(
        {"STOREKEEPER_PROT": "8001"},
        "STOREKEEPER_PROT is not a setting; did you mean STOREKEEPER_PORT?",
        id="misspelt",
    ),
    pytest.param(
        {"STOREKEEPER_COLOUR": "blue"},
        "STOREKEEPER_COLOUR is not a setting: `storekeeper settings` lists them.",
        id="unknown",
    ),
    pytest.param(
        {"DATABASE_ADMIN_URL": URL},
        "DATABASE_ADMIN_URL is set without DATABASE_URL: set both, or neither.",
        id="administrator without application",
    ),
    pytest.param(
        {"STOREKEEPER_SESSION_IDLE_MINUTES": "121", "STOREKEEPER_SESSION_ABSOLUTE_HOURS": "2"},
        "STOREKEEPER_SESSION_IDLE_MINUTES (121) is longer than STOREKEEPER_SESSION_ABSOLUTE_HOURS (2) "
        "allows any session to last.",
        id="idle longer than absolute",
    ),
    pytest.param(
        {"STOREKEEPER_WORKERS": "8", "STOREKEEPER_POOL_SIZE": "16"},
        "STOREKEEPER_WORKERS times STOREKEEPER_POOL_SIZE and 2 is 144 database connections, and the embedded "
        "server has 90 for them.",
        id="more connections than the embedded server has",
    ),
]


@pytest.mark.parametrize(("environment", "sentence"), REFUSALS)
def test_a_wrong_setting_is_refused_in_one_sentence(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(environment)

    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "address", ["mysql://a@b/c", "stock", "postgresql://", f"postgresql://u:{SECRET}@h:port/d"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings({"DATABASE_URL": address})

    assert "DATABASE_URL must be an address like" in str(refusal.value)
    assert SECRET not in str(refusal.value)


def test_settings_are_shown_without_passwords() -> None:
    settings = load_settings({"DATABASE_URL": URL})

    assert shown(settings)["DATABASE_URL"] == "postgresql://clerk:***@db.example:5433/stock"
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
        ("stock.example", "http://stock.example:8000"),
    ],
)
def test_the_url_is_one_that_a_browser_can_open(host: str, url: str) -> None:
    assert load_settings({"STOREKEEPER_HOST": host}).url == url
