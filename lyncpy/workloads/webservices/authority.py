"""The server's authority for people's certificates: made when it is first needed, kept sealed in the store."""

import base64
import json
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from twisted.logger import Logger

from lyncpy.contracts.seals import IKeyPairs, Seals
from lyncpy.contracts.store import IStore, Record
from lyncpy.contracts.timers import ITimers
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.versioned import NONE_YET
from lyncpy.workloads.webservices.model.certificates import Authority, new_authority

KIND: Final = "authority"
PEOPLE: Final = "people"
_ABOUT: Final = f"{KIND}:{PEOPLE}"


class PeopleAuthority:
    """Keeps the one authority.

    Args:
        certificate_s: Seconds for which its certificates hold; an authority that ends before is replaced.
    """

    log = Logger()

    def __init__(
        self,
        store: IStore,
        seals: Seals,
        key_pairs: IKeyPairs,
        writers: KeyedLock,
        timers: ITimers,
        certificate_s: int,
    ) -> None:
        self._store = store
        self._seals = seals
        self._key_pairs = key_pairs
        self._writers = writers
        self._timers = timers
        self._certificate_s = certificate_s
        self._current: Authority | None = None

    async def current(self) -> Authority:
        """Give the authority; one that is new is durable."""
        if self._current is not None and self._lasts(self._current):
            return self._current
        async with self._writers.hold(KIND, PEOPLE):
            record = await self._store.read(KIND, PEOPLE)
            known = self._of(record)
            if known is None or not self._lasts(known):
                known = new_authority(await self._key_pairs.new_key(), self._timers.wall())
                version = NONE_YET if record is None else record.version
                await self._store.write(KIND, PEOPLE, self._seals.seal(_pack(known), _ABOUT), version)
                self.log.info("a new authority certifies the keys of people: {name}", name=known.name)
            self._current = known
        return known

    async def kept(self) -> Authority | None:
        """Give the authority that is in the store, without making one.

        Raises:
            StoreUnavailable: It was sealed with another key.
        """
        return self._of(await self._store.read(KIND, PEOPLE))

    def _of(self, record: Record | None) -> Authority | None:
        return None if record is None else _unpack(self._seals.unseal(record.value, _ABOUT))

    def _lasts(self, authority: Authority) -> bool:
        return authority.until > self._timers.wall() + self._certificate_s


def _pack(authority: Authority) -> bytes:
    key = authority.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = authority.certificate.public_bytes(Encoding.DER)
    fields = {"key": base64.b64encode(key).decode(), "certificate": base64.b64encode(certificate).decode()}
    return json.dumps(fields).encode()


def _unpack(value: bytes) -> Authority:
    fields = json.loads(value)
    # It was made here and sealed since; to prove once more that its numbers are primes would hold everybody up.
    key = load_der_private_key(base64.b64decode(fields["key"]), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)  # we have written it
    return Authority(key, x509.load_der_x509_certificate(base64.b64decode(fields["certificate"])))
