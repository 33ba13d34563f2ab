"""What errors of other libraries become in a message of one line."""

from __future__ import annotations

import pytest

from harvester.errors import reason_of


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError("  \n  padded \n"), "padded"),
        (ValueError(), "ValueError"),
        (MemoryError(" \n"), "MemoryError"),
        (OSError(2, "No such file or directory", "/home/somebody/x"), "No such file or directory"),
        (OSError("not a file at all"), "not a file at all"),
        (ValueError(b"bytes \xff\nof a parser"), "bytes \ufffd"),
        (ValueError("red \x1b[31malert\x07"), "red  [31malert "),
        (ValueError("x" * 5000), "x" * 200),
    ],
)
def test_a_reason_is_one_short_printable_line(exc, reason):
    assert reason_of(exc) == reason
