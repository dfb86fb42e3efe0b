"""What can go wrong outside, as classes: callers decide by class whether to try again, and print the text.

Errors that stay inside one room belong to that room.
"""


class SourceError(Exception):
    """Something outside failed. Its text is one clear sentence for the user, which names the cure."""


class PermanentError(SourceError):
    """Trying again cannot help: the cure is the user's, or it is to wait."""


class TransientError(SourceError):
    """It was tried again a few times, in vain; a later run may well succeed."""


class ExportError(PermanentError):
    """Nothing of an export can be imported. What is wrong with one file only is a problem of the export, no error."""
