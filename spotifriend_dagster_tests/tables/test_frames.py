"""A typed frame is exactly what its table declares, or it is refused."""

import pandas as pd
import pytest

from spotifriend_dagster.tables.declaration import Column, Table
from spotifriend_dagster.tables.frames import dtype, empty_frame, typed_frame

HEARD = Table(
    name="heard",
    layer="cleaned",
    folder="cleaned/heard",
    description="A table.",
    grain=("n",),
    columns=(
        Column("n", "bigint", "A number.", nullable=False),
        Column("heard_at", "timestamp", "When."),
        Column("local_heard_at", "timestamp", "When, on the clock."),
        Column("is_loud", "boolean", "Whether."),
        Column("name", "string", "What."),
    ),
)


def test_columns_come_in_their_order_and_types() -> None:
    """Whatever order and width they had; what is not declared is left out."""
    frame = typed_frame(
        pd.DataFrame(
            {
                "surplus": [1],
                "name": [None],
                "is_loud": [None],
                "local_heard_at": [pd.Timestamp("2025-10-26T02:30")],
                "heard_at": [pd.Timestamp("2025-10-26T01:30", tz="UTC")],
                "n": [1.0],
            },
            index=[7],
        ),
        HEARD,
    )
    assert list(frame.columns) == list(HEARD.column_names)
    assert [str(type_) for type_ in frame.dtypes] == [
        "int64",
        "datetime64[ms, UTC]",
        "datetime64[ms]",
        "boolean",
        "str",
    ]
    assert frame.index.tolist() == [0]


def test_an_empty_frame_has_the_same_types() -> None:
    """So that no rows and some rows can be joined without care."""
    assert [str(type_) for type_ in empty_frame(HEARD).dtypes] == [dtype(column) for column in HEARD.columns]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n": [1, None]}, "Column n of table heard is never null"),
        ({"n": [1.5, 2]}, "does not fit table heard"),
        ({"n": ["one", "two"]}, "does not fit table heard"),
        ({"is_loud": ["perhaps", None]}, "does not fit table heard"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, list[object]], sentence: str) -> None:
    """A fault in cleaning is one sentence at once, and not a wrong file."""
    fitting = {"n": [1, 2], "heard_at": None, "local_heard_at": None, "is_loud": None, "name": None}
    typed_frame(pd.DataFrame(fitting), HEARD)
    with pytest.raises(ValueError, match=sentence):
        typed_frame(pd.DataFrame(fitting | change), HEARD)


def test_a_missing_column_is_named() -> None:
    """Which one, of which table."""
    with pytest.raises(ValueError, match="A frame for table heard lacks the columns is_loud, name"):
        typed_frame(pd.DataFrame({"n": [1], "heard_at": None, "local_heard_at": None}), HEARD)
