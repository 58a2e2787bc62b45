"""AP-REQs (RFC 4120 §5.5.1) as a client writes them, with nothing in what is encrypted."""


def der(tag: int, *parts: bytes) -> bytes:
    """Write one value."""
    content = b"".join(parts)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content


def number(value: int) -> bytes:
    """Write a number."""
    return der(0x02, value.to_bytes(max(1, (value.bit_length() + 8) // 8), "big", signed=True))


def sealed(encryption: int, version: int | None) -> bytes:
    """Write what is encrypted."""
    kvno = b"" if version is None else der(0xA1, number(version))
    return der(0x30, der(0xA0, number(encryption)), kvno, der(0xA2, der(0x04, b"x" * 200)))


def ap_req(*service: str, realm: str = "EXAMPLE.TEST", encryption: int = 18, version: int | None = 3) -> bytes:
    """Write an AP-REQ."""
    names = der(0x30, *(der(0x1B, part.encode()) for part in service))
    name = der(0x30, der(0xA0, number(2)), der(0xA1, names))
    ticket = der(
        0x61,
        der(
            0x30,
            der(0xA0, number(5)),
            der(0xA1, der(0x1B, realm.encode())),
            der(0xA2, name),
            der(0xA3, sealed(encryption, version)),
        ),
    )
    head = (der(0xA0, number(5)), der(0xA1, number(14)), der(0xA2, der(0x03, bytes(5))))
    return der(0x6E, der(0x30, *head, der(0xA3, ticket), der(0xA4, sealed(encryption, None))))
