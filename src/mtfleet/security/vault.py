"""Envelope encryption of passwords and keys.

A master key (`keys.py`) wraps data keys, data keys encrypt secrets with AES-256-GCM. The place of a secret
(table, record, field) is authenticated with it, so that a ciphertext moved elsewhere does not open. In clear
the vault keeps the data keys and the hash key in memory, and nothing else.

A ciphertext is: format byte 1, id of its data key (8 bytes), nonce (12 bytes), AES-GCM ciphertext and tag.
A wrapped key is: format byte 1, fingerprint of its master key (8 bytes), nonce (12 bytes), ciphertext, tag.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from mtfleet.domain.access import Caller
from mtfleet.domain.errors import SystemError_
from mtfleet.domain.secret import Secret
from mtfleet.domain.values import Clock
from mtfleet.security.audit import record
from mtfleet.security.keys import KEY_BYTES, KeySource, MasterKey
from mtfleet.security.records import Sealed, Store, Transaction

log = structlog.get_logger(__name__)

FORMAT: Final = 1
HASH_KEY_ID: Final = "hash"
"""Under this name the key of `keyed_hash` is stored among the data keys; rotation leaves it as it is."""
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 8
_HEADER_BYTES: Final = 1 + _ID_BYTES + _NONCE_BYTES
_TAG_BYTES: Final = 16
_PAGE: Final = 200
_MAX_PASSES: Final = 10


class VaultError(SystemError_):
    """The vault can't do what it was asked to."""


class VaultLocked(VaultError):
    """The master key that was given does not open this vault."""


class UnknownDataKey(VaultError):
    """A secret is sealed with a data key that this process has not read yet."""


class SecretNotOpened(VaultError):
    """A stored secret does not open: it was changed, cut or moved, or belongs to another vault."""


class SecretsLeftAlone(SecretNotOpened):
    """A rotation met secrets that do not open; all others are sealed anew."""

    is_for_callers = True


