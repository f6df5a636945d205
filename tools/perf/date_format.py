"""Times as java.text.SimpleDateFormat prints them, for --date-format.

Left out: locales, zones by name, weeks; a letter that is not known is refused, as in Java.
"""

from __future__ import annotations

import re
import time
from typing import Final

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_TOKEN: Final = re.compile(r"'((?:[^']|'')*)'|([a-zA-Z])\2*|[^a-zA-Z']+")


def format_time(pattern: str, at_ms: int) -> str:
    """`at_ms` since the epoch, in the local zone. Raises ValueError for a letter that is not known."""
    moment = time.localtime(at_ms // 1000)
    numbers = {
        "M": moment.tm_mon,
        "d": moment.tm_mday,
        "H": moment.tm_hour,
        "k": moment.tm_hour or 24,
        "h": moment.tm_hour % 12 or 12,
        "K": moment.tm_hour % 12,
        "m": moment.tm_min,
        "s": moment.tm_sec,
        "S": at_ms % 1000,
        "D": moment.tm_yday,
    }

    def shown(token: re.Match[str]) -> str:
        text, letter = token[0], token[2]
        if letter is None:
            return "'" if text == "''" else (token[1].replace("''", "'") if token[1] is not None else text)
        width = len(text)
        if letter in "yu":
            return f"{moment.tm_year % 100:02}" if width == 2 else str(moment.tm_year).zfill(width)
        if letter == "M" and width > 2:
            name = _MONTHS[moment.tm_mon - 1]
            return name if width > 3 else name[:3]
        if letter == "E":
            name = _DAYS[moment.tm_wday]
            return name if width > 3 else name[:3]
        if letter == "a":
            return "PM" if moment.tm_hour >= 12 else "AM"
        if letter in "zZ":
            return moment.tm_zone if letter == "z" else time.strftime("%z", moment)
        if letter not in numbers:
            raise ValueError(f"Illegal pattern character '{letter}'")
        return str(numbers[letter]).zfill(width)

    return _TOKEN.sub(shown, pattern)
