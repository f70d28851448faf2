"""Which addresses may be asked: none that is not public, however it is written."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import WebError
from medalist.expansion.addresses import is_loopback, is_public
from medalist.expansion.door import get
from medalist.expansion.web import Outside, Web

CLOSED_V4 = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
)
CLOSED_V6 = (
    *("::/8", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:2::/48", "2001:db8::/32", "2002::/16"),
    *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "4000::/3"),
)


def inside(networks: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Addresses inside one of the networks."""
    return st.sampled_from(networks).flatmap(lambda network: st.ip_addresses(network=network))


closed = inside(CLOSED_V4) | inside(CLOSED_V6) | st.ip_addresses().filter(lambda address: not address.is_global)


@given(address=closed)
def test_what_is_not_global_is_refused(address: IPv4Address | IPv6Address) -> None:
    assert not is_public(str(address))
    assert not is_public(address.exploded)


@given(address=st.ip_addresses(v=4))
def test_an_address_inside_another_is_refused(address: IPv4Address) -> None:
    number = int(address)
    for inner in (
        0xFFFF << 32 | number,  # mapped
        number,  # compatible
        (0x64FF9B << 96) | number,  # NAT64
        (0x2002 << 112) | number << 80,  # 6to4
        (0x20010000 << 96) | number << 64,  # Teredo, its server
        (0x20010000 << 96) | (number ^ 0xFFFFFFFF),  # Teredo, its client
    ):
        assert not is_public(str(IPv6Address(inner)))


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "93.184.215.14", "100.63.255.255", "100.128.0.0", "172.32.0.1", "11.0.0.0"),
        *("2606:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "2003::1"),
    ],
)
def test_what_servers_have_is_let_in(address: str) -> None:
    assert is_public(address)
    assert not is_loopback(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "1.2.3", "fe80::1%eth0", "2606::1%1", "::g"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


def test_loopback() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("127.255.0.1") and is_loopback("::1")
    assert not any(map(is_loopback, ("::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "localhost")))


def unreachable(address: str, port: int, seconds: float) -> Any:
    raise AssertionError(f"a connection to {address}")


def spellings(address: IPv4Address) -> list[str]:
    """How inet_aton (and so the system) lets an IPv4 address be written."""
    number, parts = int(address), address.packed
    return [
        str(address),
        str(number),
        hex(number),
        oct(number).replace("0o", "0"),
        ".".join(map(hex, parts)),
        ".".join(oct(part).replace("0o", "0") for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
        f"[::ffff:{address}]",
        f"[{IPv6Address(0xFFFF << 32 | number).exploded}]",
        str(address).replace(".", "。"),
    ]


@given(address=inside(CLOSED_V4))
def test_no_spelling_gets_past_the_door(address: IPv4Address) -> None:
    web = Web("me@example.org", outside=Outside(connect=unreachable))
    for host in spellings(address):
        with pytest.raises(WebError, match=r"not a public one|has no address|no URL"):
            get(web, f"http://{host}/a.jpg", accept="image/*")


@given(address=inside(CLOSED_V6))
def test_nor_any_of_version_6(address: IPv6Address) -> None:
    web = Web("me@example.org", outside=Outside(connect=unreachable))
    for host in (str(address), address.exploded, str(address).upper()):
        with pytest.raises(WebError, match=r"not a public one|has no address|no URL"):
            get(web, f"https://[{host}]/a.jpg", accept="image/*")


@pytest.mark.parametrize("others", [["127.0.0.1"], ["10.0.0.1"], ["::1"], ["fe80::1%eth0"], []])
def test_one_closed_address_closes_a_host(others: list[str]) -> None:
    """Of several addresses a client may take any, so all must be open."""
    answers = ["8.8.8.8", *others, "1.1.1.1"] if others else []
    web = Web("me@example.org", outside=Outside(lambda host, port: answers, unreachable), allow_loopback=True)
    with pytest.raises(WebError, match="not a public one"):
        get(web, "http://a.example/a.jpg", accept="image/*")


@pytest.mark.parametrize("port", [22, 25, 81, 6379, 8080])
def test_only_the_ports_of_the_web_are_asked(port: int) -> None:
    web = Web("me@example.org", outside=Outside(lambda host, port: ["8.8.8.8"], unreachable), allow_loopback=True)
    with pytest.raises(WebError, match=f"port {port}; only 80, 443"):
        get(web, f"http://a.example:{port}/a.jpg", accept="image/*")


def test_the_reference_is_what_it_is_taken_for() -> None:
    flag: Callable[[str], bool] = lambda text: ipaddress.ip_address(text).is_global  # noqa: E731
    assert flag("8.8.8.8") and not flag("10.0.0.1") and not flag("100.64.0.1")
