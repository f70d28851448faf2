"""An address as text -> whether a server on the open internet can be there.

An image's address comes from strangers; it must not lead to this machine, its network, a cloud's metadata service or,
through a translating prefix, to any of them. What is asked is the address that a connection will be made to, never the
name or its spelling.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

# `is_global` alone lets through multicast, protocol assignments and relays, and differs between Python's versions.
CLOSED_V4 = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # Azure's wire server, which hands out a machine's secrets
)
# All that is handed out to servers lies in 2000::/3. Outside it are mapped (::ffff:0:0/96) and translated
# (64:ff9b::/96) IPv4 addresses, local ones, and multicast.
OPEN_V6 = IPv6Network("2000::/3")
CLOSED_V6 = (
    IPv6Network("2001::/23"),  # IETF protocol assignments, with Teredo, which holds an IPv4 address
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4, which holds an IPv4 address
    IPv6Network("3fff::/20"),  # documentation
)


def is_public(address: str) -> bool:
    """Whether `address` is a global unicast one that holds no other address inside."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        assigned = parsed in OPEN_V6 and not any(parsed in network for network in CLOSED_V6)
        return assigned and parsed.is_global and parsed.scope_id is None
    return parsed.is_global and not parsed.is_multicast and not any(parsed in network for network in CLOSED_V4)


def is_loopback(address: str) -> bool:
    """Whether `address` is 127.0.0.0/8 or ::1."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
