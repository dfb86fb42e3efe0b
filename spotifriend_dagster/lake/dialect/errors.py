"""What can be wrong with a statement before it runs. Each message is one sentence for who wrote it."""


class SQLError(Exception):
    """The statement was not run; the message says what is wrong with it."""


class InvalidSQL(SQLError):
    """The statement is no query over the tables there are: Athena would refuse it too."""


class UnsupportedSQL(SQLError):
    """The statement uses what is not on the allow-list: nobody has shown that both engines answer it alike."""
