"""HTTP connections that people name: to an allowed host, looked up once, on a network it may reach.

The address that was checked is the one that is connected to, so a name that answers differently a moment
later gains nothing. Private, local and reserved networks are open to hosts that are listed as `private:`
only, however an address is spelled.

The standard library's client, because the connection has to go to the address that was checked, with the name
in the certificate still verified.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

PRIVATE = "private:"
EXECUTOR_SETTING = "BATON_HTTP_HOSTS"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""An IPv4 address in the last four bytes."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for the open Internet."""
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")
)
"""Reserved, too; not every version of the standard library knows."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """This host or address may not be connected to; the text says why and how to mend it."""


class HostUnknown(AddressRefused):
    """No name server knows it."""


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of `BATON_HTTP_HOSTS`: `api.example.org`, `*.example.org:8443`, `private:intranet:8080`."""

    name: str
    port: int | None
    is_private: bool

    def covers(self, host: str, port: int) -> bool:
        """Whether this entry is about that host."""
        if self.port is not None and self.port != port:
            return False
        if self.name == "*":
            return True
        if self.name.startswith("*."):
            return host.endswith(self.name[1:])
        return host == self.name


ANYWHERE = AllowedHost("*", None, is_private=False)
"""Any host of the open Internet."""


def open_connection(
    scheme: str,
    host: str,
    port: int | None,
    allowed: Sequence[AllowedHost],
    timeout_s: float,
    setting: str = EXECUTOR_SETTING,
) -> http.client.HTTPConnection:
    """A connection to this host, not connected yet; raises `AddressRefused`. `setting` lists `allowed`."""
    kind = _Secure if scheme == "https" else _Plain
    port = port or (443 if scheme == "https" else 80)
    return kind(host, port, resolve(host, port, allowed, setting), timeout_s)


def read_hosts(entries: Sequence[str]) -> list[AllowedHost]:
    """Read the entries of the setting; raises `ValueError` for one that makes no sense."""
    return [_entry(each) for each in entries]


def _entry(text: str) -> AllowedHost:
    is_private = text.startswith(PRIVATE)
    name, colon, port = text.removeprefix(PRIVATE).rpartition(":")
    if not colon or text.endswith("]"):
        name, port = text.removeprefix(PRIVATE), ""
    if not name or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536)):
        raise ValueError(
            f"{text!r} is not a host: write api.example.org, *.example.org:8443 or private:host:80"
        )
    return AllowedHost(name.strip("[]").lower(), int(port) if port else None, is_private)


def resolve(host: str, port: int, allowed: Sequence[AllowedHost], setting: str = EXECUTOR_SETTING) -> str:
    """The one address to connect to; raises `AddressRefused`, which names the setting to mend."""
    host = host.lower().rstrip(".")
    entries = [each for each in allowed if each.covers(host, port)]
    if not entries:
        raise AddressRefused(
            f"{host}:{port} may not be called from here: the setting {setting} lists what may"
        )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise HostUnknown(f"{host} cannot be looked up: {problem}") from None
    addresses = [str(each[4][0]) for each in found]
    may_be_private = any(each.is_private for each in entries)
    for address in addresses:
        if may_be_private or is_public(address):
            return address
    raise AddressRefused(
        f"{host} is {', '.join(dict.fromkeys(addresses))}, on a private or reserved network: list it as "
        f"{PRIVATE}{host} in {setting} if it may be called all the same"
    )


def is_public(address: str) -> bool:
    """Whether an address is one of the open Internet, and not another one in disguise."""
    parsed: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = _embedded(parsed)
        if inner is not None:
            return is_public(str(inner))
        if parsed not in _UNICAST:
            return False
    is_listed = any(parsed.version == each.version and parsed in each for each in _NOT_PUBLIC)
    return parsed.is_global and not is_listed and not parsed.is_multicast and not parsed.is_reserved


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


class _Plain(http.client.HTTPConnection):
    """Connects to the address that was checked, whatever the name says by now."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _Secure(_Plain):
    """The same over TLS: the certificate has to be that of the name."""

    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