class Vault:
    """Seals and opens secrets. Get one with `await Vault.open(...)`; safe to share within an event loop."""

    def __init__(self, store: Store, key_source: KeySource, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock
        self._key_source = key_source
        self._ciphers: dict[str, AESGCM] = {}
        self._current = ""
        self._hash_key = b""

    @classmethod
    async def open(cls, store: Store, key_source: KeySource, *, clock: Clock | None = None) -> "Vault":
        """Open the store's vault; on first start, make its keys.

        With a `clock`, rotations and changes of the master key are noted in the audit log.
        Raises `VaultLocked` when the master key is missing or another one, `MasterKeyError` when it can't be
        had.
        """
        vault = cls(store, key_source, clock)
        async with store.reader() as tx:
            is_new = not await tx.secrets.data_keys()
        if is_new:
            await vault._found()
        await vault.refresh()
        return vault

    async def _found(self) -> None:
        present = await self._key_source.candidates()
        master = present[0] if present else await self._key_source.create()
        hash_key = _wrap(master, HASH_KEY_ID, secrets.token_bytes(KEY_BYTES))
        async with self._store.transaction() as tx:
            # Programs that start together each have a key at hand; the first one's counts for all.
            if await tx.secrets.add_data_key(HASH_KEY_ID, hash_key):
                key_id = _next_id(())
                await tx.secrets.put_data_key(key_id, _wrap(master, key_id, secrets.token_bytes(KEY_BYTES)))

    async def refresh(self) -> None:
        """Read the data keys again: after another process has rotated them. Raises as `open` does."""
        async with self._store.reader() as tx:
            wrapped = await tx.secrets.data_keys()
        master = await self._master_for(wrapped)
        keys = {key_id: _unwrap(master, key_id, sealed) for key_id, sealed in wrapped.items()}
        self._hash_key = keys.pop(HASH_KEY_ID)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = max(keys)

    async def _present_master(self) -> MasterKey:
        """Have the master key, outside any transaction: a key source may take its time."""
        async with self._store.reader() as tx:
            wrapped = await tx.secrets.data_keys()
        return await self._master_for(wrapped)

    async def _master_for(self, wrapped: Mapping[str, bytes]) -> MasterKey:
        needed = {sealed[1 : 1 + _ID_BYTES] for sealed in wrapped.values()}
        candidates = await self._key_source.candidates()
        fitting = [key for key in candidates if needed == {key.fingerprint}]
        if not fitting or HASH_KEY_ID not in wrapped:
            seen = "Another master key" if candidates else "No master key"
            raise VaultLocked(
                f"{seen} is in {self._key_source.origin}; this data was sealed with a certain one. Put that "
                "one back: without it the stored passwords can't be read, and no new key may take its place."
            )
        await self._key_source.settle(fitting[0])
        return fitting[0]

    def seal(self, secret: Secret, *, table: str, record_id: str, field: str) -> bytes:
        """Encrypt a secret for its place."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(
            nonce, secret.reveal().encode("utf-8", "surrogatepass"), _place(table, record_id, field)
        )
        return bytes((FORMAT,)) + bytes.fromhex(self._current) + nonce + sealed

    def unseal(self, sealed: bytes, *, table: str, record_id: str, field: str) -> Secret:
        """Decrypt a secret of that place.

        Raises `UnknownDataKey` (call `refresh`, or use `open_secret`) and `SecretNotOpened`.
        """
        if len(sealed) < _HEADER_BYTES + _TAG_BYTES or sealed[0] != FORMAT:
            raise SecretNotOpened(f"The secret {table}/{record_id}/{field} is in no known format.")
        cipher = self._ciphers.get(key_id_of(sealed))
        if cipher is None:
            raise UnknownDataKey(
                f"The secret {table}/{record_id}/{field} is sealed with the data key {key_id_of(sealed)}, "
                "which this process does not know."
            )
        nonce = sealed[1 + _ID_BYTES : _HEADER_BYTES]
        try:
            opened = cipher.decrypt(nonce, sealed[_HEADER_BYTES:], _place(table, record_id, field))
        except InvalidTag:
            raise SecretNotOpened(
                f"The secret {table}/{record_id}/{field} does not open: it was changed or moved."
            ) from None
        return Secret(opened.decode("utf-8", "surrogatepass"))

    async def open_secret(self, sealed: bytes, *, table: str, record_id: str, field: str) -> Secret:
        """Decrypt, reading the data keys again when another process has rotated them."""
        try:
            return self.unseal(sealed, table=table, record_id=record_id, field=field)
        except UnknownDataKey:
            await self.refresh()
        return self.unseal(sealed, table=table, record_id=record_id, field=field)

    def keyed_hash(self, data: bytes, purpose: str) -> str:
        """Return 64 hexadecimal digits that only holders of this vault can compute; rotation keeps them."""
        return hmac.new(self.derived_key(purpose), data, sha256).hexdigest()

    def derived_key(self, purpose: str) -> bytes:
        """Return the 32-byte key of a purpose, the same for the vault's whole life."""
        return HKDFExpand(hashes.SHA256(), KEY_BYTES, b"mtfleet/hash/" + purpose.encode()).derive(
            self._hash_key
        )

    async def rotate(
        self, progress: Callable[[int], None] | None = None, *, caller: Caller | None = None
    ) -> int:
        """Make a new data key and seal every secret anew with it; return how many were.

        Works while this and other processes serve: each page is its own small transaction, and a secret that
        changed meanwhile is left to the next pass. After an interruption, run it again. `progress` is told
        the running count, the audit log who the `caller` was. Raises `SecretsLeftAlone` at the end, naming
        secrets that did not open; all others are done by then.
        """
        master = await self._present_master()
        async with self._store.transaction() as tx:
            wrapped = await _wrapped_with(master, tx)
            key_id = _next_id(wrapped)
            await tx.secrets.put_data_key(key_id, _wrap(master, key_id, secrets.token_bytes(KEY_BYTES)))
            await self._note(tx, caller, "vault.rotated", {"keyId": key_id})
        await self.refresh()
        rewrapped = 0
        damaged: set[tuple[str, str, str]] = set()
        for _ in range(_MAX_PASSES):
            stale = 0
            after = 0
            while True:
                async with self._store.reader() as tx:
                    page = await tx.secrets.page(after=after, limit=_PAGE)
                if not page:
                    break
                after = page[-1][0]
                old = [s for _, s in page if key_id_of(s.sealed) != self._current]
                stale += len(old)
                rewrapped += await self._rewrap(old, damaged)
                if progress is not None:
                    progress(rewrapped)
            if stale <= len(damaged):
                break
        if damaged:
            places = ", ".join("/".join(place) for place in sorted(damaged)[:10])
            raise SecretsLeftAlone(
                f"{rewrapped} secrets are sealed anew; {len(damaged)} did not open and were left alone: "
                f"{places}. Enter these passwords again."
            )
        log.info("vault.rotated", rewrapped=rewrapped, key_id=self._current)
        return rewrapped

    async def _note(
        self, tx: Transaction, caller: Caller | None, action: str, details: dict[str, Any]
    ) -> None:
        if self._clock is not None:
            await record(tx, self._clock, caller, action, entity="vault", entity_id=None, details=details)

    async def _rewrap(self, old: list[Sealed], damaged: set[tuple[str, str, str]]) -> int:
        swaps: list[tuple[Sealed, bytes]] = []
        for secret in old:
            place = {"table": secret.table, "record_id": secret.record_id, "field": secret.field}
            try:
                opened = await self.open_secret(secret.sealed, **place)
            except (SecretNotOpened, UnknownDataKey) as error:
                if (secret.table, secret.record_id, secret.field) not in damaged:
                    log.error("secret.not_opened", **place, reason=error.message)
                damaged.add((secret.table, secret.record_id, secret.field))
                continue
            swaps.append((secret, self.seal(opened, **place)))
        if not swaps:
            return 0
        async with self._store.transaction() as tx:
            return sum([await tx.secrets.replace(secret, sealed) for secret, sealed in swaps])

    async def rekey(self, new_source: KeySource | None = None, *, caller: Caller | None = None) -> int:
        """Wrap all data keys with another master key; return how many.

        `None` renews the key in place, which only a file can. Either the old or the new key opens the vault
        at each moment: a renewed file waits beside the old one until the store holds what it wraps.
        """
        source = new_source or self._key_source
        old = await self._present_master()
        if new_source is None:
            new = await source.prepare_renewal()
        else:
            found = await source.candidates()
            new = found[0] if found else await source.create()
        async with self._store.transaction() as tx:
            wrapped = await _wrapped_with(old, tx)
            for key_id, sealed in wrapped.items():
                await tx.secrets.put_data_key(key_id, _wrap(new, key_id, _unwrap(old, key_id, sealed)))
            await self._note(tx, caller, "vault.rekeyed", {"source": source.origin})
        self._key_source = source
        await self.refresh()
        log.info("vault.rekeyed", keys=len(wrapped), source=source.origin)
        return len(wrapped)


async def _wrapped_with(master: MasterKey, tx: Transaction) -> dict[str, bytes]:
    """Read the wrapped keys, making sure that nobody has changed the master key meanwhile."""
    wrapped = await tx.secrets.data_keys()
    if {sealed[1 : 1 + _ID_BYTES] for sealed in wrapped.values()} != {master.fingerprint}:
        raise VaultLocked("Another process changed the master key at this very moment; run this again.")
    return wrapped


def key_id_of(sealed: bytes) -> str:
    """Return the id of the data key that a ciphertext names."""
    return sealed[1 : 1 + _ID_BYTES].hex()


def _next_id(present: Mapping[str, bytes] | tuple[()]) -> str:
    """Return an id that sorts after all present ones and that no other process makes at the same time."""
    numbers = [int(key_id[:8], 16) for key_id in present if key_id != HASH_KEY_ID]
    return f"{max(numbers, default=0) + 1:08x}{secrets.token_hex(4)}"


def _place(*names: str) -> bytes:
    """Encode a place so that no two places have the same bytes."""
    encoded = [name.encode("utf-8", "surrogatepass") for name in names]
    return bytes((FORMAT,)) + b"".join(len(name).to_bytes(4, "big") + name for name in encoded)


def _wrap(master: MasterKey, key_id: str, key: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(master.reveal()).encrypt(nonce, key, _place("data_keys", key_id, "key"))
    return bytes((FORMAT,)) + master.fingerprint + nonce + sealed


def _unwrap(master: MasterKey, key_id: str, wrapped: bytes) -> bytes:
    try:
        return AESGCM(master.reveal()).decrypt(
            wrapped[1 + _ID_BYTES : _HEADER_BYTES],
            wrapped[_HEADER_BYTES:],
            _place("data_keys", key_id, "key"),
        )
    except InvalidTag:
        raise VaultLocked(
            f"The data key {key_id} does not open with the master key: it was changed or moved."
        ) from None
