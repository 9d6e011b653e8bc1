"""Reads and writes that several services share, all within the transaction they are given."""

from collections.abc import Callable, Sequence

from mtfleet.domain.access import Caller
from mtfleet.domain.accounts import Account, BrokerSettings, Platform
from mtfleet.domain.deployment import Deployment, Desired
from mtfleet.domain.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from mtfleet.domain.ids import AccountId, ProfileId, Region, UserId
from mtfleet.domain.profiles import REQUIRED_FILES, Profile, ProfileStatus
from mtfleet.domain.secret import Secret
from mtfleet.provisioning.options import Options
from mtfleet.provisioning.ports import Sealer
from mtfleet.store.base import ACCOUNTS, PASSWORD, SealedSecret, Transaction

Change = Callable[[Deployment], Deployment]


async def owned_account(tx: Transaction, user_id: UserId, account_id: AccountId) -> Account:
    """Return the user's account with its replicas. Raises `NotFoundError`."""
    account = await tx.accounts.get(user_id, account_id)
    if account is None:
        raise NotFoundError(f"There is no account {account_id!r}.")
    return account


async def changeable_account(tx: Transaction, user_id: UserId, account_id: AccountId) -> Account:
    """Return the user's account unless it is being deleted. Raises `NotFoundError`, `ConflictError`."""
    account = await owned_account(tx, user_id, account_id)
    deployment = await tx.deployments.get(account_id)
    if deployment is not None and deployment.desired is Desired.DELETED:
        raise ConflictError(f"The account {account_id} is being deleted.")
    return account


async def change_deployments(
    tx: Transaction, account_ids: Sequence[AccountId], change: Change
) -> list[AccountId]:
    """Apply `change` to each deployment, all or none; returns the ids of those that changed."""
    before = await tx.deployments.get_many(account_ids)
    after = {account_id: change(deployment) for account_id, deployment in before.items()}
    changed = [account_id for account_id in account_ids if after.get(account_id) != before.get(account_id)]
    await tx.deployments.put_many([after[account_id] for account_id in changed])
    return changed


def family(account: Account) -> list[AccountId]:
    """Return the ids of the account and its replicas, the account first."""
    return [account.id, *(replica.id for replica in account.account_replicas)]


async def put_password(tx: Transaction, sealer: Sealer, account_id: AccountId, password: Secret) -> None:
    """Seal and store an account's password."""
    place = {"table": ACCOUNTS, "record_id": account_id, "field": PASSWORD}
    await tx.secrets.put(SealedSecret(**place, sealed=sealer.seal(password, **place)))


async def read_password(tx: Transaction, sealer: Sealer, account_id: AccountId) -> Secret | None:
    """Return an account's stored password; `None` for a draft."""
    sealed = await tx.secrets.get(ACCOUNTS, account_id, PASSWORD)
    if sealed is None:
        return None
    return await sealer.open_secret(sealed, table=ACCOUNTS, record_id=account_id, field=PASSWORD)


async def active_profile(tx: Transaction, user_id: UserId, profile_id: ProfileId) -> Profile:
    """Return the user's profile. Raises `NotFoundError`; `ValidationError` when a file is missing."""
    profile = await tx.profiles.get(user_id, profile_id)
    if profile is None:
        raise NotFoundError(f"There is no provisioning profile {profile_id!r}.")
    if profile.status is not ProfileStatus.ACTIVE:
        names = " or ".join(sorted(REQUIRED_FILES[profile.type, profile.version]))
        raise ValidationError(
            f"The provisioning profile {profile.name!r} is not active yet: upload {names} to it first."
        )
    return profile


def settings_of(profile: Profile) -> BrokerSettings:
    """Return the broker settings that a profile gives."""
    return BrokerSettings(
        broker_timezone=profile.broker_timezone, broker_dst_switch_timezone=profile.broker_dst_switch_timezone
    )


def platform_of(profile: Profile, wished: Platform | None) -> Platform:
    """Return the profile's platform. Raises `ValidationError` when another one was asked for."""
    platform = Platform.of_version(profile.version)
    if wished is not None and wished is not platform:
        raise ValidationError(
            f"The provisioning profile {profile.name!r} is for {platform.value}, not for {wished.value}."
        )
    return platform


async def check_quota(tx: Transaction, caller: Caller, region: Region, options: Options) -> None:
    """Raise `ForbiddenError` when the user may have no more accounts in that region."""
    if await tx.accounts.count(caller.user_id, region) >= options.max_accounts_per_region:
        raise ForbiddenError(
            f"The quota of {options.max_accounts_per_region} accounts in {region} is used up. Remove "
            "accounts or ask the administrator for more."
        )
