"""The ways to tell people that Apprise knows: mail and chat services.

Addresses hold passwords and tokens, so nothing here repeats one: neither an error nor a log line of Apprise.
An address is typed by a person who may do everything in the dashboard, but not on this machine and not in
its network: what would read a local file, or reach a private address, is refused. (Mail is not: its server
is often a neighbour. And Apprise looks a name up again after it was checked here.)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from baton.errors import BatonError
from baton.outbound import ANYWHERE, AddressRefused, HostUnknown, read_hosts, resolve

_UNFIT = frozenset(
    [
        "apprise", "apprises", "blink1", "dbus", "form", "forms", "glib", "gnome", "json", "jsons", "kde",
        "macosx", "qt", "rsyslog", "syslog", "windows", "xml", "xmls",
    ]
)  # fmt: skip
"""They send anything anywhere, which is what a webhook is for, or to this machine."""
_FILES = frozenset(["keyfile", "subfile", "template", "attach", "attach-as"])
"""Arguments that name a file of this machine."""
_MAIL = ("mailto", "mailtos")
_SHORT = 3
"""What is shorter is no secret, and stands in many words."""


class NotSent(BatonError):
    """The other side did not take it."""


def problem_of(url: str) -> str:
    """What is wrong with an Apprise address; empty if nothing is. It is never repeated."""
    scheme = url.partition(":")[0].lower()
    if scheme in _UNFIT:
        return f"{scheme}:// is not taken here: use a webhook"
    try:
        names = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    except ValueError:
        names = set()
    if refused := sorted(name for name in names if name in _FILES or name.startswith("pgp")):
        return f"it may not name files of this machine: leave out {', '.join(refused)}"
    if "redirect" in names:
        return "redirects are not followed: leave out redirect"
    if _opened(url) is None:
        return (
            "this is no address that Apprise knows, as mailto://user:password@example.com?to=me@example.com"
        )
    return ""


def send(url: str, subject: str, body: str, allowed: Sequence[str] = ()) -> None:
    """Send by Apprise; raises `NotSent`. `allowed` are the private hosts that may be reached."""
    if problem := problem_of(url):
        raise NotSent(problem)
    channel = _opened(url)
    _check_host(channel, allowed)
    apprise = _apprise()
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
        if not channel.notify(title=subject, body=body, body_format=apprise.NotifyFormat.TEXT):
            raise NotSent(_reason(said.getvalue(), url))


def masked(text: str, url: str) -> str:
    """The text without any part of the address that could be a secret."""
    pieces = {url, *_split(url), *_split(unquote(url))}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) > _SHORT:
            text = text.replace(piece, "…")
    return text


def _split(url: str) -> set[str]:
    parts = {url}
    for mark in "/?&=:@,;":
        parts = {piece for part in parts for piece in part.split(mark)}
    return parts


def _reason(said: str, url: str) -> str:
    """The last thing Apprise said."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return masked(lines[-1], url)[:500] if lines else "the other side did not take it"


def _check_host(channel: Any, allowed: Sequence[str]) -> None:
    """A server that people run themselves stands where they say: not in a private network, unless listed."""
    host = getattr(channel, "host", None)
    if channel.schema in _MAIL or "host" not in channel.template_tokens or not isinstance(host, str):
        return
    hosts = [ANYWHERE, *(each for each in read_hosts(allowed) if each.is_private)]
    try:
        resolve(host.strip("[]"), channel.port or 443, hosts, "BATON_WEBHOOK_HOSTS")
    except HostUnknown:
        return  # some services have a word there that is no host
    except AddressRefused as problem:
        raise NotSent(str(problem)) from None


def _opened(url: str) -> Any:
    """What Apprise makes of an address; None if nothing."""
    apprise = _apprise()
    asset = apprise.AppriseAsset(http_redirects=False)
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _apprise() -> ModuleType:
    import apprise

    # it says what it cannot read, passwords and all, to whoever listens at the root
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return apprise
