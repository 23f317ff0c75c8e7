"""What does a reward server say? It is asked over HTTP, a batch at a time."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from grpoctl.deadline import left_s
from grpoctl.errors import printable, shown
from grpoctl.rewards.registry import Score, reward
from grpoctl.rewards.results import NoScores

# An answer is a number for each completion; more than this is something else.
_READ_AT_MOST = 64 * 2**20

# Worth another try: it is busy, or being started again.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


# More would keep a run waiting for a server that does not come back.
_MOST_RETRIES = 20


def _arguments(arguments: Mapping[str, Any]) -> tuple[str, str, str] | None:
    if not _is_address(arguments["url"]):
        return f"is {shown(arguments['url'])}", "give an address, such as http://localhost:8000/score", "url"
    if urllib.parse.urlsplit(arguments["url"]).username is not None:
        return "holds a user's name or password, which would stand in the run's files", "leave it out", "url"
    retries, timeout_s = arguments.get("retries", 0), arguments.get("timeout_s", 1.0)
    if not 0 <= retries <= _MOST_RETRIES:
        return f"is {retries}", f"use 0 to {_MOST_RETRIES}", "retries"
    if not 0 < timeout_s <= 86_400:  # a day, as reward_timeout_s
        return f"is {timeout_s:g}", "give seconds, above 0 and up to 86400", "timeout_s"
    return None


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0  # reading a port that is no number raises
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and has_place and url.isprintable() and " " not in url


@reward(maximum=None, slow=True, tried_by_check=False, refuses=_arguments)
def server(
    completions: Sequence[str],
    prompts: Sequence[str],
    answer: Sequence[str],
    *,
    url: str,
    timeout_s: float = 15.0,
    retries: int = 2,
) -> list[Score]:
    """What the server at `url` answers to a POST of {prompts, completions, answer}: {"scores": [1.0, null, …]}."""
    asked = {"prompts": list(prompts), "completions": list(completions), "answer": list(answer)}
    body = json.dumps(asked, default=str).encode()
    for attempt in range(retries + 1):
        try:
            return _scores(_post(url, body, timeout_s), url)
        except urllib.error.HTTPError as error:
            reason = f"answers {error.code} {error.reason}"
            if error.code not in _PASSING:
                break
        except (OSError, http.client.HTTPException, ValueError) as error:  # refused, cut off, too slow, no HTTP
            reason = f"cannot be reached ({getattr(error, 'reason', error)})"
        if left_s() <= 0:  # nobody waits for it any more
            break
        if attempt < retries:
            time.sleep(min(0.5 * 2**attempt, 10.0))
    raise NoScores(f"{url} {printable(reason)[:200]}")


def _post(url: str, body: bytes, timeout_s: float) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", "User-Agent": "grpoctl"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        read: bytes = answer.read(_READ_AT_MOST)
        return read


def _scores(answer: bytes, url: str) -> list[Score]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        raise NoScores(f"{url} answers no JSON ({shown(answer[:40].decode(errors='replace'))})") from None
    scores = found.get("scores") if isinstance(found, dict) else found
    if not isinstance(scores, list):
        raise NoScores(f'{url} answers no {{"scores": […]}}')
    return scores
